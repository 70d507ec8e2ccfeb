"""What a host is told about the tools; hosts cache it and models read it in every conversation."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from inline_snapshot import snapshot
from tests.acceptance.processes import Server, run, text_of
from tests.server.connecting import WAIT_SECONDS, Connect

from memory_mcp.config import load_settings
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.llm.tokens import Tokens

CAPTURE_ONLY = "conversation_append"


async def listed(connect: Connect) -> list[dict[str, Any]]:
    """The tools as they go over the wire."""
    with anyio.fail_after(WAIT_SECONDS):
        async with connect() as client:
            tools = (await client.list_tools()).tools
    return [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in tools]


async def test_the_tool_list_is_what_models_were_given_before(connect_in_memory: Connect) -> None:
    assert await listed(connect_in_memory) == snapshot(
        [
            {
                "name": "core_memory_append",
                "title": "Add to core memory",
                "description": """\
Add lines to a core memory block, which is in view in every conversation. Call it the moment
you learn something lasting about the user (human), yourself (persona) or the work (project):
one short fact a line, dated where it may change. Returns the block.\
""",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "label": {
                            "description": "human, persona, project or another block",
                            "type": "string",
                        },
                        "content": {"description": "New lines", "type": "string"},
                    },
                    "required": ["label", "content"],
                    "additionalProperties": False,
                },
                "annotations": {
                    "readOnlyHint": False,
                    "destructiveHint": False,
                    "idempotentHint": False,
                    "openWorldHint": False,
                },
                "_meta": {"anthropic/alwaysLoad": True},
            },
            {
                "name": "core_memory_replace",
                "title": "Edit core memory",
                "description": """\
Correct, shorten or delete text in a core memory block. Call it when a fact changed, rather
than adding a second, or when a block gets full. Returns the block.\
""",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "label": {
                            "description": "human, persona, project or another block",
                            "type": "string",
                        },
                        "new_content": {"description": "Empty deletes", "type": "string"},
                        "old_content": {
                            "type": "string",
                            "description": "Exact text, found once; left out: the whole block",
                        },
                    },
                    "required": ["label", "new_content"],
                    "additionalProperties": False,
                },
                "annotations": {
                    "readOnlyHint": False,
                    "destructiveHint": True,
                    "idempotentHint": False,
                    "openWorldHint": False,
                },
                "_meta": {"anthropic/alwaysLoad": True},
            },
            {
                "name": "conversation_search",
                "title": "Search conversations",
                "description": """\
Search what was said in all past conversations, by words and by meaning. Call it before you
say you don't remember, and when the user refers to something earlier. Returns dated messages
with their neighbours.\
""",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "query": {"type": "string", "description": "Left out: the latest messages"},
                        "roles": {
                            "items": {"type": "string"},
                            "type": "array",
                            "description": "user, assistant, tool, system",
                        },
                        "start_date": {"type": "string", "description": "ISO date, inclusive"},
                        "end_date": {"type": "string", "description": "ISO date, inclusive"},
                        "limit": {"default": 5, "description": "1 to 50", "type": "integer"},
                        "cursor": {"type": "string", "description": "From the last answer"},
                    },
                    "additionalProperties": False,
                },
                "annotations": {
                    "readOnlyHint": True,
                    "destructiveHint": False,
                    "idempotentHint": True,
                    "openWorldHint": False,
                },
                "_meta": {"anthropic/alwaysLoad": True},
            },
            {
                "name": "archival_insert",
                "title": "File in archival memory",
                "description": """\
File a text for good, out of view until it is searched: details, decisions with their
reasons, lessons, documents. The same text again refreshes the one that is there.\
""",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "content": {"description": "Must make sense by itself", "type": "string"},
                        "tags": {
                            "items": {"type": "string"},
                            "type": "array",
                            "description": "To find it by",
                        },
                        "occurred_at": {
                            "type": "string",
                            "description": "ISO date of what it tells, if not today",
                        },
                    },
                    "required": ["content"],
                    "additionalProperties": False,
                },
                "annotations": {
                    "readOnlyHint": False,
                    "destructiveHint": False,
                    "idempotentHint": True,
                    "openWorldHint": False,
                },
                "_meta": {"anthropic/alwaysLoad": True},
            },
            {
                "name": "archival_search",
                "title": "Search archival memory",
                "description": """\
Search what was filed in archival memory, by words and by meaning. Call it before you ask
the user again or start on something that may be known. Returns dated passages, and which tags
there are.\
""",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "query": {"description": "Words or a question", "type": "string"},
                        "tags": {
                            "items": {"type": "string"},
                            "type": "array",
                            "description": "Only so tagged",
                        },
                        "tag_match": {"default": "any", "enum": ["any", "all"], "type": "string"},
                        "start_date": {"type": "string", "description": "ISO date, inclusive"},
                        "end_date": {"type": "string", "description": "ISO date, inclusive"},
                        "limit": {"default": 5, "description": "1 to 50", "type": "integer"},
                        "cursor": {"type": "string", "description": "From the last answer"},
                    },
                    "required": ["query"],
                    "additionalProperties": False,
                },
                "annotations": {
                    "readOnlyHint": True,
                    "destructiveHint": False,
                    "idempotentHint": True,
                    "openWorldHint": False,
                },
                "_meta": {"anthropic/alwaysLoad": True},
            },
            {
                "name": "send_to_agent",
                "title": "Send mail to agents",
                "description": """\
