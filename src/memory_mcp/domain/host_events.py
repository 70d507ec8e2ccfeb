"""What a host tells of a session: one event, whichever host it was and however it was told.

A host tells the same event through two doors: its hooks as it happens, and its own file of the
session (the transcript) for good. One event has one key. Where the host has an id of its own for
the event itself, that is the key, and holds wherever a copy of the event stands (hosts copy a
session's lines, with their ids, into its forks). Ids of something larger, like the turn, are never
an event's: what a person types while the model works has the same. Where a hook tells no id, the
key is made of the words, the speaker and the moment, so that the line of the transcript is
recognised when it comes.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, cast

from memory_mcp.domain.json_values import told_of, unpacked
from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.domain.redact import redact
from memory_mcp.domain.texts import (
    EXTERNAL_ID_CHARS_MAX,
    MESSAGE_CHARS_MAX,
    NAME_CHARS_MAX,
    SURROGATE,
    clip,
)

HostEventKind = Literal["start", "prompt", "answer", "tool", "compaction", "end"]

TOOL_CHARS = 400
"""As much of what a tool was asked, and as much of what it answered, is kept in recall."""
_TOOL_CHARS_READ = 20_000
_CUT = "\n[cut: {:,} characters in all]"
_ROLES: dict[str, Role] = {"prompt": "user", "answer": "assistant", "tool": "tool"}

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
HOOKED_HOSTS = frozenset(
    {
        "claude-code",
        "cline",
        "codex",
        "copilot",
        "cursor",
        "gemini",
        "hermes",
        "kilo",
        "openclaw",
        "opencode",
        "qwen",
        "vscode",
    }
)
"""Hosts whose hooks or plugins tell us what happens, by the names that `memory-mcp hook` takes."""
HOOKS_NEED_TRUST = frozenset({"codex"})
"""Hosts that run hooks only once their user has trusted them."""
TOOL_FINDERS = frozenset({"ToolSearch", "tool_search", "tool_search_tool"})
"""Tools with which a host's model finds other tools: machinery, and nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvent:
    """One event. `text` is what was said; empty where nothing was."""

    kind: HostEventKind
    session: str
    text: str = ""
    key: str | None = None
    """The host's own id of the event; `None` where it has none, or names something larger."""
    turn: str | None = None
    """The host's id of the turn, where the event has no id of its own."""
    copy: str | None = None
    """How a fork's file tells the event, where its copies keep neither id nor time: `copy_key`. Of
    such a copy it is all there is, and `session` is where the event was."""
    stamped: bool = False
    """Whether `at` is the host's word: told again, the event has the same."""
    name: str | None = None
    """A tool's name; why a session started or ended; which sign of a compaction it is."""
    label: str | None = None
    """Which block the model itself edited with one of our tools."""
    folder: str | None = None
    """Where the session works."""
    parent: str | None = None
    """Of a start on a copied history: the session it was copied from, where the host names it."""
    idle_seconds: float | None = None
    """The same where it names none: how long ago the last answer in that history came."""
    at: datetime | None = None
    """When it happened, where the host says so."""

    @property
    def is_said(self) -> bool:
        """Whether it becomes a message."""
        return self.kind in _ROLES and bool(self.text.strip())


def message_of(event: HostEvent, session: str, at: datetime, text: str) -> NewMessage:
    """The message that an event becomes, in the conversation `session`; `text` can be stored."""
    role = _ROLES[event.kind]
    name = speaker_name(event.name) if event.kind == "tool" else None
    copy = _fitting(f"{COPY}{event.kind}", event.copy) if event.copy else ""
    if copy and not event.key:
        external_id = copy
    elif event.key:
        external_id = _fitting(event.kind, event.key)
    else:
        stamp = f"{int(at.timestamp() * 1000):014d}"
        external_id = f"{told_prefix(event.kind, text)}{stamp}:{turn_mark(event.turn)}"
    return NewMessage(
        role=role,
        name=name,
        content=text,
        created_at=at,
        conversation=session,
        external_id=external_id,
        own_id=bool(event.key or event.copy),
        aliases=(copy,) if copy and event.key else (),
    )


COPY = "copy:"
"""How the ids begin of messages that came as copies, without id and time of their own."""


def words_key(session: str, kind: str, text: str) -> str:
    """What is known of words to which a host gives no id: where they were said, and what."""
    return f"{session}:{digest(f'{kind} {text}')}"


