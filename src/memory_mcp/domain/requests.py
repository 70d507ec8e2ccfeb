"""What the shadow agent can be asked in writing without a model: a small grammar.

Only a text that was addressed to the shadow agent is read by it, and only as a whole. What memory
holds, or a line inside a longer text, is never a request.
"""

import re
from dataclasses import dataclass

REQUEST_CHARS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class ForgetIds:
    """Forget these passages and messages."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForgetText:
    """Show what holds this text, and wait for the word that it may go."""

    text: str


@dataclass(frozen=True, slots=True)
class ForgetConversation:
    """Show what was said in this conversation, and wait for the word that it may go."""

    conversation: str


@dataclass(frozen=True, slots=True)
class ForgetTime:
    """Show what is from then on, or before then, and wait for the word that it may go."""

    after: str | None
    before: str | None


@dataclass(frozen=True, slots=True)
class Confirm:
    """The word that what was shown may go; the code in capitals."""

    code: str


@dataclass(frozen=True, slots=True)
class Undo:
    """Put back what the last forgetting took, or these passages and messages."""

    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UndoRun:
    """Undo what a run of the shadow agent changed."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Status:
    """What the shadow agent does, and how memory is."""


@dataclass(frozen=True, slots=True)
class Compact:
    """Let messages leave the view now, as far as they have to."""


@dataclass(frozen=True, slots=True)
class ListOffers:
    """What is on offer: near-duplicates, a forgetting that waits for its word, the last runs."""


@dataclass(frozen=True, slots=True)
class Help:
    """What can be asked."""

    @property
    def text(self) -> str:
        """For whoever asked."""
        return f"Without a model, this is understood:\n{_LISTED}"


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """Anything else."""

    said: str

    @property
    def text(self) -> str:
        """For whoever asked."""
        return f"That was not understood; nothing was done. {Help().text}"


Request = (
    ForgetIds
    | ForgetText
    | ForgetConversation
    | ForgetTime
    | Confirm
    | Undo
    | UndoRun
    | Status
    | Compact
    | ListOffers
    | Help
    | NotUnderstood
)

_LISTED = """\
- forget passage-…, message-… or mail-… (one id or several)
- forget "text": shows everything that holds the text, and forgets it after
- forget conversation conversation-… (or its host's id): the same for all that was said in it
- forget before 2026-01-01; forget after 2026-01-01; forget after 2025-01-01 before 2026-01-01
- confirm CODE, with the code that was shown
- undo: puts back what the last forgetting took; undo passage-… or message-…: just that
- undo run-…: undoes what a run of the shadow agent changed
- status
- compact: lets messages leave the view now
- list: near-duplicates, a forgetting that waits to be confirmed, the last runs
- help"""

_QUOTES = (
    *('""', "''", "``", "\u201c\u201d", "\u201e\u201c", "\u201e\u201d", "\u201d\u201c"),
    *("\u201d\u201d", "\u2018\u2019", "\u201a\u2018", "\u201a\u2019", "\u2019\u2019", "«»", "»«"),
    *("\u2039\u203a", "\u203a\u2039", "「」", "『』"),
)
_PLEASE = re.compile(r"^please\b[\s,:]*|[\s,]*\bplease$", re.IGNORECASE)
_VERB = re.compile(r"(\w+)(?:\s+(.*))?", re.DOTALL)
_MEMORY_ID = re.compile(r"(?:passage|message|mail)-[0-9a-f]+", re.IGNORECASE)
_CONVERSATION = re.compile(
    r"conversation\s+(.+)|(conversation-[0-9a-f]+)", re.IGNORECASE | re.DOTALL
)
_EDGE = r"(?P<{0}>\d{{4}}-\d\d-\d\d(?:[T ][\d:.+Zz-]+)?)"
_AFTER, _BEFORE = rf"(?:after|since|from)\s+{_EDGE.format('a')}", rf"before\s+{_EDGE.format('b')}"
_TIME = re.compile(
    rf"{_AFTER}(?:\s+(?:and\s+)?{_BEFORE})?|{_BEFORE.replace('<b>', '<c>')}", re.IGNORECASE
)
_RUN_ID = re.compile(r"run-[0-9a-f]+", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z0-9]{1,20}")
_BETWEEN_IDS = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+|\s+", re.IGNORECASE)
_ALONE: dict[str, Request] = {
    "undo": Undo(),
    "status": Status(),
    "compact": Compact(),
    "list": ListOffers(),
    "help": Help(),
}


def parse_request(text: str) -> Request:
    """What is asked; `NotUnderstood` for whatever is not exactly one of these.

    Capitals, space around it, a full stop at the end, `please` and the kind of quotes don't matter.
    """
    said = NotUnderstood(text)
    if len(text) > REQUEST_CHARS_MAX or not (found := _VERB.fullmatch(_bare(text))):
        return said
    verb, rest = found[1].lower(), (found[2] or "").strip()
    if not rest:
        return _ALONE.get(verb, said)
    match verb:
        case "forget":
            if (quoted := _unquoted(rest)) is not None:
                return ForgetText(quoted) if quoted else said
            if told := _CONVERSATION.fullmatch(rest):
                named = (told[1] or told[2]).strip()
                return ForgetConversation(_unquoted(named) or named)
            if told := _TIME.fullmatch(rest):
                return ForgetTime(after=told["a"], before=told["b"] or told["c"])
            return ForgetIds(ids) if (ids := _ids(rest)) else said
        case "confirm":
            code = _unquoted(rest) or rest
            return Confirm(code.upper()) if _CODE.fullmatch(code) else said
        case "undo":
            if _RUN_ID.fullmatch(rest):
                return UndoRun(rest.lower())
            return Undo(ids) if (ids := _ids(rest)) else said
        case _:
            return said


def _bare(text: str) -> str:
    """The request without what politeness and punctuation put around it."""
    last = None
    while text != last:
        last = text
        text = _PLEASE.sub("", text.strip()).strip()
        if text.endswith((".", "!", "。")):
            text = text[:-1]
    return text


def _unquoted(text: str) -> str | None:
    """What stands between the outermost quotes; `None` when it is not quoted."""
    if len(text) >= 2 and text[0] + text[-1] in _QUOTES:
        return text[1:-1].strip()
    return None


def _ids(text: str) -> tuple[str, ...]:
    """The ids of a list of ids, without repeats; none when anything else is among them."""
    parts = _BETWEEN_IDS.split(text)
    if not all(_MEMORY_ID.fullmatch(part) for part in parts):
        return ()
    return tuple(dict.fromkeys(part.lower() for part in parts))
