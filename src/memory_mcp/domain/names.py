"""Names that are the same: by which key an agent's name is known, and a tag that agents share.

`Bob` and `BOB` are one agent wherever a name is typed, stored or compared, and so are the names
that only a keyboard, a file system or a language tells apart: composed and decomposed accents,
`ß` and `SS`, full-width letters, `I` with and without its dot.
"""

import unicodedata

# What casefold leaves of a dotted capital I (U+0130), and the small i that has no dot.
_TURKISH = str.maketrans({"\u0131": "i"})
_DOTTED = "i\u0307"


def name_key(name: str) -> str:
    """What two names have in common that mean the same: Unicode's compatibility caseless match.

    An i and a capital I are one letter here, with and without a dot: which is whose capital hangs
    on the language of whoever typed it (Turkish has both). White space at the ends does not count.
    """
    folded = name.strip().casefold()
    if folded.isascii():
        return folded
    # NFD first, so that a mark typed apart folds as its letter does; folding and composing may
    # each bring what the other changes (D146 of the Unicode Standard).
    folded = unicodedata.normalize("NFD", folded).casefold()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold())
    plain = unicodedata.normalize("NFD", folded).replace(_DOTTED, "i").translate(_TURKISH)
    return unicodedata.normalize("NFKC", plain).strip()
