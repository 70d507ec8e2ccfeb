"""The default embedder, on the table that ships with the package."""

import math
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from operator import mul
from pathlib import Path
from threading import Barrier

import pytest

from memory_mcp.domain.errors import EmbedderError
from memory_mcp.embedding import static
from memory_mcp.embedding.static import StaticEmbedder


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return StaticEmbedder()


def cosine(embedder: StaticEmbedder, a: str, b: str) -> float:
    return sum(map(mul, *embedder.embed([a, b])))


# What the tokenizers library makes of each text with the published tokenizer.json, the pieces
# `[UNK]` left out as Model2Vec leaves them out.
PUBLISHED_PIECES = {
    "": "",
    "The cat sat on the mat.": "the cat sat on the mat .",
    "[8 May 2023] Caroline: hi!": "[ 8 may 202 ##3 ] caroline : hi !",
    # longest piece first
    "embeddings unaffable snowboarding": "em ##bed ##ding ##s una ##ffa ##ble snow ##boarding",
    # accents go, composed or not; what is no accent stays
    "Café naïve Ångström, Straße": "cafe naive ang ##strom , st ##raße",
    "Cafe\u0301": "cafe",
    # case of one letter never depends on the next (no final sigma)
    "İstanbul ΟΔΟΣ Москва": "istanbul ο ##δ ##ο ##σ м ##о ##с ##к ##в ##а",  # noqa: RUF001 (Greek)
    # each CJK character is a word; Korean falls into letters
    "東京 is 中文x": "東 京 is 中 文 x",
    "한국어": "ᄒ ##ᅡ ##ᆫ ##ᄀ ##ᅮ ##ᆨ ##ᄋ ##ᅥ",
    # each mark is a word
    "don't stop: 3.14 (really?) a_b": "don ' t stop : 3 . 14 ( really ? ) a _ b",
    "“Quoted” — dash…": "“ quoted ” — dash …",
    "ﬁne ½ cup": "ﬁ ##ne ½ cup",
    # unknown words are passed over
    "the ᚠᚢ cat": "the cat",
    "great 😀 day": "great day",
    # white space of every kind parts words, control codes vanish
    "a\tb\nc\u00a0d\u2028e\u200bf\u00adg\x00h\ufffdi": "a b c d e ##f ##ghi",
    # words end at a hundred characters
    "x" * 100 + " cat": "xx " + "##xx " * 49 + "cat",
    "x" * 101 + " cat": "cat",
}


@pytest.mark.parametrize(("text", "pieces"), PUBLISHED_PIECES.items())
def test_a_text_falls_into_the_pieces_of_the_published_tokenizer(
    embedder: StaticEmbedder, text: str, pieces: str
) -> None:
    assert embedder.pieces(text) == pieces.split()


def test_a_symbol_does_not_take_the_word_beside_it_along(embedder: StaticEmbedder) -> None:
    assert embedder.pieces("great😀 5€ x→y") == ["great", "5", "€", "x", "→", "y"]


# The first eight numbers of `StaticModel.encode` in model2vec 0.10.0, on the published floats.
PUBLISHED_VECTORS = {
    "The cat sat on the mat.": [
        -0.0784, -0.0540, -0.0745, -0.1082, -0.0231, -0.0130, -0.0136, 0.0826
    ],
    "Café naïve Ångström": [0.0572, -0.0504, -0.1084, -0.0544, -0.1495, -0.0712, 0.0431, 0.0121],
    "[8 May 2023] Caroline: I went to the support group yesterday.": [
        -0.0176, 0.0622, -0.0271, 0.1529, 0.1497, 0.3454, -0.0423, -0.0963
    ],
    "東京 Москва": [0.1805, -0.0748, -0.2491, -0.1155, 0.2387, 0.2465, 0.1135, -0.0198],
}  # fmt: skip


@pytest.mark.parametrize(("text", "numbers"), PUBLISHED_VECTORS.items())
def test_a_vector_is_the_published_one_but_for_rounding(
    embedder: StaticEmbedder, text: str, numbers: list[float]
) -> None:
    (vector,) = embedder.embed([text])

    assert list(vector[:8]) == pytest.approx(numbers, abs=0.002)


@pytest.mark.parametrize(
    ("text", "nearer", "farther"),
    [
        ("cat", "kitten", "car insurance"),
        ("I adopted a puppy last week", "our new dog", "quarterly tax report"),
        ("When is the dentist appointment?", "teeth cleaning on Tuesday", "a recipe for soup"),
    ],
)
def test_what_means_the_same_is_nearer(
    embedder: StaticEmbedder, text: str, nearer: str, farther: str
) -> None:
    assert cosine(embedder, text, nearer) > cosine(embedder, text, farther) + 0.1


