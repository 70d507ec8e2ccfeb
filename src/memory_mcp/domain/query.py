"""How text is cut for the lexical index, and how a question becomes search terms.

SQLite's `unicode61` tokenizer takes a run of letters for one word and drops signs. Scripts that
write no spaces would become one endless word, so their characters are set apart before indexing,
and a question in them is asked as overlapping pairs of characters, each a phrase. An emoji becomes
a word of its own. Everything else is asked as quoted words joined by OR, without stop words: FTS5's
implicit AND finds a sixth of the answers.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

TERMS_MAX = 48

# Scripts without spaces between words: Thai, Lao, Tibetan, Myanmar, Khmer, kana, bopomofo, hangul
# (words carry particles), Han, half-width kana and the supplementary ideographs.
SPACELESS = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007"
    "\u3040-\u30ff\u3100-\u312f\u3130-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
)
# Pictures and dingbats, but for box drawing and arrows, which tables and logs are full of.
EMOJI = (
    "\u231a\u231b\u2328\u23cf\u23e9-\u23fa\u25b6\u25c0\u25fb-\u25fe\u2600-\u27bf\u2b00-\u2bff"
    "\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
)
# Skin tones and variation selectors: another look of the same emoji.
EMOJI_LOOKS = "\ufe0e\ufe0f\U0001f3fb-\U0001f3ff"
_ONE_SPACELESS = re.compile(f"([{SPACELESS}])")
_ONE_EMOJI = re.compile(f"[\U0001f1e6-\U0001f1ff]{{2}}|[{EMOJI}][{EMOJI_LOOKS}]*")
_SET_APART = re.compile(f"[{SPACELESS}{EMOJI}]")
_RUN = re.compile(
    f"{_ONE_EMOJI.pattern}|[{SPACELESS}]+"
    f"|[^\\W_{SPACELESS}]+(?:[\u0300-\u036f\u0900-\u0dff][^\\W_]*)*"
)

STOP_WORDS = frozenset(
    """a about after again all also am an and any are as at be because been before being between
    both but by can could d did do does doing done down during each few for from further get got
    had has have having he her here hers herself him himself his how i if in into is it its itself
    just ll m me more most my myself no nor not now of off on once only or other our ours ourselves
    out over own re s said same say she should so some such t than that the their theirs them
    themselves then there these they this those through to too under until up us ve very was we
    were what when where which while who whom whose why will with would you your yours yourself
    yourselves""".split()
)


# Ordinary words that are names as well when they are written with a capital letter.
NAMES_TOO = frozenset(
    """amber april art august bill can chase cliff daisy dawn dean drew faith frank gene grace grant
    guy hope iris jack joy june lance lily mark max may miles nick pat pearl penny ray rich rob
    robin rose ruby sandy skip sue wade will""".split()
)
# A word that is a name if it is written like one. Single letters are none, and words that are
# operators elsewhere.
_NAMES = {word for word in STOP_WORDS | NAMES_TOO if len(word) > 1} - {
    "and",
    "or",
    "not",
    "ll",
    "ve",
}
_CAPITAL = re.compile(r"(?<!\w)[A-Z][A-Za-z]+(?!\w)")
_ENDING = re.compile(r"['\u2019]\w+")
_SENTENCE_ENDS = (".", "!", "?", ":", ";", "\n")


def fold(text: str) -> str:
    """`text` as it is compared: case, width, ligatures and the dots of an i make no difference."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if "\u0131" in folded or "\u0307" in folded:
        folded = folded.replace("i\u0307", "i").replace("\u0131", "i")
    return folded


def index_form(text: str) -> str:
    """`text` as the lexical index takes it in."""
    if text.isascii():  # FTS5 makes no difference between capitals and small letters of ASCII
        return text
    folded = fold(text)
    if not _SET_APART.search(folded):
        return folded
    apart = _ONE_SPACELESS.sub(r" \1 ", folded)
    return _ONE_EMOJI.sub(lambda found: f" {_emoji_word(found[0])} ", apart)


def search_terms(question: str) -> list[str]:
    """The quoted FTS5 terms of a question, in its order, without repeats, at most 48.

    Stop words are left out unless there is nothing else, or they are written as names ("what did
    Will say"). The result is safe to join with OR: no character of the question reaches FTS5
    outside quotes.
    """
    words: dict[str, None] = {}
    plain = question.isascii()
    for run in _RUN.findall(fold(question)):
        words.update(dict.fromkeys((run,) if plain else _cut(run)))
    telling = [word for word in words if word not in STOP_WORDS]
    if len(telling) < len(words) and (names := {name.lower() for name in names_in(question)}):
        telling = [word for word in words if word not in STOP_WORDS or word in names]
    return [f'"{word}"' for word in (telling or words)][:TERMS_MAX]


def names_in(question: str) -> list[str]:
    """The words of a question that are ordinary words, or stop words, written as names.

    That is with a capital letter where none has to be, in capitals ("IT"), with `'s`, or alone.
    Where every word has one ("What Did Will Say"), capitals tell nothing.
    """
    return list(dict.fromkeys(_names(question)))


def _names(question: str) -> Iterator[str]:
    small: bool | None = None  # whether any word has no capital letter
    for word in _CAPITAL.finditer(question):
        text, lower = word[0], word[0].lower()
        if lower not in _NAMES:
            continue
        if ending := _ENDING.match(question, word.end()):  # "Will's", but not "What's"
            if lower in NAMES_TOO and ending[0][1:].lower() == "s":
                yield text
        elif question.strip(" .!?") == text:
            yield text
        elif text.isupper() or not _opens(question, word.start()):
            if small is None:
                small = any(other[:1].islower() for other in question.split())
            if small:
                yield text


def _opens(text: str, place: int) -> bool:
    """Whether a sentence begins at this place, where a capital letter has to be."""
    before = text[max(0, place - 40) : place].rstrip(" \t\"'(\u201c\u2018*_")
    return not before or before.endswith(_SENTENCE_ENDS)


def _cut(run: str) -> list[str]:
    """What a run is asked by: itself, pairs of its signs, or an emoji's word."""
    if _ONE_EMOJI.fullmatch(run):
        return [_emoji_word(run)]
    return _pairs(run) if _ONE_SPACELESS.match(run) else [run]


def _emoji_word(emoji: str) -> str:
    """A word no text holds; it ends with a digit, so that the stemmer leaves it alone."""
    return "emoji" + "x".join(str(ord(sign)) for sign in emoji if sign not in _LOOKS)


_LOOKS = frozenset("\ufe0e\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


def _pairs(run: str) -> list[str]:
    """`東京都` → `東 京`, `京 都`: neighbours, spaced as `index_form` spaces them."""
    letters = [char for char in run if char.isalnum()]
    if len(letters) < 2:
        return letters
    return [f"{first} {second}" for first, second in pairwise(letters)]
