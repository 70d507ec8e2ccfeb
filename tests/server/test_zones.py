"""A person's days: what a model reads and asks for, in every zone and over every transport."""

from pathlib import Path

import pytest
from tests.acceptance.processes import Answer, Server
from tests.server.connecting import LEGACY, MODERN, connecting, read, tell

# Half an hour before and after the midnight with which a month begins there, in UTC.
PLACES = {
    "UTC": ("2026-11-30T23:30:00Z", "2026-12-01T00:30:00Z"),
    "America/Los_Angeles": ("2026-12-01T07:30:00Z", "2026-12-01T08:30:00Z"),
    "Asia/Kolkata": ("2026-11-30T18:00:00Z", "2026-11-30T19:00:00Z"),
    "Pacific/Kiritimati": ("2026-11-30T09:30:00Z", "2026-11-30T10:30:00Z"),
    "<+0545>-5:45": ("2026-11-30T17:45:00Z", "2026-11-30T18:45:00Z"),  # a rule, not a name
}


def text(answer: Answer) -> str:
    """What a model reads of an answer."""
    return answer["content"][0]["text"]


every_transport = pytest.mark.parametrize("transport", ["memory", "stdio", "daemon", "http"])


@every_transport
@pytest.mark.parametrize("place", PLACES)
async def test_a_day_is_the_persons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, transport: str
) -> None:
    monkeypatch.setenv("TZ", place)
    evening, night = PLACES[place]
    with connecting(transport, MODERN, tmp_path) as connect:
        async with connect("ada") as client:
            for at, said in ((evening, "Good night, harbour."), (night, "The harbour sleeps.")):
                more = {"role": "user", "content": said, "created_at": at, "conversation": "c"}
                await tell(client, "conversation_append", **more)
            day = {"start_date": "2026-11-30", "end_date": "2026-11-30"}
            found = await tell(client, "conversation_search", query="harbour", **day)
            hours = {"start_date": "2026-12-01T00:15", "end_date": "2026-12-01T00:45"}
            later = await tell(client, "conversation_search", query="harbour", **hours)
            context = await read(client, "memory://context")

    name = {"<+0545>-5:45": "UTC+05:45"}.get(place, place)
    assert "- 2026-11-30 23:30 (" in found
    assert "Good night" in found
    assert "1 of 1 message" in found
    assert "- 2026-12-01 00:30 (" in later
    assert "1 of 1 message" in later
    assert ("times are those of" in found) == (place != "UTC")
    assert f" {name}\n" in context.partition("Compiled at: ")[2]
    assert "[2026-11-30 23:30] user: Good night" in context
    assert "(2026-11-30 to 2026-12-01): conversation_search" in context


@every_transport
@pytest.mark.parametrize("place", PLACES)
async def test_what_is_dated_with_a_day_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, transport: str
) -> None:
    monkeypatch.setenv("TZ", place)
    with connecting(transport, LEGACY, tmp_path) as connect:
        async with connect("ada") as client:
            birthday = {"content": "Ana was born in Porto.", "occurred_at": "2026-11-28"}
            await tell(client, "archival_insert", **birthday)
            again = await tell(client, "archival_insert", **birthday)
            found = {
                day: await tell(
                    client, "archival_search", query="Porto", start_date=day, end_date=day
                )
                for day in ("2026-11-27", "2026-11-28", "2026-11-29")
            }

    assert "was there already" in again
    assert "- 2026-11-28 (" in found["2026-11-28"]
    assert "Nothing found" in found["2026-11-27"]
    assert "Nothing found" in found["2026-11-29"]


@pytest.mark.parametrize(
    ("place", "local"),
    [("America/New_York", "2026-11-28T19:00"), ("Asia/Kolkata", "2026-11-28T05:30")],
)
async def test_a_time_that_is_midnight_elsewhere_stays_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, local: str
) -> None:
    monkeypatch.setenv("TZ", place)
    with connecting("memory", MODERN, tmp_path) as connect:
        async with connect("ada") as client:
            more = {"content": "Dinner with Ana.", "occurred_at": local}
            await tell(client, "archival_insert", **more)
            day = {"start_date": "2026-11-28", "end_date": "2026-11-28"}
            found = await tell(client, "archival_search", query="dinner", **day)

    assert f"- {local.replace('T', ' ')} (" in found


def test_sessions_of_one_daemon_have_each_their_own_zone(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    with (
        Server(database, daemon=True, more={"TZ": "Asia/Kolkata"}) as kolkata,
        Server(database, daemon=True, more={"MEMORY_MCP_TIMEZONE": "America/Lima"}) as lima,
    ):
        kolkata.greet()
        lima.greet()
        kolkata.call("archival_insert", content="Tea at six.", occurred_at="2026-11-28T18:00")
        found = [text(each.call("archival_search", query="tea")) for each in (kolkata, lima)]

    assert "2026-11-28 18:00" in found[0]
    assert "2026-11-28 07:30" in found[1]
    assert "America/Lima" in found[1]


def test_the_setting_goes_before_the_machines_zone(tmp_path: Path) -> None:
    more = {"TZ": "Asia/Kolkata", "MEMORY_MCP_TIMEZONE": "europe/lisbon"}
    with Server(tmp_path / "memory.db", more=more) as server:
        server.greet()
        server.call("archival_insert", content="Tea.", occurred_at="2026-07-28T01:00")
        hours = {"start_date": "2026-07-28T00:00:00Z", "end_date": "2026-07-28T01:00:00+01:00"}
        found = text(server.call("archival_search", query="tea", **hours))
    assert "2026-07-28 01:00" in found
    assert "Europe/Lisbon" in found
