"""Letta agent files: what of them comes in, what is told of the rest, and out again."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from jsonschema import Draft202012Validator
from tests.transfer.conftest import DATA, Bring, bring_into

from memory_mcp.domain.agents import AgentChoice, AgentSettings, require_agent_name
from memory_mcp.domain.copies import AgentCopy, BlockCopy, MessageCopy, PassageCopy
from memory_mcp.domain.errors import ImportRefused, InvalidInput
from memory_mcp.domain.messages import NewMessage, Role
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.tool_rules import parse_rule, rule_text, rules_from_json
from memory_mcp.loop import resident_tools
from memory_mcp.server.tools import names_of
from memory_mcp.services import Services
from memory_mcp.services.copies import checked_copy
from memory_mcp.testing import open_memory
from memory_mcp.transfer.letta.agent_file_out import IN_VIEW_MESSAGES, written
from memory_mcp.transfer.letta.tools import OUR_TOOLS

# The server's own words for what a file holds: components of /openapi.json of Letta 0.16.8, from
# AgentFileSchema on, without descriptions and defaults.
SCHEMA = Draft202012Validator(
    json.loads((DATA / "letta-0.16.8-agent-file.schema.json").read_text())
)
ALL_RULES = (
    "init:archival_search",
    "child:archival_search>conversation_search",
    "parent:conversation_search>core_memory_append",
    "terminal:send_to_agent",
    "continue:core_memory_replace",
    "max_count_per_step:conversation_search=3",
    "conditional:core_memory_append>yes=archival_insert,*=archival_search",
    "requires_approval:archival_insert",
    "required_before_exit:archival_insert",
)


async def held(services: Services) -> dict[str, Any]:
    """What of a store an agent file can hold, without the default agent."""
    heads = await services.copies.heads()
    agents = [copy for copy in heads if isinstance(copy, AgentCopy) and copy.name != "default"]
    names = [agent.name for agent in agents]
    return {
        "agents": [
            (
                agent.name,
                agent.description,
                agent.system_prompt,
                agent.tags,
                agent.model,
                [rule_text(rule) for rule in rules_from_json(agent.tool_rules)],
            )
            for agent in agents
        ],
        "blocks": [
            (
                [(each.agent, each.label, each.position) for each in block.agents],
                block.value,
                block.description,
                block.limit,
                block.read_only,
                block.metadata,
            )
            for block in heads
            if isinstance(block, BlockCopy) and block.agents[0].agent in names
        ],
        "messages": [
            (copy.agent, copy.created_at, copy.name or copy.role, copy.content)
            async for copy in services.copies.rows("message")
            if isinstance(copy, MessageCopy)
        ],
        "passages": [
            (copy.agent, copy.content, copy.tags)
            async for copy in services.copies.rows("passage")
            if isinstance(copy, PassageCopy)
        ],
    }


async def test_of_a_file_come_agents_blocks_rules_tags_and_messages(
    bring: Bring, services: Services
) -> None:
    report = await bring("af", DATA / "new.af")

    assert await held(services) == snapshot(
        {
            "agents": [
                (
                    "Loop",
                    "I remember.",
                    "You are Loop.",
                    ["origin:chat"],
                    "anthropic/claude",
                    ["init:conversation_search"],
                ),
                ("Scout", "", "You are Scout.", [], None, []),
            ],
            "blocks": [
                (
                    [("Loop", "soul", 0)],
                    "I come back.",
                    "What I am",
                    20000,
                    True,
                    {"tags": ["core"]},
                ),
                (
                    [("Loop", "about_user", 1), ("Scout", "about_user", 0)],
                    "Name: Ana",
                    "",
                    20000,
                    False,
                    {},
                ),
                ([("Scout", "scratch", 1)], "empty so far", "", 100, False, {}),
            ],
            "messages": [
                ("Loop", "2026-01-22T02:06:02.048Z", "user", "What did we say about tides?"),
                (
                    "Loop",
                    "2026-01-22T02:06:04.048Z",
                    "web_search",
                    """\
