"""Tool rules at the MCP surface: what a connection may call next, and what it is told."""

from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp_types import CallToolResult
from tests.acceptance.processes import Server, run
from tests.server.connecting import WAIT_SECONDS, Connect, read, said, tell


def set_rules(database: Path, *rules: str) -> None:
    """As a person does it, in a process of its own."""
    options = [word for rule in rules for word in ("--tool-rule", rule)]
    ended = run(
        "--database", database, "agents", "set", "default", *options, folder=database.parent
    )
    assert ended.returncode == 0, ended.stderr


async def refused(client: Client, tool: str, **arguments: str) -> str:
    """Call a tool that a rule must refuse; what a model reads."""
    result: CallToolResult = await client.call_tool(tool, arguments)
    assert result.is_error
    return said(result)


async def test_an_init_rule_makes_every_other_tool_wait_for_its_tool(connect: Connect) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        async with connect() as first:
            await read(first, "memory://stats")  # the agent is made
        await anyio.to_thread.run_sync(set_rules, connect.database, "init:archival_search")
        async with connect() as client:
            told = await refused(client, "core_memory_append", label="human", content="Too soon.")
            assert told == (
                "core_memory_append was not called. archival_search must be called first in this "
                "connection, and was not yet (rule init:archival_search). "
                "Valid now: archival_search."
            )
            await tell(client, "archival_search", query="anything")
            await tell(client, "core_memory_append", label="human", content="Now.")
        async with connect() as another:
            assert "must be called first" in await refused(
                another, "core_memory_append", label="human", content="Too soon again."
            )
            assert await read(another, "memory://blocks/human") == "Now."


async def test_rules_stand_in_view(connect_in_memory: Connect) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        async with connect_in_memory() as client:
            assert "<tool_usage_rules>" not in await read(client, "memory://context")
            await anyio.to_thread.run_sync(
                set_rules, connect_in_memory.database, "init:archival_search"
            )
            context = await read(client, "memory://context")
    assert "- Before any other tool, call archival_search.\n" in context


async def test_a_rule_set_meanwhile_holds_after_the_next_call_of_an_open_connection(
    connect_in_memory: Connect,
) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        async with connect_in_memory() as client:
            await tell(client, "core_memory_append", label="human", content="One.")
            rule = "max_count_per_step:core_memory_append=2"
            await anyio.to_thread.run_sync(set_rules, connect_in_memory.database, rule)
            await tell(client, "core_memory_append", label="human", content="Two.")
            told = await refused(client, "core_memory_append", label="human", content="Three.")
            assert "may be called 2 times in this connection" in told
            await anyio.to_thread.run_sync(set_rules, connect_in_memory.database, "none")
            await tell(client, "core_memory_append", label="human", content="Three.")


async def test_a_rule_about_a_tool_that_is_not_served_binds_nobody(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    run("--database", database, "stats", folder=tmp_path)
    set_rules(database, "init:conversation_append")
    with Server(database) as core, Server(database, "--tools", "capture") as capture:
        core.greet()
        capture.greet()
        assert not core.call("archival_search", query="x")["isError"]
        assert capture.call("archival_search", query="x")["isError"]


async def test_a_failed_call_is_no_call_for_a_rule(connect_in_memory: Connect) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        async with connect_in_memory() as first:
            await read(first, "memory://stats")
        await anyio.to_thread.run_sync(
            set_rules, connect_in_memory.database, "init:archival_search"
        )
        async with connect_in_memory() as client:
            result = await client.call_tool("archival_search", {"query": "x", "limit": 0})
            assert "limit 0 is out of range" in said(result)
            assert "must be called first" in await refused(
                client, "archival_insert", content="Too soon."
            )


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (["init"], "tool's name"),
        (["initial:archival_search"], "initial"),
        (["init:archival_serch"], "archival_serch"),
        (["max_count_per_step:archival_search=0"], "0"),
        (["child:archival_search>"], "archival_search"),
        (["init:archival_search", "none"], "none"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_and_none_is_set(
    tmp_path: Path, rules: list[str], told: str
) -> None:
    database = tmp_path / "memory.db"
    run("--database", database, "agents", "create", "default", folder=tmp_path)
    options = [word for rule in rules for word in ("--tool-rule", rule)]

    ended = run("--database", database, "agents", "set", "default", *options, folder=tmp_path)
    listed = run("--database", database, "agents", "--json", folder=tmp_path)

    assert ended.returncode == 1
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert '"tool_rules": []' in listed.stdout
