"""What a question holds that has to stand in a text as it was typed: identifiers, quoted words.

The lexical index knows words, not what stands between them: by words alone `10.2.0.1` answers
`10.0.1.2` as well as the text that holds it. So such runs of characters are taken out of the
question, looked up in the index as phrases, and compared with the text itself.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from memory_mcp.domain.query import (
    EMOJI,
    EMOJI_LOOKS,
    SPACELESS,
    STOP_WORDS,
    fold,
    index_form,
    names_in,
)

RUNS_MAX = 12
RUN_CHARS_MAX = 500
PLACES_MAX = 50
"""At so many places of a text it is seen how well a run stands there."""
LONG_CHARS = 4_000
"""Of a longer text only the parts around such places are compared."""
STRETCH_CHARS = 160
"""How much of a question and a text around a run is compared as well."""
LOOK_UP_WORDS_MAX = 8
"""Up to so many words a question that asks nothing is taken for what is looked up, word for word.
"""

Kind = Literal["characters", "numbers", "name", "tag", "emoji"]

# Letters and digits that would make a run part of a longer word; the next character of a script
# without spaces does not.
_WORD = re.compile(f"[^\\W_{SPACELESS}]")
_APART = re.compile(f"[\\s{SPACELESS}\u2014\u3000-\u303f{EMOJI}]")
_CHUNK = re.compile(f"[^\\s\u2014\u3000-\u303f{SPACELESS}{EMOJI}{EMOJI_LOOKS}]+")
# What a question of plain words does not hold: digits, signs inside and around words, quotes, other
# letters than ASCII's, capitals inside words.
_HINT = re.compile(r"[^A-Za-z\s,.?!;']|(?<!\w)'|(?<![\w.])\.\w|\w\.\w|[a-z][A-Z]")
_QUOTED = re.compile(
    r"\"([^\"]+)\"|\u00ab([^\u00bb]+)\u00bb|\u300c([^\u300d]+)\u300d|\u300e([^\u300f]+)\u300f"
    r"|`([^`]+)`|(?<!\w)'([^']+)'(?!\w)"
)
_ONE_EMOJI = f"[{EMOJI}][{EMOJI_LOOKS}]*"
_EMOJI_RUN = re.compile(f"[\U0001f1e6-\U0001f1ff]{{2}}|{_ONE_EMOJI}(?:\u200d{_ONE_EMOJI})*")
_AROUND = "()[]{}<>\"'`*,;!?|\u00ab\u00bb\u00bf\u00a1"
_POSSESSIVE = re.compile(r"'s$", re.IGNORECASE)
_TAG = re.compile(r"#([^\W\d_][\w/-]*)")
_SIGNS_BEFORE = re.compile(r"(?:[.#@$~+\\/\u20ac\u00a3\u00a5]|--?)+(?=\w)|%(?=\w+%)")
_SIGNS_AFTER = re.compile(r"(?<=\w)[+#%\u00b0]+$")
_SIGN = re.compile(r" ?[+*=<>^%$\u20ac\u00a3\u00a5\u00b0] ?| - ")
_SPOKEN_NUMBER = re.compile(r"\d+(?:st|nd|rd|th|am|pm|s|k|m|x|h)?", re.IGNORECASE)
_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th|\.)?"
_WRITTEN_DATE = re.compile(
    rf"\b(?:{_DAY}\s+{_MONTH}(?:,?\s+\d{{4}})?|{_MONTH}\s+{_DAY}(?:,?\s+\d{{4}})?)(?!\w)",
    re.IGNORECASE,
)
_SPACED_NUMBER = re.compile(r"(?<![\w.:/-])[+(]?\d[\d\s().\-/]*\d(?![\w:]|[./-]\d)")
_OPENERS = frozenset(
    """am are can could did do does has have how is should was were what when where which who whom
    whose why will would""".split()
)
_MONTHS = frozenset({"april", "august", "june", "may"})
_BEFORE_A_MONTH = frozenset(
    """after before by during early every from in last late mid next of since this through till
    until""".split()
)
_SUBJECTS = frozenset(
    """a all an any anybody anyone each everybody everyone he i it my no one our she some that the
    their there these they this those we you your""".split()
)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of characters to be found as it stands in a question."""

    text: str
    """As it was typed."""
    kind: Kind
    decides: bool
    """Whether a text that holds it comes before all that do not, or only gains by it."""
    phrases: tuple[str, ...]
    """Quoted FTS5 phrases; each text that holds the run has one of them."""
    needle: str
    """Folded ASCII that stands in each text that holds the run, unless that has other signs."""
    pattern: re.Pattern[str]
    """Matches it in a folded text; one of kind `name` in a text as it was typed."""
    goes_on: frozenset[str]
    """Signs by which a number that begins or ends it would go on."""
    share: float
    """How much of the question it is, 0 to 1."""
    before: tuple[str, ...] = ()
    """The folded words before it in the question, the nearest first."""
    after: tuple[str, ...] = ()
    """The folded words after it, the nearest first."""

    @property
    def tag(self) -> str | None:
        """The folded tag it stands for."""
        return fold(self.text[1:]) if self.kind == "tag" else None


