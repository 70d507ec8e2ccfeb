"""Values that their names call secret: `DB_PASSWORD=…`, `"apiKey": "…"`, `--token …`.

Two things must speak for it: the name, which ends in a word for a secret, and the value, which is
neither a reference nor an example nor code, and looks drawn or chosen by someone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from memory_mcp.domain.secrets.names import NAMED, Word, kind_of_name, name_start
from memory_mcp.domain.secrets.placeholders import is_mixed, is_placeholder, is_random
from memory_mcp.domain.secrets.span import Span

VALUE_CHARS_MAX = 1_000
QUOTED_CHARS_MAX = 4_000
_JUDGED_CHARS = 120
"""So much of a value says what it is: what stands in one may be the next name, and so on."""
_PASSWORD_CHARS_LEAST = 4
_KEY_CHARS_LEAST = 8
_DRAWN_CHARS_LEAST = 16
_SAID_CHARS_LEAST = 24

Way = Literal["quoted", "line", "flag", "login", "said", "plain"]
"""How the value stands there. In quotes; as the rest of a line of assignments; after an option's or
`.netrc`'s space; after a space in prose; after a sign."""

_UNQUOTED = re.compile(r"""[^\s"'`,;&<>|)\]}\\]+""")
_OF_A_LINE = re.compile(r"""[^\s"'`]+""")
_NEXT = re.compile(r"[&;][A-Za-z][\w.-]*=")
"""Where the next of several assignments on a line begins."""
_QUOTED = {
    quote: re.compile(rf"[^{quote}\n\\]+(?:\\[^{quote}\n][^{quote}\n\\]*)*") for quote in "\"'`"
}
_IN_FOURS = re.compile("(?:[a-z0-9]{4} ){3}[a-z0-9]{4}(?![a-z0-9 ])")
"""As Google shows a password for one app."""
_LINE = re.compile(
    r"(?:^|[\n|]|\bexport|\bset|\benv|\bENV|\bARG|-e|--env|--build-arg|\\n)[ \t\"'>+$-]*\Z"
)
_LOGIN = re.compile(r"\blogin\s{1,8}\S{1,100}\s{1,8}\Z")
_CODE = re.compile(
    r"""
    [A-Za-z_$][\w$]* (?: (?: \. | \?\. | :: | -> ) [A-Za-z_$][\w$]* )+ ; ?  # object.attribute
    | [A-Za-z_$][\w.$]* [(\[{] .*                                           # call(…), List[…]
    | [A-Z]\w* \| .* | \w+ < .*
    """,
    re.VERBOSE | re.DOTALL,
)
_WORDS = re.compile(r"[A-Za-z]+(?:[-_.][A-Za-z]+)*[.:;!?]?")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_VARIABLE = re.compile("[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]{24,}", re.IGNORECASE)
_UUIDS_OPEN = re.compile(
    "authorization|api_?key|api_?token|access_?token|auth_?token|heroku|snyk|plaid|client_?secret|license"
    "|(?:private|secret)_?key"
)
_MASK = "[redacted: "
_MASK_CHARS_MAX = 60


@dataclass(frozen=True, slots=True)
class _Value:
    """A value with a secret's name, and how it was given."""

    text: str
    name: str
    way: Way
    sign: str
    """The sign between both, with its spaces; empty where there is none."""
    ends_line: bool
    """Whether nothing follows on its line, or in its list."""

    @property
    def may_be_code(self) -> bool:
        """Whether a name of the program may stand there, as after `password = `."""
        is_name = _NAME.fullmatch(self.text) is not None
        return is_name and self.sign.strip() == "=" and self.sign != "="


class _Runs:
    """The runs of a text's characters: each is read once, however many values begin in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._known: dict[re.Pattern[str], tuple[int, int]] = {}

    def run(self, pattern: re.Pattern[str], at: int, most: int) -> str:
        """What stands at `at` of such characters, and so many of them at most."""
        start, end = self._known.get(pattern, (0, 0))
        if not start <= at < end:
            found = pattern.match(self.text, at)
            end = found.end() if found else at
            self._known[pattern] = (at, end)
        return self.text[at : min(end, at + most)]


def assigned_in(text: str, low: str, words: Sequence[Word]) -> list[Span]:
    """Values with a secret's name in `text`; `low` is the same in lower case, place by place."""
    spans: list[Span] = []
    runs = _Runs(text)
    for _, at in words:
        named = NAMED.match(low, at)
        if named is None or _is_masked(low, at):
            continue
        if (span := _secret(runs, low, at, named)) is not None:
            spans.append(span)
    return spans


def _is_masked(low: str, at: int) -> bool:
    """Whether the word at `at` is one of ours, in `[redacted: kind]`."""
    begins = low.rfind(_MASK, max(0, at - _MASK_CHARS_MAX), at)
    return begins != -1 and "]" not in low[begins:at]


def _secret(runs: _Runs, low: str, word: int, named: re.Match[str]) -> Span | None:
    text = runs.text
    if named["gap"] and not named["open"]:
        # Prose, in nearly every case: what is said so has a digit, or letters that were drawn.
        said = runs.run(_UNQUOTED, named.end(), _JUDGED_CHARS)
        if not any(char.isdigit() for char in said) and not is_mixed(said, 12):
            return None
    start = name_start(low, word)
    name = low[start : named.start("end")]
    if name.endswith("pass") and (named["gap"] or "").endswith("to "):
        return None  # the verb
    kind = kind_of_name(name)
    if kind is None or (value := _value(runs, start, word, name, named)) is None:
        return None
    first = named.end()
    if kind == "password" and (spaced := _IN_FOURS.match(text, first)):
        return Span(*spaced.span(), kind)
    is_short = len(value.text) <= _JUDGED_CHARS
    judged = value if is_short else replace(value, text=value.text[:_JUDGED_CHARS])
    is_secret = _is_password(judged) if kind == "password" else _is_key(judged)
    return Span(first, first + len(value.text), kind) if is_secret else None


