"""Importing JSON lines: every good line once, every bad one named."""

import io
import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.transfer.conftest import Bring

from memory_mcp.domain.ids import AgentId
from memory_mcp.services import Services
from memory_mcp.transfer.importing import BATCH_ROWS
from memory_mcp.transfer.json_stream import ITEM_BYTES_MAX
from memory_mcp.transfer.report import BAD_TOLD, Report

MESSAGES, PASSAGES = "jsonl", "passages"
Import = Callable[[Iterable[bytes], str], Awaitable[Report]]


def message(content: str = "hello", **told: Any) -> dict[str, Any]:
    usual = {"role": "user", "created_at": "2023-05-08T13:56:00Z", "conversation": "session-1"}
    return {"content": content, **usual, **told}


def line(told: Any) -> bytes:
    return json.dumps(told).encode() + b"\n"


async def contents(services: Services, agent_id: AgentId) -> list[str]:
    """What recall holds, in the order it came."""
    told: list[str] = []
    for conversation in await services.recall.conversations(agent_id):
        _, messages = await services.recall.conversation(agent_id, conversation.id)
        told += [one.content for one in messages]
    return told


async def test_a_message_is_stored_with_all_that_its_line_tells(
    run_import: Import, services: Services, agent_id: AgentId
) -> None:
    told = message("Hi, Mel!", name="Caroline", external_id="D1:1", metadata={"mood": "good"})

    report = await run_import([line(told)], MESSAGES)

    (hit,) = (await services.recall.search(agent_id, None)).hits
    assert (report.lines, report.stored, report.known, report.bad) == (1, 1, 0, 0)
    assert (hit.message.content, hit.message.name, hit.message.role) == (
        "Hi, Mel!",
        "Caroline",
        "user",
    )
    assert (hit.message.conversation, hit.message.external_id) == ("session-1", "D1:1")
    assert hit.message.created_at == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)


async def test_a_passage_is_stored_with_all_that_its_line_tells(
    run_import: Import, services: Services, agent_id: AgentId
) -> None:
    told = {"content": "likes tea", "tags": ["food", " drink "], "occurred_at": "2023-05-08"}

    report = await run_import([line({**told, "external_id": "note-1"})], PASSAGES)

    (hit,) = (await services.archival.search(agent_id, "tea")).hits
    assert (report.stored, report.bad) == (1, 0)
    assert set(hit.passage.tags) == {"food", "drink"}
    assert hit.passage.occurred_at == datetime(2023, 5, 8, tzinfo=UTC)
    assert (hit.passage.external_id, hit.passage.origin) == ("note-1", "import")


BAD_MESSAGES = {
    "no-json": (b"hello\n", "the line is not JSON"),
    "cut-off": (line(message())[:40] + b"\n", "the line is not JSON"),
    "array": (b"[1]\n", "it is not a JSON object"),
    "text": (b'"hello"\n', "the line is not a JSON object"),
    "null": (b"null\n", "the line is not a JSON object"),
    "not-utf-8": (b'{"content": "caf\xe9"}\n', "the line is not UTF-8"),
    "utf-16": (json.dumps(message()).encode("utf-16-le") + b"\n", "the line is not"),
    "too-deep": (b'{"metadata": ' + b"[" * 100_000 + b"\n", "the line is not JSON"),
    "too-large-a-number": (b'{"metadata": ' + b"9" * 10_000 + b"}\n", "the line is not JSON"),
    "too-long": (b'{"a": "' + b"a" * ITEM_BYTES_MAX + b'"}\n', "it is longer than 32 MiB"),
    "no-role": (line({**message(), "role": None}), "role is missing"),
    "no-content": (line({"role": "user"}), "content is missing"),
    "no-date": (line({**message(), "created_at": None}), "created_at is missing"),
    "no-conversation": (line({**message(), "conversation": None}), "conversation is missing"),
    "wrong-type": (line({**message(), "content": {"text": "hello"}}), "content must be text"),
    "number-as-date": (line(message(created_at=1_683_554_160)), "created_at must be text"),
    "number-as-id": (line(message(external_id=7)), "external_id must be text"),
    "metadata-no-object": (line(message(metadata=[1])), "metadata must be an object"),
    "unknown-role": (line(message(role="human")), "role 'human' is none"),
    "bad-date": (line(message(created_at="yesterday")), "created_at 'yesterday' is not a date"),
    "blank": (line(message(" ")), "content is empty"),
    "surrogate": (line(message("\ud83d")), "content holds an unpaired surrogate"),
    "nul": (line(message("a\0b")), "content holds a NUL"),
    "endless": (line(message("x" * 1_000_001)), "content has 1,000,001 characters"),
    "surrogate-in-id": (line(message(external_id="\udc00")), "external_id holds an unpaired"),
}


