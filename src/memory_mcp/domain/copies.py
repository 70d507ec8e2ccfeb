"""Copies: what a store holds, row by row, as it is carried into another store.

A copy keeps ids and times, so that what refers to what stays true; places (`seq`) are each store's
own, and are told by ids. Times are in stored form. The fields are those of our export's lines.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.texts import check_text, clip
from memory_mcp.domain.times import parse_moment, to_iso


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCopy:
    """An agent, with what is set for it. `tool_rules` as the store keeps them.

    One that was deleted, and may still be restored, has `deleted_at`.
    """

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
    deleted_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Whose view a block is in, under which label, and where in it."""

    agent: str
    label: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCopy:
    """A core memory block as it reads now; several agents: it is shared; none: nobody has it."""

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
    group: str | None = None
    """The tag whose agents get it."""
    agents: list[Attachment]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockVersionCopy:
    """What a block read once, and who wrote that."""

    block: str
    version: int
    value: str
    changed_by: str
    changed_at: str
    key: str | None = None
    """The key of the call that wrote it, under which it is not done twice."""


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
    """What is not to come back, besides messages: of what it said a digest at the most.

    It is a passage, a line of a block (`source` is the block, `external_id` the label), a mail or
    an agent that was deleted for good, of which there is only the id.
    """

    id: str
    agent: str
    noun: str
    digest: str | None
    source: str | None
    external_id: str | None
    superseded_by: str | None
    forgotten_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SupersededCopy:
    """A passage that another one took the place of, as long as it may be put back."""

    passage: PassageCopy
    superseded_by: str
    removed_by: str
    removed_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCopy:
    """What hosts told of a conversation: its end, and what its hooks know of it.

    Without an `offset` no hook keeps anything of it.
    """

    agent: str
    conversation: str
    last_at: str
    ended_at: str | None
    seen: dict[str, Any] | None
    """Which blocks it was shown, by id, at which version."""
    transcript: str | None
    offset: int | None
    last_sign: str | None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MailCopy:
    """A mail from one agent to another, and how far it got."""

    id: str
    sender: str
    recipient: str
    text: str
    state: str
    in_reply_to: str | None
    hops: int
    root: str
    sent_at: str
    expires_at: str
    delivered_at: str | None
    answered_at: str | None
    awaited_until: str | None
    held_until: str | None
    told_expired: bool
    told_key: str | None
    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCopy:
    """A run of the shadow agent or of a resident; `progress` is JSON, as the store keeps it."""

    id: str
    agent: str
    run_kind: str
    """`reflect`, `summarise` and so on."""
    trigger: str
    model: str
    state: str
    outcome: str
    first_message: str | None
    last_message: str | None
    messages: int
    progress: str | None
    takeovers: int
    started_at: str
    ended_at: str | None
    pruned_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCallCopy:
    """A call of a model, and what it cost; `request` and `response` are JSON."""

    run: str
    number: int
    asked_at: str
    answered_at: str | None
    request: str | None
    response: str | None
    error: str | None
    tokens_in: int
    tokens_out: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChangeCopy:
    """What a run changed; `before` and `after` are JSON."""

    run: str
    number: int
    noun: str
    noun_id: str
    operation: str
    before: str | None
    after: str | None
    undone_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingCopy:
    """What holds for the whole store."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedCopy:
    """An agent whose copy was one of a deleted agent is whole, and may be deleted here too."""

    agent: str
    deleted_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptCopy:
    """A forgetting: what went from where, and how far it is gone; nothing of what it said."""

    id: str
    agent_id: str
    asked: str
    asked_by: str
    asked_at: str
    undone_at: str | None = None
    gone_at: str | None = None
    erased_at: str | None = None
    lines: list[dict[str, Any]]
    """Each with noun, place, number and ids."""


Copy = (
    AgentCopy
    | BlockCopy
    | BlockVersionCopy
    | ConversationCopy
    | ForgottenCopy
    | MessageCopy
    | PassageCopy
    | ForgottenTextCopy
    | SupersededCopy
    | SessionCopy
    | SummaryCopy
    | ReflectedCopy
    | MailCopy
    | RunCopy
    | RunCallCopy
    | RunChangeCopy
    | SettingCopy
    | DeletedCopy
    | ReceiptCopy
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
    "superseded": SupersededCopy,
    "session": SessionCopy,
    "summary": SummaryCopy,
    "reflected": ReflectedCopy,
    "mail": MailCopy,
    "run": RunCopy,
    "run_call": RunCallCopy,
    "run_change": RunChangeCopy,
    "setting": SettingCopy,
    "deleted": DeletedCopy,
    "receipt": ReceiptCopy,
}
"""What a copy is called in a line, in the order in which another store can take them in."""
_KIND_OF = {copy: kind for kind, copy in KINDS.items()}
_INT_MOST = 1 << 63
_TIMES_ENDING = ("_at", "_until")
_HINTS: dict[type[Any], dict[str, Any]] = {
    copy: get_type_hints(copy) for copy in (*KINDS.values(), Attachment)
}
_DEFAULTS = {
    copy: {each.name: each.default for each in fields(copy) if each.default is not MISSING}
    for copy in _HINTS
}

Made = TypeVar("Made")


def kind_of(copy: Copy) -> str:
    """What a copy is called in a line: `agent`, `block`, `message` and so on."""
    return _KIND_OF[type(copy)]


def to_line(copy: Copy) -> dict[str, Any]:
    """A copy as a JSON object: its kind, then its fields."""
    return {"kind": kind_of(copy), **asdict(copy)}


def owners_of(copy: Copy) -> tuple[str, ...]:
    """The names of the agents without which a copy has no place; not those that a block has."""
    match copy:
        case MailCopy():
            return copy.sender, copy.recipient
        case SupersededCopy():
            return (copy.passage.agent,)
        case AgentCopy():
            return (copy.name,)
        case BlockCopy() | BlockVersionCopy() | RunCallCopy() | RunChangeCopy() | SettingCopy():
            return ()
        case ReceiptCopy():
            return ()
        case _:
            return (copy.agent,)


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
        value = told.get(name, _DEFAULTS[copy].get(name))
        if not _fits(value, hint):
            wrong = "is missing" if value is None else f"is {clip(repr(value), 40)}"
            raise InvalidInput(f"{name} {wrong}; it must be {_in_words(hint)}.")
        if isinstance(value, str):
            check_text(value, name, len(value))
        if name.endswith(_TIMES_ENDING) and value is not None:
            value = to_iso(parse_moment(value, name))
        taken[name] = value
    if copy is BlockCopy:
        taken["agents"] = [_made(Attachment, each) for each in taken["agents"]]
    if copy is SupersededCopy:
        taken["passage"] = _made(PassageCopy, taken["passage"])
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
    if hint is int:
        return isinstance(value, int) and abs(value) < _INT_MOST
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, dict if hint is PassageCopy else get_origin(hint) or hint)


def _in_words(hint: Any) -> str:
    words: dict[Any, str] = {
        str: "a text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        list: "a list",
    }
    if isinstance(hint, UnionType):
        return " or ".join(_in_words(each) for each in get_args(hint) if each is not type(None))
    return words.get(get_origin(hint) or hint, "an object")


def fields_of(kind: str) -> frozenset[str]:
    """The fields a line of that kind may have."""
    return frozenset({"kind", *(each.name for each in fields(KINDS[kind]))})
