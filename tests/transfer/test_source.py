"""What is read from: lists item by item, lines, zips, and what each does with what is broken."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.transfer.conftest import Bring

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.transfer import packed, source
from memory_mcp.transfer.report import Report
from memory_mcp.transfer.source import Source, items_of, whole_json

VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Trickle(io.BytesIO):
    """A file that gives a few bytes at a time, as a slow disk or a zip may."""

    def __init__(self, told: bytes, sizes: list[int]) -> None:
        super().__init__(told)
        self._sizes = sizes
        self._turn = 0

    def read(self, size: int | None = -1) -> bytes:
        self._turn += 1
        return super().read(self._sizes[self._turn % len(self._sizes)])


def listed(told: bytes, sizes: list[int] | None = None) -> list[Any]:
    file = Trickle(told, sizes) if sizes else io.BytesIO(told)
    return [item for _, item in items_of(file, Report(), "list.json")]


@given(
    st.lists(VALUES, max_size=6),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_the_items_of_a_list_are_those_that_reading_it_whole_gives(
    items: list[Any], sizes: list[int], escaped: bool, indent: int | None
) -> None:
    told = json.dumps(items, ensure_ascii=escaped, indent=indent)
    encoded = told.encode("utf-8", "surrogatepass") if escaped else told.encode("utf-8", "replace")

    assert listed(encoded, sizes) == json.loads(encoded)


@given(st.lists(VALUES, min_size=1, max_size=4), st.data())
def test_a_list_that_is_cut_off_gives_whole_items_and_then_says_so(
    items: list[Any], data: st.DataObject
) -> None:
    whole = json.dumps(items).encode()
    cut = data.draw(st.integers(1, len(whole) - 1))
    read: list[Any] = []

    cut_off = (item for _, item in items_of(io.BytesIO(whole[:cut]), Report(), "list.json"))
    with pytest.raises(ImportRefused, match=r"list\.json is not"):
        read.extend(cut_off)

    # A number that was cut is a shorter number; nobody exports a bare list of those.
    assert read[:-1] == items[: len(read[:-1])]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (b"", "it begins with neither"),
        (b"hello", "it begins with neither"),
        (b'[{"a": 1} {"b": 2}]', "followed by neither"),
        (b'[{"a": nil}, ' + b'{"b": 2}, ' * 20 + b"{}]", "Expecting value"),
        (b"[" * 100_000, "nested too deep"),
        (b'[{"a": "caf\xe9"}]', "not UTF-8"),
    ],
    ids=["empty", "words", "no-comma", "no-value", "deep", "latin-1"],
)
def test_what_is_no_list_is_refused_with_the_reason(told: bytes, reason: str) -> None:
    with pytest.raises(ImportRefused, match=reason):
        listed(told)


def test_a_byte_order_mark_is_no_part_of_a_list() -> None:
    assert listed(b'\xef\xbb\xbf [{"a": 1}]\r\n') == [{"a": 1}]


def test_an_item_that_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "ITEM_BYTES_MAX", 1_000)
    monkeypatch.setattr(source, "CHUNK", 64)
    long = json.dumps({"a": ['\\"]}[', "x" * 5_000], "b": {"c": "}"}})
    told = f'[{{"a": 1}}, {long}, {{"b": 2}}]'.encode()
    report = Report()

    items = list(items_of(io.BytesIO(told), report, "list.json"))

    assert items == [(1, {"a": 1}), (3, {"b": 2})]
    assert [place for place, _ in report.bad_places] == ["list.json, item 2"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_json_file_may_be_wrapped_in_a_text_and_in_any_unicode(encoding: str) -> None:
    told = json.dumps(json.dumps({"a": "ü"}))
    assert whole_json(io.BytesIO(told.encode(encoding)), "x") == {"a": "ü"}


async def test_a_zip_bomb_ends_the_import_with_its_numbers(
    bring: Bring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "BYTES_FREE", 1_000_000)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("conversations.json", b'[{"mapping": {"a": "' + b"a" * 30_000_000)

    with pytest.raises(ImportRefused, match=r"conversations\.json looks like a zip bomb: it has"):
        await bring("chatgpt", archive)


async def test_a_zip_that_lies_about_its_size_is_watched_all_the_same(
    bring: Bring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "BYTES_FREE", 1_000_000)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("conversations.json", b"[" + b" " * 30_000_000)
    told = bytearray(archive.read_bytes())
    size = (30_000_001).to_bytes(4, "little")
    for place in (told.find(size), told.rfind(size)):
        told[place : place + 4] = (1_000).to_bytes(4, "little")
    archive.write_bytes(told)

    with pytest.raises(ImportRefused):
        await bring("chatgpt", archive)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04 and then nothing", "is no zip that can be read"),
        (b"PK\x05\x06" + b"\0" * 18, r"there is no conversations\.json in .*; it has: nothing"),
    ],
    ids=["broken", "empty"],
)
async def test_a_zip_that_cannot_be_read_is_refused(
    bring: Bring, tmp_path: Path, content: bytes, reason: str
) -> None:
    archive = tmp_path / "export.zip"
    archive.write_bytes(content)

    with pytest.raises(ImportRefused, match=reason):
        await bring("chatgpt", archive)


async def test_a_zip_of_something_else_says_what_is_in_it(bring: Bring, tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("sea.jpg", b"x")

    with pytest.raises(ImportRefused, match=r"no conversations\.json in .*; it has: sea\.jpg"):
        await bring("chatgpt", archive)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="No such file"):
        Source(str(tmp_path / "nowhere"), Report())
