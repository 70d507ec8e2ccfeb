"""Vectors in 8 bits and 1 bit, and how near two of them are."""

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.vectors import cosine_int8, hamming, to_bits, to_int8

numbers = st.floats(-1, 1, width=32)


def vectors_of(dims: int) -> st.SearchStrategy["array[float]"]:
    return st.lists(numbers, min_size=dims, max_size=dims).map(lambda values: array("f", values))


def cosine(a: "array[float]", b: "array[float]") -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


# Hexadecimal answers of `vec_quantize_binary` in sqlite-vec 0.1.9.
@pytest.mark.parametrize(
    ("vector", "bits"),
    [
        ([1, 0, 0, 0, 0, 0, 0, 0], "01"),
        ([0, 0, 0, 0, 0, 0, 0, 1], "80"),
        ([0.5, -0.5, 0.0, -0.0, 1e-45, -1e-45, 2.0, -2.0], "51"),
        ([-1, 1, 1, -1, -1, -1, -1, 1, 1, 1, -1, -1, 1, -1, -1, -1], "8613"),
        ([], ""),
    ],
)
def test_bits_lie_as_sqlite_vec_lays_them(vector: list[float], bits: str) -> None:
    assert to_bits(array("f", vector)).hex() == bits


def test_bits_fill_up_the_last_byte_with_zeros() -> None:
    assert to_bits([1.0] * 9) == b"\xff\x01"
    assert to_bits([1.0] * 8 + [-1.0]) == b"\xff\x00"


@given(vectors_of(24), vectors_of(24))
def test_hamming_counts_the_numbers_whose_sign_differs(
    a: "array[float]", b: "array[float]"
) -> None:
    differing = sum((x > 0) != (y > 0) for x, y in zip(a, b, strict=True))

    assert hamming(to_bits(a), to_bits(b)) == differing


@given(vectors_of(16))
def test_int8_stretches_the_largest_number_to_127_and_keeps_order(vector: "array[float]") -> None:
    stored = array("b", to_int8(vector))

    assert len(stored) == len(vector)
    assert max(map(abs, stored)) == (127 if any(vector) else 0)
    by_value = sorted(range(16), key=vector.__getitem__)
    assert [stored[i] for i in by_value] == sorted(stored)


@given(vectors_of(16).filter(any), vectors_of(16).filter(any))
def test_the_cosine_of_int8_is_the_cosine_of_the_floats_but_for_rounding(
    a: "array[float]", b: "array[float]"
) -> None:
    assert cosine_int8(to_int8(a), to_int8(b)) == pytest.approx(cosine(a, b), abs=0.03)


@given(vectors_of(16).filter(any))
def test_a_vector_is_at_cosine_one_to_itself_and_minus_one_to_its_opposite(
    vector: "array[float]",
) -> None:
    stored, opposite = to_int8(vector), to_int8([-number for number in vector])

    assert cosine_int8(stored, stored) == pytest.approx(1)
    assert cosine_int8(stored, opposite) == pytest.approx(-1)


def test_zeros_stay_zeros_and_are_near_to_nothing() -> None:
    zeros = to_int8(array("f", bytes(4 * 256)))

    assert zeros == bytes(256)
    assert cosine_int8(zeros, zeros) == 0.0
    assert cosine_int8(zeros, to_int8([1.0] * 256)) == 0.0