def _value(runs: _Runs, start: int, word: int, name: str, named: re.Match[str]) -> _Value | None:
    text, first, sign = runs.text, named.end(), named["sign"] or named["call"] or ""
    way = _way(text, start, word, name, named)
    if way == "quoted":
        found = _QUOTED[named["open"][-1]].match(text, first, first + QUOTED_CHARS_MAX)
        value = found[0] if found else ""
    else:
        value = runs.run(_OF_A_LINE if way == "line" else _UNQUOTED, first, VALUE_CHARS_MAX)
    if named["element"] and not text.startswith("</", first + len(value)):
        return None
    if way == "quoted":
        value = value.rstrip("\\")
    elif way == "line":
        more = _NEXT.search(value) if "&" in value or ";" in value else None
        value = (value[: more.start()] if more else value).rstrip(",;")
    else:
        value = value.rstrip(".,:!?" if named["gap"] else ".,")
    return _Value(value, name, way, sign, _ends_line(text, first + len(value))) if value else None


def _way(text: str, start: int, word: int, name: str, named: re.Match[str]) -> Way:
    if named["open"][-1:] in _QUOTED:
        return "quoted"
    if named["gap"]:
        if name.rpartition(" ")[2].startswith("-"):
            return "flag"
        return "login" if _LOGIN.search(text, max(0, word - 120), word) else "said"
    if named["sign"] != "=":
        return "plain"
    # `-e DB_PASSWORD=` reads like a name of two words.
    firsts = {start, start + name.rfind(" ") + 1}
    is_line = start == 0 or any(_LINE.search(text, max(0, at - 16), at) for at in firsts)
    return "line" if is_line else "plain"


def _ends_line(text: str, end: int) -> bool:
    rest = text[end : end + 40].lstrip(" \t")
    return not rest or rest[0] in "\r\n,;}])&#|<\"'`\\" or rest.startswith(("//", "/*"))


def _is_password(value: _Value) -> bool:
    """Whether somebody chose it as a password: words alone may be prose, code or a label."""
    text, way = value.text, value.way
    if len(text) < _PASSWORD_CHARS_LEAST or is_placeholder(text):
        return False
    is_words = _WORDS.fullmatch(text) is not None
    has_digit = any(char.isdigit() for char in text)
    has_sign = any(not char.isalnum() and char not in "-_. :" for char in text)
    has_letter = any(char.isalpha() for char in text)
    cases = any(char.islower() for char in text) + any(char.isupper() for char in text)
    classes = cases + has_digit + has_sign
    if way in ("quoted", "flag", "login") and is_mixed(text, 12):
        return True
    if way == "quoted":
        if " " in text:
            return "phrase" in value.name and not text.endswith((".", "!", "?", ":"))
        if is_words:
            is_long = len(text) >= 14 and "-" not in text and "_" not in text
            return text.islower() and (is_long or text.count("-") >= 3)
        return (has_letter and classes >= 2) or (text.isdigit() and len(text) >= 6)
    if way == "line":
        if is_words:
            return len(text) >= 6 and not text.endswith(("word", "token", "key"))
        return classes >= 2 and (has_digit or _CODE.fullmatch(text) is None)
    if _CODE.fullmatch(text) is not None or is_words:
        return False
    if way == "said":
        return classes >= 3 and has_digit and len(text) >= 8 and ("-" not in text or has_sign)
    if value.may_be_code:
        return len(text) >= 8 and has_digit and "_" not in text
    if ":" in value.sign and not value.ends_line:
        # `password: 12 letters` is prose; a value has its line, or its place in a list, for itself.
        return has_digit and classes >= 3
    return classes >= 2 and has_letter and len(text) >= 5


def _is_key(value: _Value) -> bool:
    """Whether a machine drew it, as keys and tokens are."""
    text, way = value.text, value.way
    if len(text) < _KEY_CHARS_LEAST or " " in text or text.isdigit() or is_placeholder(text):
        return False
    if _CODE.fullmatch(text) or text.startswith(("pk.", "pk_")):  # those are public
        return False
    if _WORDS.fullmatch(text) and not is_mixed(text, _SAID_CHARS_LEAST):
        return False
    if way == "quoted" and not value.sign and _VARIABLE.fullmatch(text):
        return False
    if way == "said" or "(" in value.sign:
        has_cases = not (text.islower() or text.isupper())
        return has_cases and len(text) >= _SAID_CHARS_LEAST and is_random(text, 3)
    if _UUID.fullmatch(text):
        return _UUIDS_OPEN.search(value.name.replace("-", "_").replace(" ", "_")) is not None
    if way == "plain" and value.sign.strip() not in ("", "="):
        return len(text) >= _DRAWN_CHARS_LEAST and is_random(text, 2)
    if _HEX.fullmatch(text):
        return True
    if way == "plain" and value.may_be_code:
        is_long = len(text) >= _SAID_CHARS_LEAST and "_" not in text
        return len(text) >= _DRAWN_CHARS_LEAST and is_random(text, 1 if is_long else 3)
    return is_random(text, 1 if len(text) < _SAID_CHARS_LEAST else 2)
