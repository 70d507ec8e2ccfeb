"""The database of a Letta server: the same comes in as from the server itself."""

import builtins
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.transfer.conftest import DATA, bring_into
from tests.transfer.letta_server import Letta, serving
from tests.transfer.test_agent_file import held

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.errors import ImportRefused
from memory_mcp.services import Services
from memory_mcp.testing import open_memory
from memory_mcp.transfer.formats import FORMATS, items_of, source_of
from memory_mcp.transfer.importing import import_items
from memory_mcp.transfer.report import Report

needs_postgres = pytest.mark.postgres
RECORDED = DATA / "letta-0.16.8-postgres.json"
ADDRESS = os.environ.get("MEMORY_MCP_TEST_POSTGRES", "")


@dataclass
class LettaDatabase:
    """A real server's tables, in a schema of their own."""

    connection: Any
    url: str

    def run(self, query: str, *values: Any) -> None:
        """Change something in it."""
        self.connection.execute(query, values)


@pytest.fixture
def database() -> Iterator[LettaDatabase]:
    """The tables of the server that `letta_server` tells, with the same agents."""
    psycopg = pytest.importorskip("psycopg")
    schema = f"letta_{uuid4().hex}"
    told = json.loads(RECORDED.read_text("utf-8"))
    with psycopg.connect(ADDRESS, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"SET search_path TO {schema}")
        try:
            for statement in told["schema"]:
                connection.execute(statement)
            for table, rows in told["rows"].items():
                connection.execute(
                    f'INSERT INTO "{table}" SELECT * FROM '
                    f'json_populate_recordset(NULL::"{table}", %s)',
                    (json.dumps([{"is_deleted": False, **row} for row in rows]),),
                )
            sign = "&" if "?" in ADDRESS else "?"
            options = f"{sign}options=-csearch_path%3D{schema}"
            yield LettaDatabase(connection, ADDRESS + options)
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


async def bring(services: Services, address: str, kind: str = "letta-postgres") -> Report:
    """Import from an address, and tell the closing report."""
    report = Report()
    items = items_of(kind, source_of(kind, address, report), report)
    await import_items(items, services, AgentChoice(), report, host=FORMATS[kind].host)
    return report


def in_order(agent: tuple[Any, ...]) -> list[Any]:
    """An agent as it is held, without the order of its tags: a database keeps none."""
    return [sorted(part) if number == 3 else part for number, part in enumerate(agent)]


@needs_postgres
async def test_a_database_tells_what_its_server_told(
    database: LettaDatabase, services: Services, tmp_path: Path
) -> None:
    report = await bring(services, database.url)

    with serving(Letta()) as letta:
        async with open_memory(tmp_path / "other.db") as other:
            await bring(other, letta.url, "letta")
            there, here = await held(other), await held(services)
            assert list(map(in_order, here["agents"])) == list(map(in_order, there["agents"]))
            assert [(agent, at[:19], who, text) for agent, at, who, text in here["messages"]] == [
                (agent, at[:19], who, text) for agent, at, who, text in there["messages"]
            ]
            assert here["passages"] == there["passages"]
            assert sorted(value for _, value, *_ in here["blocks"]) == sorted(
                value for _, value, *_ in there["blocks"]
            )
        again = await bring(services, letta.url, "letta")
    file = await bring_into(services, "af", DATA / "letta-0.16.8.af")

    assert report.is_whole
    assert report.nouns["message"] == 21
    assert again.stored == file.stored == 0


@needs_postgres
async def test_the_same_database_again_brings_nothing_new(
    database: LettaDatabase, services: Services
) -> None:
    first = await bring(services, database.url)

    again = await bring(services, database.url)

    assert (again.stored, again.known) == (0, first.stored)


@needs_postgres
async def test_a_tools_answer_that_the_server_cannot_tell_is_read(
    database: LettaDatabase, services: Services
) -> None:
    database.run(
        "UPDATE messages SET role = 'tool', name = 'look', tool_call_id = 'c', "
        'content = \'[{"type": "text", "text": "no JSON at all"}]\' '
        "WHERE content::text LIKE '%%37a178%%'"
    )

    await bring(services, database.url)

    said = [text for agent, *_, text in (await held(services))["messages"] if agent == "Okapi"]
    assert "look()\n→ no JSON at all" in said