web_search(query=tides)
→ High at 15:30\
""",
                ),
                ("Loop", "2026-01-22T02:06:05.048Z", "assistant", "High at half past three."),
            ],
            "passages": [],
        }
    )
    assert dict(report.left_out) == snapshot(
        {
            "setting agent_type": 1,
            "setting llm_config, but for model and context window": 1,
            "setting embedding_config": 1,
            "setting timezone": 1,
            "setting secrets": 1,
            "agent 'Loop': tool rule exit_loop on note (about note, which is no tool here)": 1,
            "compiled prompts": 1,
            "block 'orphan' (no agent's)": 1,
            "tool 'note' (its code)": 1,
            "file 'tides.pdf'": 1,
            "MCP server 'weather'": 1,
            "groups of agents (all agents here may talk to each other)": 1,
        }
    )


async def test_the_older_schema_says_the_same_in_other_words(
    bring: Bring, services: Services
) -> None:
    report = await bring("af", DATA / "old.af")

    assert await held(services) == snapshot(
        {
            "agents": [
                (
                    "sam-1",
                    "A friend",
                    "You are Sam.",
                    ["friend"],
                    "openai/gpt-4o-mini",
                    ["terminal:send_message", "init:archival_search"],
                )
            ],
            "blocks": [
                ([("sam-1", "human", 0)], "Name: Ana", "", 5000, False, {}),
                (
                    [("sam-1", "persona", 1)],
                    "I am Sam, and I am longer than my limit.",
                    "Who I am",
                    40,
                    False,
                    {},
                ),
            ],
            "messages": [
                ("sam-1", "2025-04-01T00:00:02.000Z", "user", "Hi Sam!"),
                ("sam-1", "2025-04-01T00:00:03.000Z", "assistant", "Hello Ana!"),
                (
                    "sam-1",
                    "2025-04-01T00:00:06.000Z",
                    "roll_dice",
                    """\
