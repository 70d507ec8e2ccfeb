"""How text is cut for the lexical index, and how a question becomes search terms.

SQLite's `unicode61` tokenizer takes a run of letters for one word. Scripts that write no spaces
would become one endless word, so their characters are set apart before indexing, and a question
in them is asked as overlapping pairs of characters, each a phrase. Everything else is asked as
quoted words joined by OR, without stop words: FTS5's implicit AND finds a sixth of the answers.
"""

import re
import unicodedata
from itertools import pairwise

TERMS_MAX = 48

# Scripts without spaces between words: Thai, Lao, Tibetan, Myanmar, Khmer, kana, bopomofo, hangul
# (words carry particles), Han, half-width kana and the supplementary ideographs.
_SPACELESS = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007"
    "\u3040-\u30ff\u3100-\u312f\u3130-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
)
_ONE_SPACELESS = re.compile(f"([{_SPACELESS}])")
_RUN = re.compile(f"[{_SPACELESS}]+|[^\\W_{_SPACELESS}]+(?:[\u0300-\u036f\u0900-\u0dff][^\\W_]*)*")

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


def index_form(text: str) -> str:
    """`text` as the lexical index takes it in."""
    if text.isascii():
        return text
    return _ONE_SPACELESS.sub(r" \1 ", unicodedata.normalize("NFKC", text))


def search_terms(question: str) -> list[str]:
    """The quoted FTS5 terms of a question, in its order, without repeats, at most 48.

    Stop words are left out unless there is nothing else. The result is safe to join with OR: no
    character of the question reaches FTS5 outside quotes.
    """
    words: dict[str, str] = {}  # by lower case; FTS5 folds the rest by tables of its own
    for run in _RUN.findall(unicodedata.normalize("NFKC", question)):
        for word in _pairs(run) if _ONE_SPACELESS.match(run) else [run]:
            words.setdefault(word.lower(), word.lower() if word.isascii() else word)
    telling = [word for lower, word in words.items() if lower not in STOP_WORDS]
    return [f'"{word}"' for word in (telling or words.values())][:TERMS_MAX]


def _pairs(run: str) -> list[str]:
    """`東京都` → `東 京`, `京 都`: neighbours, spaced as `index_form` spaces them."""
    letters = [char for char in run if char.isalnum()]
    if len(letters) < 2:
        return letters
    return [f"{first} {second}" for first, second in pairwise(letters)]