@needs_postgres
async def test_what_was_deleted_there_is_counted_and_left_out(
    database: LettaDatabase, services: Services
) -> None:
    database.run("UPDATE messages SET is_deleted = true WHERE content::text LIKE '%%37a178%%'")
    database.run("UPDATE archival_passages SET is_deleted = true WHERE text LIKE '%%772%%'")
    database.run("UPDATE agents SET is_deleted = true WHERE name = 'Sleepy'")

    report = await bring(services, database.url)

    told = await held(services)
    assert not any("37a178" in text for *_, text in told["messages"])
    assert not any("772" in text for _, text, _ in told["passages"])
    assert "Sleepy" not in [name for name, *_ in told["agents"]]
    assert report.left_out["messages that were deleted there"] == 1
    assert report.left_out["passages that were deleted there"] == 1
    assert report.left_out["agents that were deleted there"] == 1
    assert report.left_out["messages of agents that were deleted there"] > 0


@needs_postgres
async def test_passages_of_no_agent_and_other_organizations_are_named(
    database: LettaDatabase, services: Services
) -> None:
    database.run("DELETE FROM archives_agents")
    database.run("UPDATE agents SET organization_id = 'org-2' WHERE name = 'Okapi'")
    database.run(
        "INSERT INTO organizations (id, name, privileged_tools, is_deleted) "
        "VALUES ('org-2', 'Zoo', false, false)"
    )

    report = await bring(services, database.url)

    assert report.left_out["passages of archives that no agent has"] == 4
    assert report.left_out["organization 'Zoo', whose agents came (1)"] == 1
    assert report.nouns["agent"] == 5


@needs_postgres
async def test_older_tables_are_read_too(database: LettaDatabase, services: Services) -> None:
    for change in (
        "ALTER TABLE messages DROP COLUMN sequence_id, DROP COLUMN conversation_id, "
        "DROP COLUMN approvals, DROP COLUMN tool_returns",
        "ALTER TABLE archival_passages RENAME TO agent_passages",
        "ALTER TABLE agent_passages ADD COLUMN agent_id varchar, DROP COLUMN tags",
        "UPDATE agent_passages SET agent_id = "
        "(SELECT agent_id FROM archives_agents a WHERE a.archive_id = agent_passages.archive_id)",
        "ALTER TABLE agent_passages DROP COLUMN archive_id",
        "DROP TABLE archives_agents, archives, conversations, identities, blocks_tags",
        # As long ago, before a message had parts:
        "UPDATE messages SET text = content -> 0 ->> 'text', content = NULL WHERE role = 'user'",
        "ALTER TABLE messages ALTER COLUMN created_at TYPE timestamp USING created_at AT TIME ZONE 'UTC'",  # noqa: E501 - as it is written
    ):
        database.run(change)

    report = await bring(services, database.url)

    told = await held(services)
    assert report.nouns["message"] == 21
    assert len(told["passages"]) == 4
    assert told["messages"][0][1] == "2026-11-28T13:06:57.640Z"


@needs_postgres
async def test_nothing_is_written_there(database: LettaDatabase, services: Services) -> None:
    psycopg = pytest.importorskip("psycopg")
    told: list[str] = []
    original = psycopg.Connection.execute

    def execute(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        told.append(
            original(self, "SHOW transaction_read_only").fetchone()["transaction_read_only"]
        )
        return original(self, query, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", execute)
        await bring(services, database.url)

    assert set(told) == {"on"}


@needs_postgres
async def test_another_programs_database_is_refused(
    database: LettaDatabase, services: Services
) -> None:
    database.run("DROP TABLE blocks_agents")

    with pytest.raises(ImportRefused, match="is not the database of a Letta server"):
        await bring(services, database.url)


@needs_postgres
async def test_an_empty_database_is_said_to_hold_no_agent(
    database: LettaDatabase, services: Services
) -> None:
    database.run("DELETE FROM agents")

    with pytest.raises(ImportRefused, match="holds no agent"):
        await bring(services, database.url)


@pytest.mark.parametrize(
    "address",
    ["postgresql://letta:s3cret@127.0.0.1:1/letta", "postgresql+asyncpg://a:s3cret@127.0.0.1:1/x"],
)
async def test_a_database_that_is_not_there_is_told_without_its_password(
    services: Services, address: str
) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(ImportRefused, match="cannot be opened") as refused:
        await bring(services, address)
    assert "s3cret" not in str(refused.value)


async def test_an_address_that_cannot_be_meant_is_told_without_its_password(
    services: Services,
) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(ImportRefused) as refused:
        await bring(services, "postgresql://a:s3cret@127.0.0.1/x?no_such_word=1")
    assert "s3cret" not in str(refused.value)


async def test_without_the_package_it_is_said_what_to_install(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "psycopg":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportRefused, match=r"pip install 'memory-mcp\[postgres\]'"):
        await bring(services, "postgresql://letta@127.0.0.1/letta")