Send mail to other agents, or answer theirs. Returns where it went, and the answers that
came within wait_seconds; later ones come with a later tool answer.\
""",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "message": {"description": "Must make sense by itself", "type": "string"},
                        "to": {
                            "type": "string",
                            "description": "Name or id; shadow: who keeps this memory in order",
                        },
                        "tags": {
                            "items": {"type": "string"},
                            "type": "array",
                            "description": "To all agents with all of them",
                        },
                        "wait_seconds": {
                            "default": 0,
                            "description": "For answers: 0 to 600",
                            "type": "integer",
                        },
                        "in_reply_to": {"type": "string", "description": "Mail this answers"},
                    },
                    "required": ["message"],
                    "additionalProperties": False,
                },
                "annotations": {
                    "readOnlyHint": False,
                    "destructiveHint": False,
                    "idempotentHint": False,
                    "openWorldHint": False,
                },
                "_meta": {"anthropic/alwaysLoad": True},
            },
            {
                "name": "conversation_append",
                "title": "Record a message",
                "description": """\
Record one message of this conversation, so that conversation_search finds it later. Call it
once for each message of the user and each answer of yours.\
""",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "role": {
                            "description": "Who said it.",
                            "enum": ["user", "assistant", "tool", "system"],
                            "type": "string",
                        },
                        "content": {"description": "The message, word for word.", "type": "string"},
                        "name": {"type": "string", "description": "The speaker's name."},
                        "conversation": {
                            "type": "string",
                            "description": "Its conversation's id. Left out: this one.",
                        },
                        "created_at": {"type": "string", "description": "ISO time. Left out: now."},
                    },
                    "required": ["role", "content"],
                    "additionalProperties": False,
                },
                "annotations": {
                    "readOnlyHint": False,
                    "destructiveHint": False,
                    "idempotentHint": False,
                    "openWorldHint": False,
                },
                "_meta": {"anthropic/alwaysLoad": True},
            },
        ]
    )


async def test_the_list_is_the_same_for_every_connection(connect_in_memory: Connect) -> None:
    connect = connect_in_memory
    with anyio.fail_after(WAIT_SECONDS):
        async with connect("work") as one, connect("home") as other:
            await one.call_tool("core_memory_append", {"label": "human", "content": "Ana."})
            assert await one.list_tools() == await other.list_tools()


async def test_schemas_are_closed_and_hold_nothing_a_model_need_not_read(
    connect_in_memory: Connect,
) -> None:
    for tool in await listed(connect_in_memory):
        schema = tool["inputSchema"]
        assert schema["additionalProperties"] is False, tool["name"]
        for name, told in schema["properties"].items():
            assert "title" not in told, (tool["name"], name)
            assert "anyOf" not in told, (tool["name"], name)
            assert told.get("description") or told.get("enum"), (tool["name"], name)
        assert "outputSchema" not in tool


async def test_descriptions_fit_what_hosts_show(connect_in_memory: Connect) -> None:
    for tool in await listed(connect_in_memory):
        assert 50 < len(tool["description"].encode()) < 2_048, tool["name"]


async def test_the_core_tools_cost_at_most_900_tokens(connect_in_memory: Connect) -> None:
    tokens = Tokens()
    if not tokens.exact:
        pytest.skip("counts are estimates: the o200k vocabulary comes with the extra `llm`")
    told = [
        {name: tool[name] for name in ("name", "description", "inputSchema")}
        for tool in await listed(connect_in_memory)
        if tool["name"] != CAPTURE_ONLY
    ]
    assert len(told) == 6
    counted = {
        tool["name"]: tokens.count(json.dumps(tool, ensure_ascii=False, separators=(",", ":")))
        for tool in told
    }
    assert sum(counted.values()) <= 900, counted


@pytest.mark.parametrize(
    ("asked", "sets"),
    [
        (None, ("core",)),
        ("core", ("core",)),
        ("capture", ("core", "capture")),
        ("capture, core", ("core", "capture")),
        ("", ("core",)),
    ],
)
def test_tool_sets_add_to_the_core(asked: str | None, sets: tuple[str, ...]) -> None:
    assert load_settings(tools=asked, environment={}).tool_sets == sets


def test_an_unknown_tool_set_is_a_clear_error() -> None:
    with pytest.raises(InvalidInput) as refused:
        load_settings(tools="core,captures", environment={})
    assert str(refused.value) == "there is no tool set 'captures'; there are: core, capture."


def test_an_unknown_tool_set_ends_the_server_with_one_sentence(
    connect_in_memory: Connect,
) -> None:
    folder = connect_in_memory.database.parent
    ended = run(
        "--database",
        folder / "memory.db",
        "--tools",
        "everything",
        folder=folder,
        more={"MEMORY_MCP_DAEMON_IDLE_SECONDS": "0"},
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "memory-mcp: there is no tool set 'everything'; there are: core, capture.\n"
    )


def test_without_capture_the_list_is_the_six_core_tools(tmp_path: Path) -> None:
    with Server(tmp_path / "memory.db") as server:
        server.greet()
        tools = server.ask("tools/list")["result"]["tools"]
        refused = server.call(CAPTURE_ONLY, role="user", content="Hello.")
    assert [tool["name"] for tool in tools] == snapshot(
        [
            "core_memory_append",
            "core_memory_replace",
            "conversation_search",
            "archival_insert",
            "archival_search",
            "send_to_agent",
        ]
    )
    assert (refused["isError"], text_of(refused)) == (True, "Unknown tool: conversation_append")
