"""Where a Letta server, or its database, is: what stands in a file's place."""

from urllib.parse import urlsplit

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.transfer.report import Report
from memory_mcp.transfer.source import Source


class Address(Source):
    """An address to import from; `name` is what of it may be shown."""

    def __init__(
        self,
        url: str,
        schemes: tuple[str, ...],
        report: Report,
        agent: str | None = None,
        token: str | None = None,
    ) -> None:
        """`token` is what a server wants to see, where it wants one.

        Raises:
            ImportRefused: it is none with one of these schemes; the text says how one reads.
        """
        self.report = report
        self.agent = agent
        self.path = None
        self.url = url.strip()
        self.token = token
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError as error:
            raise ImportRefused(f"the address cannot be read: {error}.") from error
        if parts.scheme not in schemes or not (parts.hostname or parts.path.strip("/")):
            shown = self.url if "@" not in self.url else "what was given"
            raise ImportRefused(
                f"{shown} is no address. Give one that begins with {schemes[0]}://, like "
                f"{_EXAMPLES[schemes[0]]}. For an agent file: memory-mcp import af FILE"
            )
        host = parts.hostname or ""
        self.name = f"{parts.scheme}://{host}" + (f":{port}" if port else "") + parts.path
        """The address without user and password."""

    def size(self) -> None:
        """Nobody can know before how much there is to read."""


_EXAMPLES = {
    "http": "http://localhost:8283",
    "postgresql": "postgresql://letta@localhost:5432/letta",
}
