"""Quoting: how stored text stands in what the program says, so that it never passes for it.

Two frames, and one rule for each.

- **Lines** (tool answers, differences, messages in view): a line that begins with anything but a
  space is the program's. The first line of a stored text stands behind words of the program's; each
  further one begins with a space, which costs no token.
- **Tags** (the context, instructions, what models are asked): a tag of ours in a stored text has a
  backslash behind its `<`. One more stands where there was one already, so it can be taken off.

Names (speakers, labels, tags, agents) are one line, and say no more than a name.

What steers a reader rather than being read (line breaks of other kinds, control characters,
directions of writing, letters that only programs read) is never shown; JSON for scripts has it.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Set
from functools import lru_cache

OWN_TAGS = frozenset(
    {
        "block", "description", "earlier", "extract", "last_summary", "memory_blocks",
        "memory_metadata", "metadata", "near_duplicates", "new_messages", "recent_messages",
        "request", "summary", "tool_usage_rules", "value",
    }
)  # fmt: skip
"""The words of our frames. `memory-mcp` is not among them: `own_output` marks its own."""
USUAL_LABELS = frozenset({"human", "persona", "project"})

_BREAK = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]")
# Directions that override those of the letters, and letters that only programs read: but for those
# that flags are made of, and the one that chooses how a character is drawn.
_HIDDEN = re.compile(
    "[\u202a-\u202e\u2066-\u206f\ufff9-\ufffb]"
    "|(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0000-\U000e007f]+"
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}"
)
_ZERO_WIDTH = "\xad\u034f\u061c\u180e\u200b\u200e\u200f\u2060-\u2065\ufeff"
_JOINERS = "\u200c\u200d"
_ODD = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u206f\ufe00-\ufe0f\ufff9-\ufffb"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
"""What any of these may change, looked for first."""
_NOT_DRAWN = re.compile(f"[{_ZERO_WIDTH}]")
_NOT_IN_NAMES = re.compile(f"[{_ZERO_WIDTH}{_JOINERS}]")
LATIN = str.maketrans(
    "АВЕЅІЈКМНОРСТУХԌԚԜавеѕіјкмнорстухԁһԛԝӏѵ"
    + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϳοανρικυχγϲ"
    + "\u0251\u0261\u0269\u026a",
    "ABESIJKMHOPCTYXGQWabesijkmhopctyxdhqwlv" + "ABEZHIKMNOPTYXCjoavpikuxyc" + "agii",
)
"""Cyrillic, Greek and phonetic letters, by the Latin ones that they look like."""
_LINE_START = re.compile(r"\n(?=[^\n])")
_INDENTED = re.compile(r"^ ", re.M)

_NOTHING = f"[\\s{_ZERO_WIDTH}{_JOINERS}]{{0,8}}"
_TAG = re.compile(
    rf"([<\uff1c\ufe64])(\\*)(?={_NOTHING}[/\u2044\u2215\uff0f]?{_NOTHING}"
    rf"([^\W\d][\w.\-{_ZERO_WIDTH}{_JOINERS}]*))"
)
_MARK = re.compile(r"\[(?=[\\/]*memory-mcp)", re.IGNORECASE)
_NOT_IN_TAG_NAME = re.compile(r"[^\w.\-]+")
_PLAIN_TAG = re.compile(r'[^\s#,;\[\]()"\\](?:[^#,;\[\]()"\\]*[^\s#,;\[\]()"\\])?')


def shown(text: str) -> str:
    """A text without what steers a reader; the same text where there is nothing of it."""
    # Most texts are told in a moment by the string itself.
    if text.isascii() and text.replace("\n", " ").replace("\t", " ").isprintable():
        return text
    if not _ODD.search(text):
        return text
    text = _BREAK.sub("\n", text)
    return _HIDDEN.sub("", _CONTROL.sub("\ufffd", text))


def printable(text: str) -> str:
    """A text for a person's terminal: as it is shown, and nothing in it that is not drawn."""
    return _NOT_DRAWN.sub("", shown(text)) if not text.isascii() else shown(text)


