"""opencode, and Kilo, which is built on it: the server, and a plugin that records and tells."""

from collections.abc import Sequence
from dataclasses import dataclass

from memory_mcp.hosts.host import SERVER, Host, HostFile, Places, Program, Put, script_file
from memory_mcp.hosts.plugins import plugin

TIMEOUT_MILLISECONDS = 30_000
"""For the server's first answer: it may have to start the daemon."""


@dataclass(frozen=True, slots=True)
class _Family:
    """One of the programs that are built alike."""

    name: str
    title: str

    def files(self, places: Places, program: Program, hooks: bool) -> Sequence[HostFile]:
        """Its configuration, and the plugin."""
        folder = places.configuration(self.name)
        command, arguments = program.server(hooks=self.name if hooks else None)
        entry = {
            "type": "local",
            "command": [command, *arguments],
            "enabled": True,
            "timeout": TIMEOUT_MILLISECONDS,
        }
        path = places.chosen(folder / f"{self.name}.jsonc", folder / f"{self.name}.json")
        put = Put(path=("mcp", SERVER), value=entry)
        found = [HostFile(path=path, format="jsonc", entries=(put,))]
        if hooks:
            words = program.hook_words(self.name)
            text = plugin("opencode.js", host=self.name, title=self.title, command=words)
            found.append(script_file(folder / "plugin" / "memory-mcp.js", text))
        return found

    def host(self) -> Host:
        """The host."""
        return Host(
            name=self.name,
            title=self.title,
            signs=lambda places: [places.configuration(self.name)],
            files=self.files,
            has_hooks=True,
        )


HOST = _Family("opencode", "opencode").host()
KILO = _Family("kilo", "Kilo").host()