def copy_key(session: str, kind: str, text: str, times: int) -> str:
    """The key of a copy: of the words, and the how-manieth of them it is in that history."""
    return f"{words_key(session, kind, text)}:{times}"


def copied(external_id: str) -> tuple[str, int] | None:
    """How ids begin of what a copy copies, and the how-manieth it is; `None` for no copy."""
    told, _, times = external_id.removeprefix(COPY).rpartition(":")
    if not external_id.startswith(COPY) or not times.isdigit() or told.count(":") < 2:
        return None
    return f"{told}:", int(times)


def told_prefix(kind: str, text: str) -> str:
    """How keys begin of events that were told without an id of their own, in the same words.

    The moment follows, in milliseconds since 1970, and what marks the turn. White space and secrets
    make no difference: a transcript may hold the words trimmed, and the store holds no secrets. Nor
    does a tool's name: Copilot has another one for its hooks.
    """
    said = text.partition("(")[2] if kind == "tool" else text
    return f"told:{kind}:{digest(' '.join(redact(said).split()))}:"


def told_prefix_of(message: NewMessage) -> str:
    """The same for a message that a transcript holds under an id."""
    kinds = {role: kind for kind, role in _ROLES.items()}
    return told_prefix(kinds.get(message.role, "other"), message.content)


def told_at(external_id: str) -> float | None:
    """The moment in a key that was made without an id, in seconds since 1970; else `None`."""
    parts = external_id.split(":")
    if len(parts) != 5 or parts[0] != "told" or not parts[3].isdigit():
        return None
    return int(parts[3]) / 1000


def told_turn(external_id: str) -> tuple[str, str] | None:
    """How such a key begins, and what marks its turn; `None` where no turn was told."""
    prefix, _, mark = external_id.rpartition(":")
    if told_at(external_id) is None or not mark:
        return None
    return f"{prefix.rpartition(':')[0]}:", mark


def turn_mark(turn: str | None) -> str:
    """What of a turn's id goes into a key."""
    return digest(turn)[:8] if turn else ""


def _fitting(kind: str, key: str) -> str:
    external_id = f"{kind}:{storable(key)}"
    return external_id if len(external_id) <= EXTERNAL_ID_CHARS_MAX else f"{kind}:{digest(key)}"


def session_key(session: str) -> str:
    """A host's id of a session as the conversation's."""
    session = storable(session)
    return session if len(session) <= EXTERNAL_ID_CHARS_MAX else digest(session)


def speaker_name(name: str | None) -> str | None:
    """A tool's name as a speaker's: one printable line."""
    plain = "".join(char for char in storable(name or "") if char.isprintable()).strip()
    return plain[:NAME_CHARS_MAX].strip() or None


def tool_in_short(name: str, asked: str, answered: str) -> str:
    """What is kept of a tool's use: how it was called, and how its answer begins.

    Secrets are taken out first: half a secret would not be recognised.
    """
    call, answer = (
        clip(" ".join(redact(_beginning(text)).split()), TOOL_CHARS) for text in (asked, answered)
    )
    return f"{name}({call})" + (f"\n→ {answer}" if answer else "")


def _beginning(text: str) -> str:
    """As much of a tool's text as is read, up to a space: what is cut there may be a secret."""
    if len(text) <= _TOOL_CHARS_READ:
        return text
    return text[:_TOOL_CHARS_READ].rpartition(" ")[0]


def tool_event(
    session: str, name: str, asked: Any, answered: str, *, key: str | None, **more: Any
) -> HostEvent | None:
    """A tool's use in short; of our own tools only which block was edited, of finders nothing."""
    if not name or name in TOOL_FINDERS:
        return None
    if tool := own_tool(name):
        given: Any = unpacked(asked) if isinstance(asked, str) else asked
        told = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        label = told.get("label")
        if not tool.startswith("core_memory") or not isinstance(label, str) or not label:
            return None
        return HostEvent(kind="tool", session=session, label=label, name=name, **more)
    text = tool_in_short(name, told_of(asked), answered)
    return HostEvent(kind="tool", session=session, text=text, name=name, key=key, **more)


@lru_cache(maxsize=1024)
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
    return redact(text)[: MESSAGE_CHARS_MAX - len(note)] + note