@dataclass(frozen=True, slots=True)
class Standing:
    """How the runs of a question stand in one text."""

    exact: int = 0
    """How many of those that decide stand in it."""
    bonus: float = 0.0
    """How well these stand in it, and what the others add; from 0 on, 1 is much."""

    def __bool__(self) -> bool:
        return self.exact > 0 or self.bonus > 0

    def __add__(self, other: "Standing") -> "Standing":
        return Standing(self.exact + other.exact, self.bonus + other.bonus)


NOWHERE = Standing()


def exact_runs(question: str) -> list[Run]:
    """The runs of a question that are to be found as they stand, at most 12, sure ones first.

    None in a plain question: words alone are no run, unless they are quoted, or the question is
    a few words that ask nothing.
    """
    said = _one_line(unicodedata.normalize("NFKC", question))
    found: dict[tuple[str, bool], Run] = {}
    for start, end, kind, decides in _spans(said):
        key = (said[start:end], kind == "name")
        known = found.get(key)
        if end - start <= RUN_CHARS_MAX and (
            known is None
            or (decides, kind != "characters") > (known.decides, known.kind != "characters")
        ):
            found[key] = _run(said, start, end, kind, decides)
    return sorted(found.values(), key=lambda run: not run.decides)[:RUNS_MAX]


def standing(run: Run, text: str, tags: Iterable[str] = ()) -> Standing:
    """How one run stands in a text with these tags."""
    grade = _grade(run, text, tags)
    if grade is None:
        return NOWHERE
    return Standing(1, grade) if run.decides else Standing(0, 0.4 + grade / 2)


def exact_place(question: str, text: str) -> int | None:
    """Where in a text a run of the question stands as it was typed, if one does."""
    lower = text.lower()
    for run in exact_runs(question):
        for start, _ in _places(run, text if run.kind == "name" else lower):
            return start
    return None


def _spans(said: str) -> Iterator[tuple[int, int, Kind, bool]]:
    """Where runs are in a question: start, end, kind, and whether they decide."""
    yield from _looked_up(said)
    for name in names_in(said):
        place = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said)
        if place:
            yield *place.span(), "name", place[0] == said.strip(_AROUND + " .:")
    if not _HINT.search(said):
        return
    for found in _QUOTED.finditer(said):
        group = found.lastindex or 0
        start, end = _trimmed(said, *found.span(group))
        if any(char.isalnum() for char in said[start:end]):
            yield start, end, "characters", True
    for found in _SPACED_NUMBER.finditer(said):
        digits = sum(char.isdigit() for char in found[0])
        if digits >= 7 and (found[0][0] in "+(" or " " in found[0]):
            yield *found.span(), "numbers", True
    for found in _WRITTEN_DATE.finditer(said):
        yield *found.span(), "numbers", False
    for found in _CHUNK.finditer(said.replace("...", "   ")):
        start, end = _bare(said, *found.span())
        if (told := _kind_of(said[start:end])) is not None:
            yield start, end, *told
    alone = len(_EMOJI_RUN.sub("", said).strip()) == 0
    for found in _EMOJI_RUN.finditer(said):
        yield *found.span(), "emoji", alone