@pytest.mark.parametrize(("bad", "reason"), BAD_MESSAGES.values(), ids=BAD_MESSAGES)
async def test_a_bad_line_is_told_with_its_number_and_the_rest_goes_on(
    run_import: Import, services: Services, agent_id: AgentId, bad: bytes, reason: str
) -> None:
    lines = [line(message("before")), b"\n", bad, line(message("after"))]

    report = await run_import(lines, MESSAGES)

    assert await contents(services, agent_id) == ["before", "after"]
    assert (report.lines, report.stored, report.bad) == (4, 2, 1)
    ((place, told),) = report.bad_places
    assert place.removesuffix(", item 1") == "line 3"
    assert told.startswith(reason)
    assert len(told) < 300


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"tags": ["food"]}, "content is missing"),
        ({"content": "a", "tags": "food"}, "tags must be a list of texts"),
        ({"content": "a", "tags": [1]}, "tags must be a list of texts"),
        ({"content": "a", "tags": {"food": 1}}, "tags must be a list of texts"),
        ({"content": "a", "tags": [" "]}, "tags: each tag is empty"),
        ({"content": "a", "occurred_at": "soon"}, "occurred_at 'soon' is not a date"),
        ({"content": "a", "occurred_at": 2023}, "occurred_at must be text"),
        ({"content": "x" * 100_001}, "content has 100,001 characters"),
    ],
    ids=["no-content", "text", "number", "object", "blank-tag", "date", "year", "endless"],
)
async def test_a_bad_passage_is_told_with_its_number_and_the_rest_goes_on(
    run_import: Import, services: Services, agent_id: AgentId, bad: Any, reason: str
) -> None:
    lines = [line({"content": "before"}), line(bad), line({"content": "after"})]

    report = await run_import(lines, PASSAGES)

    assert (report.stored, report.bad) == (2, 1)
    assert report.bad_places[0][0] == "line 2"
    assert report.bad_places[0][1].startswith(reason)


@pytest.mark.parametrize("depth", [100, 300, 450, 600, 900, 960, 990])
async def test_metadata_is_taken_or_refused_however_deep_it_goes(
    run_import: Import, services: Services, agent_id: AgentId, depth: int
) -> None:
    deep = line(message("deep")).replace(
        b"{", b'{"metadata": {"a": ' + b"[" * depth + b"]" * depth + b"}, ", 1
    )

    report = await run_import([deep, line(message("after"))], MESSAGES)

    assert report.stored + report.bad == 2
    assert "after" in await contents(services, agent_id)


@pytest.mark.parametrize("kind", ["messages", "passages"])
async def test_a_file_imported_again_stores_nothing(run_import: Import, kind: str) -> None:
    if kind == "messages":
        told = [message(f"line {n}", external_id=f"id-{n}" if n % 2 else None) for n in range(9)]
        lines, format_ = [line(one) for one in told], MESSAGES
    else:
        lines, format_ = [line({"content": f"line {n}"}) for n in range(9)], PASSAGES

    first = await run_import(lines, format_)
    again = await run_import(lines, format_)

    assert (first.stored, first.known) == (9, 0)
    assert (again.stored, again.known) == (0, 9)


async def test_an_import_that_was_cut_off_is_completed_by_the_next(
    bring: Bring, services: Services, agent_id: AgentId, tmp_path: Path
) -> None:
    told = [f"line {n}" for n in range(2 * BATCH_ROWS + 50)]
    file = tmp_path / "lines"
    file.write_bytes(b"".join(line(message(one)) for one in told))

    def cut_off(report: Report) -> None:
        raise RuntimeError(report.stored)

    with pytest.raises(RuntimeError, match=str(BATCH_ROWS)):
        await bring(MESSAGES, file, advance=cut_off)
    stored = await contents(services, agent_id)
    report = await bring(MESSAGES, file)

    assert stored == told[:BATCH_ROWS]
    assert (report.stored, report.known) == (BATCH_ROWS + 50, BATCH_ROWS)
    assert await contents(services, agent_id) == told


async def test_the_same_line_twice_in_a_file_is_two_messages_and_stays_two(
    run_import: Import, services: Services, agent_id: AgentId
) -> None:
    lines = [line(message("yes")), line(message("no")), line(message("yes"))]

    await run_import(lines, MESSAGES)
    await run_import(lines, MESSAGES)

    assert await contents(services, agent_id) == ["yes", "no", "yes"]


async def test_lines_that_tell_the_same_in_another_order_are_the_same_message(
    run_import: Import,
) -> None:
    told = message("hello")
    await run_import([line(told)], MESSAGES)

    report = await run_import([line(dict(reversed(told.items())))], MESSAGES)

    assert (report.stored, report.known) == (0, 1)