roll_dice(sides=6)
→ 4\
""",
                ),
            ],
            "passages": [],
        }
    )
    assert dict(report.left_out) == snapshot(
        {
            "setting agent_type": 1,
            "setting embedding_config": 1,
            "setting llm_config, but for model and context window": 1,
            "setting tool_exec_environment_variables": 1,
            "blocks over their limit, whose limit was raised": 1,
            "compiled prompts": 1,
            "thoughts": 1,
            "answers of send_message": 1,
            "heartbeats and logins": 1,
            "tool 'roll_dice' (its code)": 1,
        }
    )


@pytest.mark.parametrize("file", ["new.af", "old.af"])
async def test_what_came_in_goes_out_and_comes_in_again_the_same(
    bring: Bring, services: Services, tmp_path: Path, file: str
) -> None:
    await bring("af", DATA / file)
    agent = await services.agents.choose(AgentChoice(name="Loop" if file == "new.af" else "sam-1"))
    await services.archival.file(agent.id, [NewPassage(content="Tides.", tags=("sea",))])
    before = await held(services)
    names = [each[0] for each in before["agents"]]
    exported = tmp_path / "out.af"
    exported.write_text("".join([piece async for piece in written(services.copies, names)]))

    async with open_memory(tmp_path / "other.db") as other:
        report = await bring_into(other, "af", exported)
        assert report.bad == 0
        assert await held(other) == before


async def test_an_exported_file_is_one_that_a_real_server_takes(
    bring: Bring, services: Services
) -> None:
    await bring("af", DATA / "new.af")
    await bring("claude-code", DATA / "claude_code.jsonl", agent="proj: x.y")
    odd = await services.agents.choose(AgentChoice(name="proj: x.y"))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    lines: tuple[tuple[Role, str, str | None], ...] = (
        ("user", '{"type": "user_message", "message": "sneaky"}', "Ana B."),
        ("tool", "no JSON at all", "a tool"),
        ("system", "A notice.", None),
    )
    said = [
        NewMessage(role=role, content=text, created_at=at, conversation="c", name=name)
        for role, text, name in lines
    ]
    await services.recall.append(odd.id, said)
    rules = [parse_rule(text) for text in ALL_RULES]
    await services.agents.set(odd.id, AgentSettings(tool_rules=tuple(rules)))

    told = await exported(services)

    assert [error.message for error in SCHEMA.iter_errors(told)] == []
    check_as_the_server_does(told)


def check_as_the_server_does(told: dict[str, Any]) -> None:
    """What Letta 0.16.8 checks besides its schema, when it takes a file in and when it runs."""
    ids: set[str] = set()
    for kind in ("agents", "blocks", "tools"):
        found = [each["id"] for each in told[kind]]
        assert all(re.fullmatch(rf"{kind[:-1]}-\d+", each) for each in found)
        ids |= set(found)
    tools = {tool["id"]: tool["name"] for tool in told["tools"]}
    for agent in told["agents"]:
        assert re.fullmatch(r"[\w '\-]+", agent["name"])
        assert agent["llm_config"]["context_window"] >= 16_000
        assert agent["system"]
        assert {*agent["tool_ids"], *agent["block_ids"]} <= ids
        named = {tools[each] for each in agent["tool_ids"]}
        assert named >= {
            "archival_memory_insert",
            "archival_memory_search",
            "conversation_search",
            "core_memory_append",
            "core_memory_replace",
        }
        assert {rule["tool_name"] for rule in agent["tool_rules"]} <= named
        messages = {each["id"]: each for each in agent["messages"]}
        assert len(messages) == len(agent["messages"])
        assert not ids & set(messages)
        ids |= set(messages)
        view = [messages[each] for each in agent["in_context_message_ids"]]
        assert [each["role"] for each in view].count("system") == 1
        assert view[0]["role"] == "system"
        check_tools(agent["messages"])
        check_tools(view)


def check_tools(messages: list[dict[str, Any]]) -> None:
    """Every answer follows its call, as models want it, and is JSON, as the server wants it."""
    calls: list[str] = []
    for message in messages:
        assert calls == [] or message["role"] == "tool"
        if message["role"] == "tool":
            assert calls == [message["tool_call_id"]]
            calls = []
            (returned,) = message["tool_returns"]
            for text in (message["content"][0]["text"], returned["func_response"]):
                packed = json.loads(text)
                assert set(packed) == {"status", "message", "time"}
                assert isinstance(packed["message"], str)
        for call in message["tool_calls"] or []:
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["function"]["name"])
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            calls.append(call["id"])
    assert calls == []


async def exported(services: Services, *agents: str) -> dict[str, Any]:
    """What an agent file of these agents, or of all, holds."""
    return json.loads("".join([each async for each in written(services.copies, agents or None)]))


async def test_what_is_in_context_never_begins_with_an_answer(services: Services) -> None:
    agent = await services.agents.choose(AgentChoice(name="Busy"))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    said = [
        NewMessage(
            role="tool" if number % 7 else "user",
            content=f"line {number}",
            created_at=at + timedelta(seconds=number),
            conversation="c",
            name="look" if number % 7 else None,
        )
        for number in range(100)
    ]
    await services.recall.append(agent.id, said)

    told = await exported(services, "Busy")

    check_as_the_server_does(told)
    assert 2 < len(told["agents"][0]["in_context_message_ids"]) <= IN_VIEW_MESSAGES + 1


async def test_a_real_servers_file_comes_in_without_what_memory_tools_told(
    bring: Bring, services: Services
) -> None:
    report = await bring("af", DATA / "letta-0.16.8.af")

    told = await held(services)
    said = [(who, text) for _, _, who, text in told["messages"]]
    assert [who for who, _ in said] == ["user", "assistant"] * 5
    assert not any("passage-" in text for _, text in said)
    assert dict(report.left_out) == snapshot(
        {
            "setting agent_type": 1,
            "setting llm_config, but for model and context window": 1,
            "setting embedding_config": 1,
            "setting tool_exec_environment_variables": 1,
            "setting secrets": 1,
            "setting timezone": 1,
            "setting max_files_open": 1,
            "setting per_file_view_window_char_limit": 1,
            "tool rules on memory tools that are not here": 2,
            "compiled prompts": 1,
            "uses of memory tools, whose effect is in memory": 4,
        }
    )
    assert report.is_whole


async def test_of_many_things_without_a_place_the_first_are_named(
    bring: Bring, tmp_path: Path
) -> None:
    told = json.loads((DATA / "letta-0.16.8.af").read_text())
    told["skills"] = [{"name": f"skill {number}"} for number in range(40)]
    told["files"] = [{"file_name": "tides.pdf"}, {"file_name": "maps.pdf"}]
    file = tmp_path / "skilled.af"
    file.write_text(json.dumps(told))

    left = (await bring("af", file)).left_out

    assert left["skill 'skill 0', 'skill 1', 'skill 2' and 37 more"] == 40
    assert left["file 'tides.pdf'"] == left["file 'maps.pdf'"] == 1


@pytest.mark.parametrize(
    ("fields", "block_chars", "limit"),
    [
        ({"llm_config": {"context_window": 32_000}}, 45_000, 32_000),
        ({"llm_config": {"context_window": 200_000}}, 10, 200_000),
        ({"llm_config": {"context_window": "32000"}}, 10, 32_000),
        ({"context_window_limit": 16_000, "llm_config": {"context_window": 32_000}}, 10, 16_000),
        ({"llm_config": {"context_window": 8_000}}, 45_000, 27_000),
        ({"llm_config": {"context_window": 10**12}}, 10, 10_000_000),
        ({"llm_config": {"context_window": 12}}, 10, 5_000),
        ({"llm_config": {"context_window": -1}}, 10, None),
        ({"llm_config": None}, 10, None),
        ({}, 45_000, 27_000),
    ],
    ids=[
        "kept", "large", "text", "own", "too small", "absurd", "tiny", "odd", "null", "none",
    ],
)  # fmt: skip
async def test_an_agents_context_window_comes_along_and_has_room_for_a_message(
    bring: Bring,
    services: Services,
    tmp_path: Path,
    fields: dict[str, Any],
    block_chars: int,
    limit: int | None,
) -> None:
    message = {"role": "user", "content": "hello okapi", "created_at": "2026-01-01T00:00:00Z"}
    block = {"id": "block-0", "label": "notes", "value": ("word " * 9_000)[:block_chars]}
    agent = {"name": "Big", "system": "s", "block_ids": ["block-0"], "messages": [message]}
    file = tmp_path / "big.af"
    file.write_text(json.dumps({"agents": [{**agent, **fields}], "blocks": [block]}))

    report = await bring("af", file)

    big = await services.agents.named("Big")
    assert big.context_tokens == limit
    assert "hello okapi" in await services.view.context(big.id)
    raised = [told for told in report.left_out if "context" in told and "agent 'Big'" in told]
    assert bool(raised) == (limit in (27_000, 5_000))


async def test_a_text_beside_a_call_is_thought_or_said_as_the_kind_of_agent_has_it(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Let me see.", "tool_calls": [call]}
    speech = {"name": "send_message", "arguments": '{"message": "Found it."}'}
    spoken = {
        "role": "assistant",
        "content": [{"type": "text", "text": "I say so."}],
        "tool_calls": [{"id": number, "function": speech} for number in "23"],
    }
    agents = [
        {"name": kind, "agent_type": kind, "system": "", "messages": [message, spoken]}
        for kind in ("memgpt_agent", "letta_v1_agent")
    ]
    file = tmp_path / "kinds.af"
    file.write_text(json.dumps({"agents": agents}))

    report = await bring("af", file)

    said = [(who, text) for who, _, _, text in (await held(services))["messages"]]
    assert said == [
        ("memgpt_agent", "Found it."),
        ("memgpt_agent", "Found it."),
        ("memgpt_agent", "look()"),
        ("letta_v1_agent", "Let me see."),
        ("letta_v1_agent", "I say so."),
        ("letta_v1_agent", "Found it."),
        ("letta_v1_agent", "Found it."),
        ("letta_v1_agent", "look()"),
    ]
    assert report.left_out["thoughts"] == 2


async def test_what_nobody_knows_is_said_not_to_be_understood(bring: Bring, tmp_path: Path) -> None:
    told = json.loads((DATA / "letta-0.16.8.af").read_text())
    agent = told["agents"][0]
    agent["mood"] = "bright"
    agent["messages"][1]["content"].append({"type": "smell", "data": "grass"})
    agent["messages"].append({"role": "oracle", "content": "?"})
    told["dreams"] = ["of a gate"]
    file = tmp_path / "newer.af"
    file.write_text(json.dumps(told))

    report = await bring("af", file)

    assert dict(report.not_understood) == {
        "field 'mood' of an agent": 1,
        "parts of the type 'smell'": 1,
        "messages of the role 'oracle'": 1,
        "field 'dreams' of the file": 1,
    }


async def test_a_file_may_be_a_text_that_holds_the_json(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    file = tmp_path / "wrapped.af"
    file.write_text(json.dumps((DATA / "new.af").read_text()))

    assert (await bring("af", file)).nouns["agent"] == 2


async def test_one_agent_may_be_given_another_name(bring: Bring, services: Services) -> None:
    await bring("af", DATA / "old.af", agent="friend")
    assert [agent.name for agent in await services.agents.all()] == ["friend", "default"]

    with pytest.raises(ImportRefused, match="holds 2 agents"):
        await bring("af", DATA / "new.af", agent="friend")


async def test_a_block_that_reads_otherwise_by_now_is_kept_and_told(
    bring: Bring, services: Services
) -> None:
    await bring("af", DATA / "new.af")
    loop = await services.agents.named("Loop")
    await services.core_memory.append(loop.id, "about_user", "Lives in Porto.")

    report = await bring("af", DATA / "new.af")

    block = (await services.core_memory.blocks(loop.id))[1]
    assert block.value == "Name: Ana\nLives in Porto."
    assert [told for told in report.left_out if "was kept" in told] == snapshot(
        [
            "new.af, block 'about_user': agent 'Loop' has a block 'about_user' with another text; that one was kept"  # noqa: E501 - as it is told
        ]
    )


async def test_an_imported_agents_blocks_are_its_own(bring: Bring, services: Services) -> None:
    await bring("af", DATA / "old.af")

    default = await services.agents.named("default")
    human = (await services.core_memory.blocks(default.id))[1]
    assert (human.label, human.value) == ("human", "")


async def test_an_agent_without_blocks_gets_one_to_note_things_down(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    file = tmp_path / "bare.af"
    message = {"role": "system", "content": "\n\n<memory_metadata>\n- none\n</memory_metadata>"}
    file.write_text(json.dumps({"agents": [{"name": "Bare", "system": "", "messages": [message]}]}))

    report = await bring("af", file)

    bare = await services.agents.named("Bare")
    assert [block.label for block in await services.core_memory.blocks(bare.id)] == ["project"]
    assert report.left_out == {"compiled prompts": 1}


@pytest.mark.parametrize(
    "core", [{"human": "Name: Ana"}, {"human": {"value": "Name: Ana"}}], ids=["text", "object"]
)
async def test_core_memory_may_be_an_object_by_label(
    bring: Bring, services: Services, tmp_path: Path, core: dict[str, Any]
) -> None:
    file = tmp_path / "object.af"
    file.write_text(json.dumps({"name": "Old", "core_memory": core, "messages": []}))

    await bring("af", file)

    old = await services.agents.named("Old")
    (block,) = await services.core_memory.blocks(old.id)
    assert (block.label, block.value) == ("human", "Name: Ana")


async def test_values_of_secrets_are_told_to_nobody(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    for file in ("new.af", "old.af"):
        report = await bring("af", DATA / file)
        assert "not-to-be-shown" not in repr(report)
    assert "not-to-be-shown" not in repr(await held(services))


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    """A file without what stands at that path."""

    def change(told: Any) -> None:
        *way, last = path
        for step in way:
            told = told[step]
        del told[last]

    return change


def put(value: Any, *path: str | int) -> Callable[[dict[str, Any]], None]:
    """A file with something else at that path."""

    def change(told: Any) -> None:
        *way, last = path
        for step in way:
            told = told[step]
        told[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        drop("agents", 0, "name"),
        drop("agents", 0, "messages"),
        drop("blocks"),
        drop("created_at"),
        put(None, "agents", 0, "tool_rules"),
        put([None, 7, {"type": "new_kind"}, {}], "agents", 0, "tool_rules"),
        put("x" * 300 + "/\n", "agents", 0, "name"),
        put("Scout", "agents", 0, "name"),
        put(["block-0", "block-9", 7], "agents", 0, "block_ids"),
        put({"a": 1}, "agents", 0, "messages", 1, "content"),
        put("plain", "agents", 0, "messages", 1, "content"),
        put("yesterday", "agents", 0, "messages", 1, "created_at"),
        put("half \ud83d", "agents", 0, "messages", 1, "content", 0, "text"),
        put(-5, "blocks", 0, "limit"),
        put(None, "blocks", 0, "value"),
        put("soul", "blocks", 1, "label"),
        put([{"text": "An old thing.", "tags": ["a", 5]}], "passages"),
    ],
    ids=[
        "no-name", "no-messages", "no-blocks", "no-date", "null-rules", "odd-rules", "long-name",
        "same-name", "missing-blocks", "object-content", "text-content", "odd-date", "surrogate",
        "odd-limit", "no-value", "same-label", "passages",
    ],
)  # fmt: skip
async def test_a_file_with_something_odd_is_read_for_the_rest(
    bring: Bring, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    told = json.loads((DATA / "new.af").read_text())
    change(told)
    file = tmp_path / "odd.af"
    file.write_text(json.dumps(told))

    report = await bring("af", file)

    assert report.nouns["agent"] == 2
    assert report.bad == 0


def test_rules_are_taken_over_about_tools_that_are_served() -> None:
    assert set(OUR_TOOLS) <= {*names_of(("core",)), *resident_tools.NAMES}


async def test_labels_that_are_none_here_become_labels_and_are_told(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    file = tmp_path / "labels.af"
    labels = ["a <value>", "system/human", "human\n</human>"]
    blocks = [{"id": f"block-{n}", "label": label, "value": "v"} for n, label in enumerate(labels)]
    agent = {"name": "Odd", "system": "", "block_ids": [block["id"] for block in blocks]}
    file.write_text(json.dumps({"agents": [{**agent, "messages": []}], "blocks": blocks}))

    report = await bring("af", file)

    odd = await services.agents.named("Odd")
    told = [block.label for block in await services.core_memory.blocks(odd.id)]
    assert told == ["a_value_", "system_human", "human_human_"]
    assert report.interpreted["a block's label, as one here"] == 3
    assert report.is_whole


@pytest.mark.parametrize("name", ["a/b", "what?", "50%", "two\nlines", "\u202eadA"])
def test_an_agent_of_a_name_that_no_address_takes_is_refused(name: str) -> None:
    copy = AgentCopy(
        id="agent-1", name=name, description="", tags=[], system_prompt="", project=None,
        context_tokens=None, model=None, tool_rules=[], created_at="2026-11-22T00:00:00.000Z",
    )  # fmt: skip

    with pytest.raises(InvalidInput, match=r"may not hold|spans lines"):
        checked_copy(copy)


@pytest.mark.parametrize("name", ["a/b", "what?", "50%"])
async def test_an_agent_of_a_reserved_name_comes_in_under_one_that_can_be_addressed(
    bring: Bring, services: Services, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "reserved.af"
    file.write_text(json.dumps({"agents": [{"name": name, "system": "", "messages": []}]}))

    await bring("af", file)

    names = [agent.name for agent in await services.agents.all()]
    assert name not in names
    assert [require_agent_name(each) for each in names] == names
