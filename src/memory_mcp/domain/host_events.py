"""What a host tells through its hooks: one event of one session, whichever host it was."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from memory_mcp.domain.ids import BlockId
from memory_mcp.domain.redact import redact
from memory_mcp.domain.texts import MESSAGE_CHARS_MAX, SURROGATE, clip

HostEventKind = Literal["start", "prompt", "answer", "tool", "compaction", "compacted", "end"]

TOOL_CHARS = 400
"""As much of what a tool was asked, and as much of what it answered, is kept in recall."""
_TOOL_CHARS_READ = 20_000
_CUT = "\n[cut: {:,} characters in all]"

OWN_TOOLS = frozenset(
    {
        "archival_insert",
        "archival_search",
        "conversation_append",
        "conversation_search",
        "core_memory_append",
        "core_memory_replace",
        "send_to_agent",
    }
)
"""Tools of ours: what they do is in memory already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvent:
    """One event. `text` is what was said, or a compaction's summary; empty where nothing was."""

    kind: HostEventKind
    session: str
    text: str = ""
    key: str | None = None
    """The host's own id of the event, alike when it is told again; `None` where it has none."""
    name: str | None = None
    """A tool's name; why a session started or ended, or a conversation was compacted."""
    label: str | None = None
    """Which block the model itself edited with one of our tools."""
    folder: str | None = None
    """Where the session works."""
    transcript: str | None = None
    """The host's own file of the conversation, for events without their text."""
    at: datetime | None = None
    """When it happened, where the host says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSession:
    """A host's session as its hooks left it."""

    seen: Mapping[BlockId, int] = field(default_factory=dict[BlockId, int])
    """The blocks it was shown, by version; none: it has to be shown everything."""
    transcript: str | None = None
    offset: int = 0
    """How many bytes of its transcript were read."""


def tool_in_short(name: str, asked: str, answered: str) -> str:
    """What is kept of a tool's use: how it was called, and how its answer begins.

    Secrets are taken out first: half a secret would not be recognised.
    """
    call, answer = (
        clip(" ".join(redact(text[:_TOOL_CHARS_READ]).split()), TOOL_CHARS)
        for text in (asked, answered)
    )
    return f"{name}({call})" + (f"\n→ {answer}" if answer else "")


def own_tool(name: str) -> str | None:
    """Which of our tools a host means by a name like `mcp__memory__archival_search`."""
    for separator in ("__", ".", "/", ":", "-"):
        tail = name.rpartition(separator)[2]
        if tail in OWN_TOOLS:
            return tail
    return next((tool for tool in OWN_TOOLS if name.endswith(f"_{tool}")), None)


def digest(text: str) -> str:
    """A short name of a text, the same wherever it is made."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def storable(text: str) -> str:
    """A host's text as memory can hold it: none is refused; what is too long is cut, and says so.

    A hook cannot ask anybody to send it differently.
    """
    text = SURROGATE.sub("\ufffd", text.replace("\0", "\ufffd"))
    if len(text) <= MESSAGE_CHARS_MAX:
        return text
    note = _CUT.format(len(text))
    return text[: MESSAGE_CHARS_MAX - len(note)] + note