def _looked_up(said: str) -> Iterator[tuple[int, int, Kind, bool]]:
    """The whole question, if it is a few words that ask nothing, and not all of them plain ones.

    Words alone are plain, but for a title ("Annual Report") and nothing but stop words ("to be").
    """
    words = said.split(maxsplit=LOOK_UP_WORDS_MAX)
    if not words or len(words) > LOOK_UP_WORDS_MAX or (said.endswith("?") and len(words) > 3):
        return
    if len(words) > 1 and words[0].lower().split("'")[0] in _OPENERS:
        return
    titled = all(word[0].isupper() or word.lower() in STOP_WORDS for word in words)
    if not titled and len(said) > 3 and not _HINT.search(said):
        return
    start, end = _bare(said, 0, len(said)) if len(words) == 1 else _ends(said, 0, len(said))
    word = said[start:end]
    if len(words) == 1 and (names_in(word) or (word[1:].islower() and word.isalpha() and word[3:])):
        return
    if any(char.isalnum() for char in word):
        yield start, end, "characters", True


def _kind_of(chunk: str) -> tuple[Kind, bool] | None:
    """Whether what stands between two spaces is a run, and whether it decides."""
    if _TAG.fullmatch(chunk):
        return "tag", True
    tokens = re.findall(r"[^\W_]+", chunk)
    if not tokens:
        return None
    if _SIGNS_BEFORE.match(chunk) or _SIGNS_AFTER.search(chunk):
        return "characters", True
    between = {char for char in chunk if not char.isalnum()} - set("'\u2019")
    if len(tokens) == 1 or not between:
        return _kind_of_word(chunk)
    if all(token.lower() in STOP_WORDS for token in tokens):
        return None
    digits = [any(char.isdigit() for char in token) for token in tokens]
    if any(digits):
        plain = digits[0] and between <= {"-"} and all(token.islower() for token in tokens[1:])
        return "characters", not plain
    if between == {"-"}:
        return "characters", chunk.isupper()
    if between == {"."} and len(max(tokens, key=len)) == 1:  # U.S. is one, a.m. is none
        return None if chunk.islower() else ("characters", False)
    return "characters", between != {"/"} or len(tokens) > 2


def _kind_of_word(word: str) -> tuple[Kind, bool] | None:
    digits = sum(char.isdigit() for char in word)
    if digits == len(word):
        return ("characters", True) if digits > 4 else None
    if digits and not _SPOKEN_NUMBER.fullmatch(word):
        return "characters", digits > 1 and len(word) > 4
    if re.search("[a-z][A-Z]", word):
        return "characters", False
    return None


def _run(said: str, start: int, end: int, kind: Kind, decides: bool) -> Run:
    text = said[start:end]
    if re.match(r"[vV]\d+\.\d", text) and kind == "characters":  # v4.2.1 is 4.2.1
        text = text[1:]
    folded = fold(text)
    asked = re.sub('["\\0]', " ", folded[1:] if kind == "tag" else folded)
    phrases = [f'"{index_form(asked)}"']
    if kind == "characters":
        if re.match(r"\d+(?:\.\d+){1,2}(?![.\d])", folded):  # as in v4.2.1
            phrases.append(f'"v{asked}"')
        elif re.fullmatch(r"\d+-\d+-\d+", folded):  # as in 2026-11-02T09:15
            phrases.append(f'"{asked}t" *')
        elif re.fullmatch(r"\d+:\d+(?::\d+)?", folded):  # as in 09:15Z
            phrases.append(f'"{asked}z"')
    pieces = re.findall(r"\w+" if kind == "numbers" else "[!-~]+", _apart(folded), re.ASCII)
    return Run(
        text=text,
        kind=kind,
        decides=decides,
        phrases=tuple(dict.fromkeys(phrases)),
        needle=max(pieces, key=len, default="") if kind != "emoji" else "",
        pattern=_pattern(text if kind == "name" else folded, kind),
        goes_on=_goes_on(folded),
        share=len(text) / max(1, len(said)),
        before=tuple(fold(said[max(0, start - STRETCH_CHARS) : start]).split()[::-1]),
        after=tuple(fold(said[end : end + STRETCH_CHARS]).split()),
    )