async def test_the_same_text_twice_is_one_passage_with_the_tags_of_both(
    run_import: Import, services: Services, agent_id: AgentId
) -> None:
    lines = [line({"content": "likes tea", "tags": [tag]}) for tag in ("food", "drink")]

    report = await run_import(lines, PASSAGES)

    (hit,) = (await services.archival.search(agent_id, "tea")).hits
    assert (report.stored, report.known) == (1, 1)
    assert set(hit.passage.tags) == {"food", "drink"}


async def test_fields_without_a_place_are_counted_and_the_line_is_stored(
    run_import: Import,
) -> None:
    lines = [line(message(mood="good")), line(message("b", mood="bad", img_url="…"))]

    report = await run_import(lines, MESSAGES)

    assert report.stored == 2
    assert report.unknown_fields == {"mood": 2, "img_url": 1}
    assert not report.is_whole


async def test_an_empty_field_without_a_place_is_nothing_lost(run_import: Import) -> None:
    report = await run_import([line(message(mood=None, links=[]))], MESSAGES)

    assert report.unknown_fields == {}
    assert report.is_whole


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        (b"%s%s", 2),
        (b"\n\n%s\n \t\r\n%s\n\n", 8),
        (b"%s\r%s", 2),  # the carriage return goes before the second line's feed
        (b"\xef\xbb\xbf%s%s", 2),
    ],
    ids=["plain", "blank-lines", "carriage-return", "byte-order-mark"],
)
async def test_blank_lines_and_byte_order_marks_are_no_bad_lines(
    run_import: Import, services: Services, agent_id: AgentId, file: bytes, lines: int
) -> None:
    told = file % (line(message("one")), line(message("two")))

    report = await run_import(io.BytesIO(told), MESSAGES)

    assert (report.lines, report.bytes, report.bad) == (lines, len(told), 0)
    assert await contents(services, agent_id) == ["one", "two"]


async def test_windows_line_ends_and_a_last_line_without_one_are_fine(
    run_import: Import, services: Services, agent_id: AgentId
) -> None:
    told = line(message("one")).strip() + b"\r\n" + line(message("two")).strip()

    report = await run_import(io.BytesIO(told), MESSAGES)

    assert (report.lines, report.bad) == (2, 0)
    assert await contents(services, agent_id) == ["one", "two"]


@pytest.mark.parametrize(
    "told",
    [
        json.dumps([message("one"), message("two")]).encode(),
        json.dumps([message("one"), message("two")], indent=2).encode(),
        b"\n".join(json.dumps(message(each), indent=2).encode() for each in ("one", "two")),
        json.dumps(message("one")).encode() + json.dumps(message("two")).encode(),
    ],
    ids=["list", "indented-list", "indented", "one-line"],
)
async def test_a_list_or_indented_objects_are_read_as_the_same_lines(
    run_import: Import, services: Services, agent_id: AgentId, told: bytes
) -> None:
    report = await run_import([told], MESSAGES)
    again = await run_import([line(message("one")), line(message("two"))], MESSAGES)

    assert await contents(services, agent_id) == ["one", "two"]
    assert (report.stored, again.known, report.bad) == (2, 2, 0)


async def test_text_may_be_escaped_or_not(
    run_import: Import, services: Services, agent_id: AgentId
) -> None:
    told = json.dumps(message("naïve 東京 🎉"), ensure_ascii=False).encode()

    await run_import([line(message("naïve 東京 🎉")), told], MESSAGES)

    assert await contents(services, agent_id) == ["naïve 東京 🎉"] * 2


async def test_an_empty_file_is_reported_as_such(run_import: Import) -> None:
    report = await run_import([], MESSAGES)
    assert (report.lines, report.stored, report.bad) == (0, 0, 0)


async def test_only_the_first_bad_lines_are_told_but_all_are_counted(run_import: Import) -> None:
    report = await run_import([b"bad\n"] * (BAD_TOLD + 5), MESSAGES)

    assert report.bad == BAD_TOLD + 5
    told = [f"line {number}" for number in range(1, BAD_TOLD + 1)]
    assert [place for place, _ in report.bad_places] == told


async def test_lines_are_read_little_further_than_what_is_being_stored(
    bring: Bring, tmp_path: Path
) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"".join(line(message(f"line {n}")) for n in range(10 * BATCH_ROWS)))
    ahead: list[int] = []

    await bring(MESSAGES, file, advance=lambda r: ahead.append(r.read - r.stored))

    assert max(ahead) <= 4 * BATCH_ROWS


async def test_vectors_are_told_of_as_they_are_made(bring: Bring, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"".join(line(message(f"line {n}")) for n in range(450)))
    vectors: list[int] = []

    await bring(MESSAGES, file, advance=lambda r: vectors.append(r.vectors))

    assert sorted(set(vectors)) == [0, 200, 400, 450]
