"""Clients that open a connection for each call: the next one resumes what one has left."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp_types import Implementation
from tests.acceptance.processes import run
from tests.server.connecting import (
    LEGACY,
    MODERN,
    WAIT_SECONDS,
    Connect,
    connecting,
    read,
    said,
    stdio_parameters,
    tell,
)
from tests.server.test_tool_rules import refused, set_rules

ELSEWHERE = "Core memory was changed elsewhere since you last saw it."


@pytest.fixture(
    params=[
        (transport, era) for transport in ("stdio", "daemon", "http") for era in (MODERN, LEGACY)
    ],
    ids="-".join,
)
def visit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    """Opens connections of one program to one new store."""
    transport, era = request.param
    with connecting(transport, era, tmp_path) as connect:
        yield replace(connect, alike=True)


@pytest.fixture
def passing(tmp_path: Path) -> Connect:
    """The same where it makes no difference how."""
    return Connect("stdio", LEGACY, tmp_path / "memory.db")


def begin_with(database: Path, rule: str) -> None:
    """Make the agent, with this tool rule."""
    run("--database", database, "stats", folder=database.parent)
    set_rules(database, rule)


async def once(visit: Connect, tool: str, agent: str | None = None, **arguments: object) -> str:
    """One call on a connection of its own."""
    async with visit(agent) as client:
        return await tell(client, tool, **arguments)


async def test_an_init_rule_locks_nobody_out_who_opens_a_connection_for_each_call(
    visit: Connect,
) -> None:
    with anyio.fail_after(2 * WAIT_SECONDS):
        await anyio.to_thread.run_sync(begin_with, visit.database, "init:archival_search")
        async with visit() as client:
            assert "must be called first" in await refused(
                client, "core_memory_append", label="human", content="Too soon."
            )
        await once(visit, "archival_search", query="anything")
        await once(visit, "core_memory_append", label="human", content="Now.")
        assert "Now." in await once(visit, "core_memory_append", label="human", content="Again.")


async def test_messages_recorded_call_by_call_are_one_conversation(visit: Connect) -> None:
    with anyio.fail_after(2 * WAIT_SECONDS):
        for role, content in (("user", "Is the table slow?"), ("assistant", "Yes, the tiles.")):
            await once(visit, "conversation_append", role=role, content=content)
        async with visit() as client:
            (listed,) = json.loads(await read(client, "memory://conversations"))
            found = await tell(client, "conversation_search", query="table slow", limit=1)
    assert listed["messages"] == 2
    assert "(after, assistant: Yes, the tiles.)" in found


async def test_what_another_agent_changed_between_two_calls_is_told_once(visit: Connect) -> None:
    with anyio.fail_after(2 * WAIT_SECONDS):
        await once(visit, "archival_insert", content="Now the agent is there.")
        await once(visit, "core_memory_append", "another", label="human", content="News.")
        told = await once(visit, "archival_search", query="anything")
        again = await once(visit, "archival_search", query="anything")
    assert told.endswith(f"{ELSEWHERE}\n<human> is at version 2:\n + News.")
    assert ELSEWHERE not in again


async def test_two_that_are_open_at_once_stay_apart(passing: Connect) -> None:
    with anyio.fail_after(2 * WAIT_SECONDS):
        await once(passing, "conversation_append", role="user", content="Before.")
        async with passing() as one, passing() as other:
            for client in (one, other):
                await tell(client, "conversation_append", role="user", content="Meanwhile.")
            await tell(one, "core_memory_append", label="human", content="By one.")
            told = await tell(other, "archival_search", query="anything")
            conversations = json.loads(await read(one, "memory://conversations"))
    assert sorted(each["messages"] for each in conversations) == [1, 2]
    assert told.endswith("+ By one.")


async def test_what_two_at_once_have_left_is_resumed_as_one(passing: Connect) -> None:
    with anyio.fail_after(2 * WAIT_SECONDS):
        rule = "max_count_per_step:archival_search=2"
        await anyio.to_thread.run_sync(begin_with, passing.database, rule)
        async with passing() as one, passing() as other:
            for client in (one, other):
                await tell(client, "archival_search", query="anything")
        async with passing() as third:
            text = await refused(third, "archival_search", query="anything")
    assert "may be called 2 times in this connection" in text


async def test_a_session_of_several_calls_is_nobody_elses(passing: Connect) -> None:
    with anyio.fail_after(2 * WAIT_SECONDS):
        async with passing() as session:
            for content in ("One.", "Two."):
                await tell(session, "conversation_append", role="user", content=content)
        async with passing() as next_session:
            await tell(next_session, "conversation_append", role="user", content="Three.")
            conversations = json.loads(await read(next_session, "memory://conversations"))
    assert sorted(each["messages"] for each in conversations) == [1, 2]


async def test_another_program_resumes_nothing(passing: Connect) -> None:
    with anyio.fail_after(2 * WAIT_SECONDS):
        await once(passing, "conversation_append", role="user", content="Mine.")
        server = stdio_parameters(passing.database, transport="stdio")
        another = Implementation(name="another", version="1")
        async with Client(server, client_info=another, mode="legacy") as client:
            result = await client.call_tool(
                "conversation_append", {"role": "user", "content": "Mine too."}
            )
            assert not result.is_error, said(result)
            conversations = json.loads(await read(client, "memory://conversations"))
    assert [each["messages"] for each in conversations] == [1, 1]