def test_vectors_are_single_floats_of_length_one(embedder: StaticEmbedder) -> None:
    vectors = embedder.embed(["one", "two words", "three words, really"])

    for vector in vectors:
        assert (vector.typecode, len(vector)) == ("f", embedder.dims)
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("text", ["", " \n", "\0", "\ud800", "ᚠᚢᚦ", "x" * 1_000_000])
def test_a_text_without_a_known_word_gives_zeros(embedder: StaticEmbedder, text: str) -> None:
    assert embedder.embed([text]) == [array("f", bytes(4 * embedder.dims))]


def test_half_characters_and_control_codes_change_nothing(embedder: StaticEmbedder) -> None:
    plain, dirty = embedder.embed(["my cat", "\ud800my\0 c\udfffat\x07"])

    assert dirty == plain


def test_the_order_of_texts_is_kept_and_none_gives_none(embedder: StaticEmbedder) -> None:
    cat, dog = embedder.embed(["cat"]) + embedder.embed(["dog"])

    assert embedder.embed(["dog", "cat", "dog"]) == [dog, cat, dog]
    assert embedder.embed([]) == []


def test_only_the_start_of_an_endless_text_counts(embedder: StaticEmbedder) -> None:
    start = ("so it goes. " * static.TEXT_CHARS_MAX)[: static.TEXT_CHARS_MAX]

    short, long = embedder.embed([start, start + "cats and dogs " * 100_000])

    assert long == short
    assert len(embedder.pieces("!" * 1_000_000)) <= static.TEXT_CHARS_MAX


@pytest.mark.parametrize("word", ["!", "東", "clover "])
def test_the_longest_text_does_not_overflow_its_lanes(embedder: StaticEmbedder, word: str) -> None:
    assert 255 * static.SCALE_MAX * static.TEXT_CHARS_MAX < 2**32

    once, always = embedder.embed([word, word * static.TEXT_CHARS_MAX])

    assert list(always) == pytest.approx(list(once), abs=0.01)


def test_threads_may_share_one_embedder_from_the_first_call_on() -> None:
    texts = [f"note {n}: the cat met dog number {n * 7919}" for n in range(200)]
    expected = StaticEmbedder().embed(texts)
    shared, start = StaticEmbedder(), Barrier(8)

    def embed(_: int) -> list["array[float]"]:
        start.wait(timeout=5)
        return shared.embed(texts)

    with ThreadPoolExecutor(8) as pool:
        assert all(vectors == expected for vectors in pool.map(embed, range(8)))


def test_the_table_that_ships_has_the_checksum_it_records(embedder: StaticEmbedder) -> None:
    embedder.verify()


def test_the_licence_lies_beside_the_table() -> None:
    licence = static.TABLE.with_name("LICENSE.potion-base-8M.txt").read_text()

    assert "MIT License" in licence
    assert "MinishLab" in licence


def test_one_changed_byte_fails_the_checksum(tmp_path: Path) -> None:
    table = bytearray(static.TABLE.read_bytes())
    table[len(table) // 2] ^= 1
    (tmp_path / "table.bin").write_bytes(table)

    with pytest.raises(EmbedderError, match="checksum"):
        StaticEmbedder(tmp_path / "table.bin").verify()


def test_a_missing_table_is_no_error_until_it_is_needed(tmp_path: Path) -> None:
    embedder = StaticEmbedder(tmp_path / "nowhere.bin")

    with pytest.raises(EmbedderError, match=r"nowhere\.bin .*No such file.* Reinstall"):
        embedder.embed(["cat"])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda table: b"", "empty"),
        (lambda table: table[:40], "64 bytes"),
        (lambda table: b"elephant" + table[8:], "not version 1"),
        (lambda table: table[:8] + b"\x02" + table[9:], "not version 1"),
        (lambda table: table[:-1], "header promises"),
        (lambda table: table + b"x", "header promises"),
        (lambda table: table[:-3] + b"\xff\xff\xff", "decode"),
        (lambda table: table[:-3] + b"\na\n", "zip"),
    ],
    ids=["empty", "half-header", "magic", "version", "cut", "too-long", "not-utf8", "extra-piece"],
)
def test_a_damaged_table_is_refused_with_the_reason_and_the_next_move(
    tmp_path: Path, damage: Callable[[bytes], bytes], reason: str
) -> None:
    path = tmp_path / "table.bin"
    path.write_bytes(damage(static.TABLE.read_bytes()))

    with pytest.raises(EmbedderError, match=f"{reason}.*Reinstall"):
        StaticEmbedder(path).embed(["cat"])
