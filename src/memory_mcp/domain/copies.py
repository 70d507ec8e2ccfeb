"""Copies: what a store holds, row by row, as it is carried into another store.

A copy keeps ids and times, so that what refers to what stays true; places (`seq`) are each store's
own, and are told by ids. Times are in stored form. The fields are those of our export's lines.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import parse_moment, to_iso


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCopy:
    """An agent, with what is set for it. `tool_rules` as the store keeps them."""

    id: str
    name: str
    description: str
    tags: list[str]
    system_prompt: str
    project: str | None
    context_tokens: int | None
    model: str | None
    tool_rules: list[dict[str, Any]]
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Whose view a block is in, under which label, and where in it."""

    agent: str
    label: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCopy:
    """A core memory block as it reads now; several agents: it is shared."""

    id: str
    label: str
    value: str
    description: str
    limit: int
    read_only: bool
    on_overflow: str
    version: int
    metadata: dict[str, Any]
    created_at: str
    updated_at: str
    agents: list[Attachment]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockVersionCopy:
    """What a block read once, and who wrote that."""

    block: str
    version: int
    value: str
    changed_by: str
    changed_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCopy:
    """A conversation; `conversation` is the host's id of it, which its messages name."""

    id: str
    agent: str
    conversation: str
    host: str | None
    project: str | None
    started_at: str
    last_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenCopy:
    """A message that was forgotten: only that it is not to come back, nothing of what it said."""

    id: str
    agent: str
    conversation: str | None
    external_id: str | None
    forgotten_at: str
    aliases: list[str] | None
    """Other ids under which its host tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCopy:
    """One recall entry."""

    id: str
    agent: str
    conversation: str
    role: str
    name: str | None
    content: str
    created_at: str
    external_id: str | None
    metadata: dict[str, Any] | None
    aliases: list[str] | None
    """Other ids under which its host tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageCopy:
    """One archival entry."""

    id: str
    agent: str
    content: str
    tags: list[str]
    occurred_at: str | None
    created_at: str
    refreshed_at: str
    origin: str
    source: str | None
    supersedes: str | None
    external_id: str | None
    metadata: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenTextCopy:
    """A passage that was forgotten or superseded: nothing of what it said but a digest."""

    id: str
    agent: str
    noun: str
    digest: str
    source: str | None
    external_id: str | None
    superseded_by: str | None
    forgotten_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryCopy:
    """What stood in view for the messages from `first_message` to `last_message`.

    Where those are forgotten, the next and the last before them that are left.
    """

    id: str
    agent: str
    text: str
    first_message: str | None
    last_message: str | None
    messages: int
    covered: int
    last_at: str
    made_by: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectedCopy:
    """Up to which message the shadow agent has reflected on an agent's memory."""

    agent: str
    message: str


Copy = (
    AgentCopy
    | BlockCopy
    | BlockVersionCopy
    | ConversationCopy
    | ForgottenCopy
    | MessageCopy
    | PassageCopy
    | ForgottenTextCopy
    | SummaryCopy
    | ReflectedCopy
)
KINDS: dict[str, type[Copy]] = {
    "agent": AgentCopy,
    "block": BlockCopy,
    "block_version": BlockVersionCopy,
    "conversation": ConversationCopy,
    "forgotten": ForgottenCopy,
    "message": MessageCopy,
    "passage": PassageCopy,
    "forgotten_text": ForgottenTextCopy,
    "summary": SummaryCopy,
    "reflected": ReflectedCopy,
}
_KIND_OF = {copy: kind for kind, copy in KINDS.items()}
_TIMES = ("created_at", "updated_at", "changed_at", "started_at", "last_at", "forgotten_at")
_TIMES_TOO = (*_TIMES, "refreshed_at", "occurred_at")
_HINTS: dict[type[Any], dict[str, Any]] = {
    copy: get_type_hints(copy) for copy in (*KINDS.values(), Attachment)
}

Made = TypeVar("Made")


def kind_of(copy: Copy) -> str:
    """What a copy is called in a line: `agent`, `block`, `message` and so on."""
    return _KIND_OF[type(copy)]


def to_line(copy: Copy) -> dict[str, Any]:
    """A copy as a JSON object: its kind, then its fields."""
    return {"kind": kind_of(copy), **asdict(copy)}


def from_line(told: Mapping[str, Any]) -> Copy:
    """The copy that a JSON object tells; fields it does not know are passed over.

    Raises:
        InvalidInput: it is none; the text names the field.
    """
    kind = told.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidInput(
            f"kind {clip(repr(kind), 40)} is unknown; the kinds are {', '.join(KINDS)}. A newer "
            "memory-mcp may know it."
        )
    return _made(KINDS[kind], told)


def _made(copy: type[Made], told: Mapping[str, Any]) -> Made:
    taken: dict[str, Any] = {}
    for name, hint in _HINTS[copy].items():
        value = told.get(name)
        if not _fits(value, hint):
            wrong = "is missing" if value is None else f"is {clip(repr(value), 40)}"
            raise InvalidInput(f"{name} {wrong}; it must be {_in_words(hint)}.")
        if name in _TIMES_TOO and value is not None:
            value = to_iso(parse_moment(value, name))
        taken[name] = value
    if copy is BlockCopy:
        taken["agents"] = [_made(Attachment, each) for each in taken["agents"]]
    return copy(**taken)


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(value, bool):
        return hint is bool
    if isinstance(hint, UnionType) or get_origin(hint) is Union:
        return any(_fits(value, each) for each in get_args(hint))
    if get_origin(hint) is list:
        (inner,) = get_args(hint)
        if not isinstance(value, list):
            return False
        wanted = dict if inner is Attachment or get_origin(inner) is dict else inner
        return all(isinstance(each, wanted) for each in cast("list[Any]", value))
    return isinstance(value, get_origin(hint) or hint)


def _in_words(hint: Any) -> str:
    words = {str: "a text", int: "a whole number", bool: "true or false", list: "a list"}
    if isinstance(hint, UnionType):
        return " or ".join(_in_words(each) for each in get_args(hint) if each is not type(None))
    return words.get(get_origin(hint) or hint, "an object")


def fields_of(kind: str) -> frozenset[str]:
    """The fields a line of that kind may have."""
    return frozenset({"kind", *(each.name for each in fields(KINDS[kind]))})