def one_line(text: str) -> str:
    """A name, or a text in short, as one line."""
    return " ".join(_NOT_IN_NAMES.sub("", shown(text)).split()) if not _is_plain(text) else text


def indented(text: str) -> str:
    """A text that stands behind words of the program's: further lines begin with a space."""
    text = shown(text)
    return _LINE_START.sub("\n ", text) if "\n" in text else text


def quoted(text: str) -> str:
    """A text that stands on lines of its own: each begins with a space."""
    text = indented(text)
    return f" {text}" if text and not text.startswith("\n") else text


def unindented(text: str) -> str:
    """A piece copied from what `indented` or `quoted` made."""
    return _INDENTED.sub("", text)


def within_tags(text: str, labels: Set[str] = USUAL_LABELS) -> str:
    """A text that stands within tags: it holds none of ours, nor those of these blocks."""
    text = shown(text)
    if "<" not in text and "\uff1c" not in text and "\ufe64" not in text:
        return text

    def escaped(found: re.Match[str]) -> str:
        name = _folded(found[3])
        ours = name in OWN_TAGS or name in labels
        return f"{found[1]}\\{found[2]}" if ours else found[0]

    return _TAG.sub(escaped, text)


def without_escapes(text: str, of: str | None = None) -> str:
    """A piece copied from what `within_tags` made, or from between the marks of a hook.

    With `of` only tags that stand in that text, and there without our backslash, are mended.
    """

    def mended(found: re.Match[str]) -> str:
        rest = text[found.end() : found.end(3)]
        plain = found[1] + found[2][1:]
        meant = of is None or (found[0] + rest not in of and plain + rest in of)
        return plain if meant else found[0]

    text = _TAG.sub(mended, text)
    marked = of is None or (not _MARK.search(of) and "memory-mcp" in of)
    return _MARK.sub("<", text) if marked else text


def copied_forms(text: str) -> Iterator[str]:
    """What may be meant by a text that was copied from something we said, the likeliest first."""
    plain = without_escapes(text)
    told = [plain]
    if "\n" in text and all(line.startswith(" ") for line in text.split("\n")[1:] if line):
        told += [unindented(text), unindented(plain)]
    yield from (each for each in dict.fromkeys(told) if each != text)


def tag_name(label: str) -> str:
    """A block's label as the tag that it stands in; itself, unless it is a word of our frames."""
    name = _NOT_IN_TAG_NAME.sub("_", one_line(label)) or "block_"
    return f"{name}_" if name.casefold() in OWN_TAGS or not name[0].isalpha() else name


def tag_names(labels: Iterable[str]) -> frozenset[str]:
    """For `within_tags`: what blocks of these labels stand in."""
    return USUAL_LABELS | {tag_name(label).casefold() for label in labels}


def speaker(role: str, name: str | None) -> str:
    """Whom a message is attributed to: the speaker's name, or the role.

    A name that is another role's, or ours, has the role beside it.
    """
    if name is None or name == role:
        return role
    if name.isalpha() and name.isascii() and name.casefold() not in _TAKEN_NAMES:
        return name
    told = one_line(name).replace(": ", " ").rstrip(":") or role
    return f"{told} ({role})" if told.casefold() in _TAKEN_NAMES and told != role else told


_TAKEN_NAMES = frozenset({"user", "assistant", "tool", "system", "memory-mcp", "shadow"})


def listed(name: str) -> str:
    """A tag or a name in a list: as it is, or as JSON where it has signs that lists are made of."""
    name = one_line(name)
    if _PLAIN_TAG.fullmatch(name):
        return name
    return json.dumps(name, ensure_ascii=False).replace("[", "\\u005b").replace("]", "\\u005d")


def in_json(told: str) -> str:
    """JSON in which nothing steers a terminal; what it says is the same."""
    return _NOT_DRAWN.sub(_escape, _ODD.sub(_escape, told)) if not told.isascii() else told


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if found[0] != "\x7f" else "\\u007f"


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and "  " not in text and text == text.strip()


@lru_cache(maxsize=1_000)
def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKC", _NOT_IN_NAMES.sub("", name)).casefold()
    return plain.rstrip(".-") if plain.isascii() else plain.translate(LATIN).rstrip(".-")