def _pattern(run: str, kind: Kind) -> re.Pattern[str]:
    if kind == "numbers":
        parts = re.findall(r"[^\W_]+", run)
        return re.compile(r"[\s().,/-]*".join(re.escape(part) for part in parts))
    if kind == "emoji":
        signs = re.sub(f"[{EMOJI_LOOKS}]", "", run)
        return re.compile("".join(f"{re.escape(sign)}[{EMOJI_LOOKS}]*" for sign in signs))
    return re.compile(re.escape(_apart(run)).replace("\0", " ?"))


def _goes_on(run: str) -> frozenset[str]:
    between = {char for char in run if not char.isalnum() and not char.isspace()} - {"'", '"'}
    if run.isdigit():
        return frozenset(".,:")
    return frozenset(between | {".", ","} if between <= {".", ","} else between)


def _places(run: Run, text: str) -> Iterator[tuple[int, int]]:
    """Where a run stands in a text, and is no part of a longer word or number."""
    for found in run.pattern.finditer(text):
        start, end = found.span()
        around = text[max(0, start - 2) : start].rjust(2), text[end : end + 2].ljust(2)
        if _is_whole(run, text[start], text[end - 1], *around):
            yield start, end


def _is_whole(run: Run, first: str, last: str, before: str, after: str) -> bool:
    """Whether a run is whole between the two characters before it and the two after it."""
    if run.kind == "emoji":
        return "\u200d" not in (before[1], after[0])
    begins = bool(_WORD.match(before[1]))
    ends = bool(_WORD.match(after[0]))
    if run.kind in ("name", "numbers"):
        return not begins and not ends
    if first.isalnum():
        version = first.isdigit() and before[1] == "v" and not _WORD.match(before[0])
        longer = first.isdigit() and before[1] in run.goes_on and before[0].isdigit()
        if (begins and not version) or longer:
            return False
    elif first not in "/\\" and (begins or before[1] == first):
        return False
    if not last.isalnum():
        return after[0] != last
    moment = last.isdigit() and bool(run.goes_on & {"-", ":"})  # as 2026-11-02T09:15Z goes on
    if ends and not (moment and (after[0] == "t" and after[1].isdigit())):
        return moment and after[0] == "z" and not _WORD.match(after[1])
    return not (last.isdigit() and after[0] in run.goes_on and after[1].isdigit())


def _apart(run: str) -> str:
    """A run with NUL where a space may stand or not: around the signs of sums and amounts."""
    if not any(char.isdigit() for char in run):  # C++
        return run
    return _SIGN.sub(lambda sign: f"\0{sign[0].strip()}\0", run).strip("\0")


def _grade(run: Run, text: str, tags: Iterable[str]) -> float | None:
    """How well a run stands in a text, 0 to about 1; `None` if it does not."""
    if run.tag is not None and run.tag in {fold(tag).removeprefix("#") for tag in tags}:
        return 1.0
    said = unicodedata.normalize("NFKC", _cut_out(run, text))
    if run.kind == "name":
        names = [_as_name(said, start, end) for start, end in _places(run, said)]
        return max(names, default=0.0) or None
    said = _one_line(said)
    folded = fold(said)
    best: float | None = None
    for start, end in islice(_places(run, folded), PLACES_MAX):
        alone = _alone(folded, start, end)
        stretch = _stretch(run, folded, start, end)
        best = max(best or 0.0, run.share * 0.5 * alone + 0.5 * stretch)
    if best is None:
        return None
    return best + run.share * 0.2 * (run.text in said)


