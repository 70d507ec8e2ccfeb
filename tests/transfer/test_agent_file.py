"""Letta agent files: what of them comes in, what is told of the rest, and out again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from tests.transfer.conftest import DATA, Bring, bring_into

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.copies import AgentCopy, BlockCopy, MessageCopy, PassageCopy
from memory_mcp.domain.errors import ImportRefused
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.tool_rules import rule_text, rules_from_json
from memory_mcp.loop import resident_tools
from memory_mcp.server.tools import names_of
from memory_mcp.services import Services
from memory_mcp.testing import open_memory
from memory_mcp.transfer.agent_file import OUR_TOOLS, written


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
            "agent 'Loop': agent_type": 1,
            "agent 'Loop': llm_config": 1,
            "agent 'Loop': embedding_config": 1,
            "agent 'Loop': timezone": 1,
            "agent 'Loop': secrets": 1,
            "agent 'Loop': tool rule exit_loop on note (about note, which is no tool here)": 1,
            "block 'orphan' of no agent": 1,
            "compiled prompts": 1,
            "messages of the role 'approval'": 1,
            "tool 'note' (its code)": 1,
            "file 'tides.pdf'": 1,
            "MCP server 'weather'": 1,
            "groups of agents (all agents here may talk to each other)": 1,
            "file: novelty": 1,
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
            "agent 'sam-1': agent_type": 1,
            "agent 'sam-1': embedding_config": 1,
            "agent 'sam-1': llm_config": 1,
            "agent 'sam-1': tool_exec_environment_variables": 1,
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


async def test_an_exported_file_has_the_shape_that_readers_of_agent_files_check(
    bring: Bring, services: Services
) -> None:
    await bring("af", DATA / "new.af")
    told = json.loads("".join([piece async for piece in written(services.copies, ["Loop"])]))
    real = json.loads((DATA / "new.af").read_text())

    (agent,) = told["agents"]
    assert set(told) >= {"agents", "groups", "blocks", "files", "sources", "tools", "mcp_servers"}
    assert set(told["blocks"][0]) == set(real["blocks"][0])
    assert set(real["agents"][0]) - set(agent) == {"secrets"}
    assert set(real["agents"][0]["messages"][0]) - set(agent["messages"][0]) == {"approve"}
    ids = [message["id"] for message in agent["messages"]]
    assert ids == [f"message-{number}" for number in range(len(ids))]
    assert set(agent["in_context_message_ids"]) <= set(ids)
    assert set(agent["block_ids"]) == {block["id"] for block in told["blocks"]}
    calls = {call["id"] for each in agent["messages"] for call in each["tool_calls"] or []}
    returns = {each["tool_call_id"] for each in agent["messages"]} - {None}
    assert calls == returns != set()


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
