"""The default embedder: potion-base-8M in one memory-mapped file, standard library only.

A static model holds one vector for each word piece, and a text's vector is the direction of the
sum of its pieces' vectors. Model2Vec adds them unweighted: in potion tables each vector's length
already is its piece's weight (SIF: the commoner the piece, the shorter its vector).

The sum is made inside Python's big integers. A row of 8-bit entries is spread over 32-bit lanes
of one integer, one multiplication applies the row's scale to every lane, and one addition adds a
word to a text. Entries are stored unsigned, 128 standing for 0, so that no lane borrows from the
next; one lane more than the vector has numbers holds a bare 128 and so ends as the sum of all the
zeros, which is taken off in the end. Lanes cannot overflow: 8 bits of entry, 11 of scale and 13
for the number of pieces make 32.

The table, all numbers little-endian:

    header      64 bytes: magic, version, rows, dims, characters of the longest piece, bytes of
                vocabulary, CRC-32 of everything after the header, name padded with NUL
    rows        for each piece its scale (uint16, 1 to 2047) and `dims` entries (uint8):
                value = scale * (entry - 128), in a unit that is the same for the whole table
    vocabulary  the pieces in the order of the rows, UTF-8, a line feed between two

`tools/build_static_table.py` makes it from the published weights.
"""

import math
import mmap
import struct
import unicodedata
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from memory_mcp.domain.errors import EmbedderError

NAME = "potion-base-8M-int8"
DIMS = 256
TABLE = Path(__file__).with_name("data") / f"{NAME}.bin"

MAGIC = b"memtable"
VERSION = 1
HEADER = struct.Struct("<8s6I32s")
ROW = struct.Struct(f"<H{DIMS}s")
SCALE_MAX = 2**11 - 1
ZERO = 128

# The start of a text decides its vector: about 1,800 English pieces, where Model2Vec itself stops
# at 512. No piece is shorter than a character, so this also bounds the pieces to their 13 bits.
TEXT_CHARS_MAX = 2**13
# Longer words are unknown to BERT's tokeniser; nothing but noise is that long.
WORD_CHARS_MAX = 100
# Sums kept for words met before, 1.2 kB each. In conversations 93 words in 100 are found here.
WORDS_CACHED = 2**10
# Characters kept in the normaliser; all that a person writes in, and no room for all of Unicode.
CHARS_CACHED_MAX = 2**14

_LANES = struct.Struct(f"<{DIMS + 1}I")
_LANE_BYTES = 4