def _cut_out(run: Run, text: str) -> str:
    """A text, or the parts of a long one where the run stands."""
    if len(text) <= LONG_CHARS or " " in run.text or not text.isascii():
        return text
    found = islice(_places(run, text if run.kind == "name" else text.lower()), PLACES_MAX)
    parts = [text[max(0, start - STRETCH_CHARS) : end + STRETCH_CHARS] for start, end in found]
    return "\n".join(parts)


def _as_name(text: str, start: int, end: int) -> float:
    """How surely a word is a name where it stands: 1, less at a sentence's beginning, or 0."""
    name, after = text[start:end], text[end : end + 40]
    if (name.isupper() and len(name) > 1) or re.match(r"['\u2019]s\b", after):
        return 1.0
    before = text[max(0, start - 40) : start]
    last = (re.findall(r"[\w']+", before) or [""])[-1].lower()
    following = (re.findall(r"[\w']+", after) or [""])[0].lower()
    if name.lower() in _MONTHS and (
        last in _BEFORE_A_MONTH or last[:1].isdigit() or following[:1].isdigit()
    ):
        return 0.0
    if re.search(r"(?:^|[.!?:;\n])[\s\"'(*\u201c\u2018-]*$", before if start else ""):
        return 0.0 if following in _SUBJECTS else 0.7
    return 1.0


def _alone(text: str, start: int, end: int) -> bool:
    """Whether nothing is attached to a run, as `:8080` is to 10.0.1.2 in `10.0.1.2:8080`."""
    before, after = text[max(0, start - 1) : start], text[end : end + 2]
    if before and not (before in _AROUND + "_:=" or _APART.match(before)):
        return False
    if not after or _APART.match(after):
        return True
    return after[0] in _AROUND + "_.:=" and not (after[1:].isalnum() and after[0] not in "'>)")


def _stretch(run: Run, text: str, start: int, end: int) -> float:
    """How much of the question stands around the run, word for word: 0 to 1."""
    if not run.before and not run.after:
        return 0.0
    same = 0
    for words, asked in (
        (text[max(0, start - STRETCH_CHARS) : start].split()[::-1], run.before),
        (text[end : end + STRETCH_CHARS].split(), run.after),
    ):
        for word, wanted in zip(words, asked, strict=False):
            if word.strip(_AROUND) != wanted.strip(_AROUND):
                break
            same += len(wanted)
    return same / (1 + sum(map(len, (*run.before, *run.after))))


def _bare(said: str, start: int, end: int) -> tuple[int, int]:
    """A stretch without the punctuation around it, and without `'s`."""
    start, end = _trimmed(said, start, end)
    while True:
        was = start, end
        while start < end and said[start] in _AROUND + ":=&^":
            start += 1
        while start < end and said[end - 1] in _AROUND + ".:=&/\\-":
            end -= 1
        if possessive := _POSSESSIVE.search(said, start, end):
            end = possessive.start()
        if (start, end) == was:
            return start, end


def _trimmed(said: str, start: int, end: int) -> tuple[int, int]:
    while start < end and said[start].isspace():
        start += 1
    while start < end and said[end - 1].isspace():
        end -= 1
    return start, end


def _ends(said: str, start: int, end: int) -> tuple[int, int]:
    """A stretch without the quotes and the punctuation around it."""
    while start < end and said[start] in _AROUND + " ":
        start += 1
    while start < end and said[end - 1] in _AROUND + " .:":
        end -= 1
    return start, end


_SAME_SIGNS = str.maketrans(
    dict.fromkeys("\u2018\u2019\u02bc\u2032", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u2033", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-")
)


def _one_line(text: str) -> str:
    """White space and the shapes of quotes and dashes make no difference."""
    line = " ".join(text.split())
    return line if line.isascii() else line.translate(_SAME_SIGNS)
