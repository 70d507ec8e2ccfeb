"""JSON values one by one: lines, lists, objects over several lines, one after another."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.errors import ImportRefused
from memory_mcp.transfer import json_stream
from memory_mcp.transfer.json_stream import JsonStream, Value
from memory_mcp.transfer.report import Report
from memory_mcp.transfer.source import items_of, objects_by_line

ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS: Any = st.dictionaries(st.text(), ANYTHING, max_size=3)
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=4)
INDENTS = st.sampled_from([None, 1, "\t"])


class Trickle(io.BytesIO):
    """A file that gives a few bytes at a time, as a slow disk or a zip may."""

    def __init__(self, told: bytes, sizes: list[int]) -> None:
        super().__init__(told)
        self._sizes = sizes
        self._turn = 0

    def read(self, size: int | None = -1) -> bytes:
        self._turn += 1
        return super().read(self._sizes[self._turn % len(self._sizes)])


def values(told: bytes, sizes: list[int] | None = None) -> list[Value]:
    """Every value of a file."""
    return list(JsonStream(Trickle(told, sizes) if sizes else io.BytesIO(told)).values())


def told_by(told: bytes, sizes: list[int] | None = None) -> list[Any]:
    """What the values of a file are; none may be wrong."""
    found = values(told, sizes)
    assert [value.wrong for value in found if value.wrong] == []
    return [value.told for value in found]


def encoded(told: Any, escaped: bool, indent: Any) -> bytes:
    """JSON as one program or another writes it."""
    text = json.dumps(told, ensure_ascii=escaped, indent=indent)
    return text.encode("utf-8", "surrogatepass" if escaped else "replace")


@given(st.lists(ANYTHING, max_size=6), SIZES, st.booleans(), INDENTS)
def test_the_items_of_a_list_are_those_that_reading_it_whole_gives(
    items: list[Any], sizes: list[int], escaped: bool, indent: Any
) -> None:
    told = encoded(items, escaped, indent)
    assert told_by(told, sizes) == json.loads(told)


@given(st.lists(OBJECTS, max_size=5), SIZES, st.booleans(), INDENTS)
def test_objects_one_after_another_come_each_with_its_line(
    items: list[Any], sizes: list[int], escaped: bool, indent: Any
) -> None:
    parts = [encoded(item, escaped, indent) for item in items]
    starts = [1 + sum(part.count(b"\n") + 1 for part in parts[:n]) for n in range(len(parts))]

    found = values(b"\n".join(parts), sizes)

    assert [value.told for value in found] == [json.loads(part) for part in parts]
    assert [value.line for value in found] == starts


@given(st.lists(ANYTHING, min_size=1, max_size=4), SIZES, st.data())
def test_a_list_that_is_cut_off_gives_whole_items_and_then_says_so(
    items: list[Any], sizes: list[int], data: st.DataObject
) -> None:
    whole = json.dumps(items).encode()
    cut = data.draw(st.integers(1, len(whole) - 1))

    *read, last = values(whole[:cut], sizes)

    assert last.wrong is not None
    # A number that was cut is a shorter number; nobody exports a bare list of those.
    assert [value.told for value in read][:-1] == items[: len(read[:-1])]


@pytest.mark.parametrize(
    "told",
    [
        b'{"a": 1}\n{"a": 2}\n{"a": 3}',
        b'{"a": 1} {"a": 2}{"a": 3}',
        b'[{"a": 1}, {"a": 2}]\n[{"a": 3}]',
        b'[{"a": 1}]{"a": 2}\n[]\n[{"a": 3}]\n',
        b'{"a": 1},\n{"a": 2},\n{"a": 3},\n',
        b'{\n  "a": 1\n}\n{\n  "a": 2\n}\n[\n  {\n    "a": 3\n  }\n]\n',
        b'\xef\xbb\xbf{"a": 1}\r\n\xef\xbb\xbf{"a": 2}\r\n{"a": 3}\r\n',
        '[{"a": 1}, {"a": 2}, {"a": 3}]'.encode("utf-16"),
    ],
    ids=["lines", "one-line", "lists", "mixed", "commas", "indented", "windows", "utf-16"],
)
def test_the_same_values_come_however_they_are_put_together(told: bytes) -> None:
    assert told_by(told) == [{"a": 1}, {"a": 2}, {"a": 3}]


@pytest.mark.parametrize(
    ("told", "place", "reason"),
    [
        (b'{"a": nil}\n{"b": 2}', "line 1", "the line is not JSON (Expecting value"),
        (b'{"a": "cut o\n{"b": 2}', "line 1", "the line is not JSON (Invalid control char"),
        (b'{"a": [\n{"b": 2}', "line 1", "the line is not JSON (it is cut off"),
        (b'{"a": 1,\n  oh\n}\n\n{"b": 2}', "line 1", "the line is not JSON (Expecting property"),
        (b'{"b": 2}\n{"a": 1', "line 2", "the line is not JSON (it is cut off in the middle)"),
        (b'{"b": 2}\n<html>', "line 2", "the line is not JSON (Expecting value)"),
        (b'{"b": 2}\n"words"\n', "line 2", "the line is not a JSON object"),
        (b'{"a": "caf\xe9"}\n{"b": 2}', "line 1", "the line is not UTF-8"),
        (b'\0\0\0\n{"b": 2}', "line 1", "the line is not JSON"),
        (b"[" * 100_000 + b'\n{"b": 2}', "line 1, item 1", "it is not JSON (it is nested too"),
        (b'[{"a" 1}]\n[{"b": 2}]', "line 1, item 1", "it is not JSON (Expecting ':'"),
        (b'[{"b": 2}', "line 1, item 1", "it is not JSON (it is cut off in the middle)"),
        (b'[{"b": 2} {"c": 3}]', "line 1, item 1", "it is not JSON (it is followed by neither"),
        (b'[\n{"a": nil},\n{"b": 2}\n]\n', "line 2, item 1", "it is not JSON (Expecting value"),
        (b'{"a": ' + b"1" * 5000 + b'}\n{"b": 2}', "line 1", "the line is not JSON (Exceeds"),
    ],
)
@pytest.mark.parametrize("sizes", [None, [7]])
def test_what_is_broken_is_told_with_its_place_and_the_rest_comes(
    told: bytes, place: str, reason: str, sizes: list[int] | None
) -> None:
    found = values(told, sizes)

    assert [value.told for value in found if not value.wrong] == [{"b": 2}]
    (wrong,) = [value for value in found if value.wrong]
    assert wrong.place == place
    assert (wrong.wrong or "").startswith(reason)


@pytest.mark.parametrize(
    ("told", "reason"), [(b" \n", "is empty"), (b"hello", "begins with neither")]
)
def test_a_file_that_is_no_json_from_its_beginning_is_refused(told: bytes, reason: str) -> None:
    with pytest.raises(ImportRefused, match=rf"list\.json {reason}"):
        list(items_of(io.BytesIO(told), Report(), "list.json"))


def test_values_that_are_no_objects_are_named() -> None:
    report = Report()

    items = list(items_of(io.BytesIO(b'[{"a": 1}, 5, "x", null, []]'), report, "list.json"))
    lines = list(objects_by_line(io.BytesIO(b'{"a": 1}\n5\n[6]'), report, "lines"))

    assert (items, lines) == ([(1, {"a": 1})], [(1, "lines, line 1", {"a": 1})])
    assert [place for place, _ in report.bad_places] == [
        "list.json, line 1, item 2", "list.json, line 1, item 3", "list.json, line 1, item 4",
        "list.json, line 1, item 5", "lines, line 2", "lines, line 3, item 1",
    ]  # fmt: skip


@pytest.mark.parametrize("wrap", [b"[%s]", b"%s"])
def test_an_item_that_is_too_long_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, wrap: bytes
) -> None:
    monkeypatch.setattr(json_stream, "ITEM_BYTES_MAX", 1_000)
    monkeypatch.setattr(json_stream, "CHUNK", 64)
    long = json.dumps({"a": ['\\"]}[', "x" * 5_000], "b": {"c": "}"}}).encode()

    found = values(wrap % b'{"a": 1},\n%s,\n{"b": 2}' % long)

    assert [value.told for value in found] == [{"a": 1}, None, {"b": 2}]
    assert [value.line for value in found if value.wrong] == [2]
