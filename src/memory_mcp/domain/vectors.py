"""Vectors in the sizes the store keeps: 8 bits or 1 bit a number, and how near two of them are.

A vector comes from an embedder: `dims` floats of length 1 together, or all zeros for a text that
says nothing. Bits find candidates, 8-bit numbers rank them.
"""

import math
from array import array
from collections.abc import Iterable, Sequence
from operator import mul
from struct import unpack
from sys import byteorder

Packed = tuple[bytes, bytes]
"""A vector as the store keeps it: 8 bits a number, and 1 bit a number; both empty for all zeros."""


def packed(vectors: Iterable[Sequence[float]]) -> list[Packed]:
    """Vectors as the store keeps them."""
    return [(to_int8(vector), to_bits(vector)) if any(vector) else (b"", b"") for vector in vectors]


def to_int8(vector: Sequence[float]) -> bytes:
    """`dims` signed bytes in the direction of `vector`, its largest number stretched to ±127.

    The stretch differs from vector to vector, so compare by cosine only.
    """
    peak = max(max(vector, default=0.0), -min(vector, default=0.0)) or 1.0
    # In single precision, the lowest byte of a number so large is the whole number added to it.
    whole = array("f", [number / peak * 127 + _WHOLE for number in vector])
    return whole.tobytes()[_LOWEST_BYTE]


def to_bits(vector: Sequence[float]) -> bytes:
    """`dims` bits, set where a number is above 0, in whole bytes.

    The first number is the lowest bit of the first byte, as in `vec_quantize_binary` of sqlite-vec.
    """
    bits = bytes(map((0.0).__lt__, vector)).translate(_AS_DIGITS)[::-1]
    return int(bits or b"0", base=2).to_bytes((len(vector) + 7) // 8, "little")


_WHOLE = 1.5 * 2**23
"""So large that a single-precision number has no bit for a fraction, and rounds."""
_LOWEST_BYTE = slice(0 if byteorder == "little" else 3, None, 4)
_AS_DIGITS = b"01" + bytes(254)


def cosine_int8(a: bytes, b: bytes) -> float:
    """The cosine of two vectors made by `to_int8`, from -1 to 1; 0 when either is all zeros."""
    numbers_a, numbers_b = unpack(f"{len(a)}b", a), unpack(f"{len(b)}b", b)
    lengths = math.hypot(*numbers_a) * math.hypot(*numbers_b)
    return sum(map(mul, numbers_a, numbers_b)) / lengths if lengths else 0.0


def hamming(a: bytes, b: bytes) -> int:
    """How many bits of two vectors made by `to_bits` differ: 0 when alike, `dims` when opposite."""
    return (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).bit_count()
