"""What is looked for among the latest of something is found behind any number of others' rows."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.times import to_iso
from memory_mcp.services import Services
from memory_mcp.storage.sqlite import search
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.host_sessions import SqliteHostSessions
from memory_mcp.testing import ManualClock, open_memory


async def chosen(services: Services, name: str) -> AgentId:
    return (await services.agents.choose(AgentChoice(name=name))).id


async def test_a_hosts_likely_session_is_found_behind_any_number_of_others(
    database: Database, path: Path
) -> None:
    clock = ManualClock()
    async with open_memory(path, clock=clock) as services:
        agent = await chosen(services, "default")
        sessions = SqliteHostSessions(database, clock)
        for number in range(120):
            clock.advance(timedelta(seconds=1))
            name = f"session-{number}"
            await sessions.begin(agent, name, "codex", None, clock.now())
            await sessions.edit(agent, name, lambda now: replace(now, transcript="file"))

        assert await sessions.open_session(agent, "codex", "session-0") == "session-0"
        assert await sessions.open_session(agent, "codex", "session-x") is None
        assert await sessions.open_session(agent, "codex", None) is None
        for number in range(1, 120):
            await sessions.end(agent, f"session-{number}", clock.now())
        assert await sessions.open_session(agent, "codex", "session-x") == "session-0"


async def test_ids_and_unread_mail_are_found_and_counted_behind_any_number_of_others(
    path: Path,
) -> None:
    clock = ManualClock()
    async with open_memory(path, clock=clock) as services:
        ada, bob = await chosen(services, "ada"), await chosen(services, "bob")
        first = (await services.mail.send(bob, "The first.", to="ada")).sent[0].letter
        for number in range(150):
            await services.mail.send(bob, f"Number {number}.", to="ada")

        assert await services.mail.unread(ada) == 151
        assert len(await services.mail.inbox(ada)) == 100
        found = await services.mail.inbox(ada, 101, first.id)
        assert [letter.id for letter in found] == [first.id]

        with sqlite_module().connect(path) as connection:
            connection.executemany(
                "INSERT INTO conversations (id, agent_seq, external_id, started_at, last_at,"
                " messages) SELECT ?1, seq, ?1, ?2, ?2, 1 FROM agents WHERE name = 'ada'",
                [
                    (f"conversation-{place}x", to_iso(clock.advance(timedelta(seconds=1))))
                    for place in range(150)
                ],
            )
        connection.close()
        (conversation,) = await services.recall.conversations(ada, 101, "conversation-0x")
        assert conversation.id == "conversation-0x"


async def test_every_tag_can_be_completed(path: Path) -> None:
    async with open_memory(path) as services:
        ada = await chosen(services, "ada")
        notes = [NewPassage(content=f"Note {n}.", tags=(f"tag-{n}",)) for n in range(60)]
        await services.archival.file(ada, notes)

        assert sorted(await services.archival.tags(ada)) == sorted(f"tag-{n}" for n in range(60))


async def test_what_was_typed_is_found_behind_any_number_of_another_agents_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "HOLDERS_MAX", 20)
    monkeypatch.setattr(search, "LEG_ROWS", 5)
    async with open_memory(path, embedder=None) as services:
        ada, bob = await chosen(services, "ada"), await chosen(services, "bob")
        wanted = NewPassage(content="The order ZX-4471-B is for Ada; the rest is of no use.")
        near = [NewPassage(content=f"order zx 4471 b {n}") for n in range(30)]
        await services.archival.file(ada, [wanted, *near[:10]])
        await services.archival.file(bob, near)

        (hit, *_) = (await services.archival.search(ada, "ZX-4471-B", limit=3)).hits

        assert hit.passage.content == wanted.content