class StaticEmbedder:
    """Embeds a memory in some 50 microseconds; may be shared between threads."""

    name = NAME
    dims = DIMS
    inline = True

    def __init__(self, path: Path | None = None, *, words_cached: int = WORDS_CACHED) -> None:
        """Name the table, by default the one in the package; it is opened when first needed."""
        self._path = path or TABLE
        self._word = lru_cache(words_cached)(self._sum_of_word)

    def embed(self, texts: Sequence[str]) -> "list[array[float]]":
        """One vector of length 1 for each text; zeros for a text without any known word.

        Raises:
            EmbedderError: the table is missing or damaged.
        """
        return [self._embed(text) for text in texts]

    def pieces(self, text: str) -> list[str]:
        """The word pieces that make up the vector of `text`, with `##` where one continues a word.

        Raises:
            EmbedderError: the table is missing or damaged.
        """
        return [piece for word in _words(text) for piece in self._spell(word)]

    def verify(self) -> None:
        """Read the whole table once and compare its checksum, which `embed` does not.

        Raises:
            EmbedderError: the table is missing or damaged.
        """
        table = self._table
        with memoryview(table.memory) as memory, memory[HEADER.size :] as payload:
            if zlib.crc32(payload) != table.checksum:
                raise _unusable(self._path, "its bytes do not have the checksum it records")

    def _embed(self, text: str) -> "array[float]":
        total = sum(map(self._word, _words(text)))
        *lanes, zero = _LANES.unpack(total.to_bytes(_LANES.size, "little"))
        length = math.dist(lanes, [zero] * DIMS) or 1.0
        return array("f", [(lane - zero) / length for lane in lanes])

    def _sum_of_word(self, word: str) -> int:
        return sum(map(self._lanes_of_piece, self._spell(word)))

    def _lanes_of_piece(self, piece: str) -> int:
        table = self._table
        scale, entries = ROW.unpack_from(table.memory, table.rows[piece])
        lanes = bytearray(_LANES.size)
        lanes[::_LANE_BYTES] = entries + bytes((ZERO,))
        return scale * int.from_bytes(lanes, "little")

    def _spell(self, word: str) -> list[str]:
        """WordPiece: the longest known piece, then the longest that continues it, to the end.

        A word that cannot be spelled to its end is unknown and gives nothing.
        """
        if len(word) > WORD_CHARS_MAX:
            return []
        table = self._table
        pieces: list[str] = []
        rest, mark = word, 0
        while len(rest) > mark:
            for end in range(min(len(rest), table.longest), mark, -1):
                if (piece := rest[:end]) in table.rows:
                    break
            else:
                return []
            pieces.append(piece)
            rest, mark = "##" + rest[end:], 2
        return pieces

    @cached_property
    def _table(self) -> "_Table":
        # Two threads may both come here first; either copy serves.
        return _open(self._path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    memory: mmap.mmap
    rows: dict[str, int]  # where in `memory` the row of a piece begins
    longest: int
    checksum: int


def _open(path: Path) -> _Table:
    try:
        with path.open("rb") as file:
            return _read(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as exc:
        raise _unusable(path, exc.strerror or str(exc)) from exc
    except (ValueError, struct.error) as exc:
        raise _unusable(path, str(exc)) from exc


def _read(memory: mmap.mmap) -> _Table:
    magic, version, rows, dims, longest, vocabulary_bytes, checksum, name = HEADER.unpack_from(
        memory
    )
    if (magic, version, dims, name.rstrip(b"\0")) != (MAGIC, VERSION, DIMS, NAME.encode()):
        raise ValueError(f"it is not version {VERSION} of the table {NAME}")
    vocabulary_at = HEADER.size + ROW.size * rows
    size = vocabulary_at + vocabulary_bytes
    if len(memory) != size:
        raise ValueError(f"it has {len(memory):,} bytes where its header promises {size:,}")
    pieces = memory[vocabulary_at:].decode().split("\n")
    row_starts = range(HEADER.size, vocabulary_at, ROW.size)
    return _Table(
        memory=memory,
        rows=dict(zip(pieces, row_starts, strict=True)),
        longest=longest,
        checksum=checksum,
    )


def _unusable(path: Path, reason: str) -> EmbedderError:
    return EmbedderError(
        f"The embedding table {path} cannot be used: {reason}. Reinstall memory-mcp, or in a "
        "checkout run `python tools/build_static_table.py --download`."
    )


def _words(text: str) -> list[str]:
    # Marks are set apart by spaces, so the text grows: the second cut keeps the bound.
    return text[:TEXT_CHARS_MAX].translate(_NORMAL)[:TEXT_CHARS_MAX].split()


class _Normaliser(dict[int, str]):
    """BERT's uncased normalisation as a table for `str.translate`, filled as characters are met."""

    def __missing__(self, point: int) -> str:
        normal = _normal(chr(point))
        if len(self) == CHARS_CACHED_MAX:
            self.clear()
        self[point] = normal
        return normal


_NORMAL = _Normaliser()


def _normal(char: str) -> str:
    """`char` in lower case without accents; a space for white space, nothing for control codes.

    Marks and CJK characters become words of their own. BERT sets apart only punctuation and the
    symbols of ASCII; setting apart the others too keeps the word that an emoji is glued to.
    """
    kind = unicodedata.category(char)[0]
    if kind == "Z" or char in "\t\n\r":
        return " "
    if kind == "C" or char == "\N{REPLACEMENT CHARACTER}":
        return ""
    bare = "".join(
        part.lower()
        for part in unicodedata.normalize("NFD", char)
        if unicodedata.category(part) != "Mn"
    )
    apart = kind in "PS" or unicodedata.name(char, "").startswith("CJK ")
    return f" {bare} " if apart else bare
