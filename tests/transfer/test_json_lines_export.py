"""Our own export: everything out, and in again the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.transfer.conftest import DATA, Bring, bring_into

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.copies import from_line, to_line
from memory_mcp.domain.errors import AgentNotFound, ImportRefused, InvalidInput
from memory_mcp.domain.ids import PassageId
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.tool_rules import parse_rule
from memory_mcp.services import Services
from memory_mcp.testing import open_memory
from memory_mcp.transfer.json_lines import written


async def exported(services: Services, agents: list[str] | None = None) -> list[str]:
    """Every line of an export."""
    return [line async for line in written(services.copies, agents)]


async def fill(services: Services, tmp_path: Path) -> None:
    """A little of everything that a store may hold."""
    for kind, file in (
        ("chatgpt", "chatgpt.json"),
        ("claude-code", "claude_code.jsonl"),
        ("mem0", "mem0.json"),
        ("markdown", "notes"),
        ("af", "new.af"),
    ):
        await bring_into(services, kind, DATA / file)
    work = await services.agents.choose(AgentChoice(name="work"))
    await services.agents.set_context_tokens(work.id, 1_000)
    await services.agents.set_tool_rules(work.id, [parse_rule("init:archival_search")])
    for line in ("Name: Ana", "Ünïcode 東京 🎉"):
        await services.core_memory.append(work.id, "human", line)
    old, _ = await services.archival.file(
        work.id, [NewPassage(content="Old."), NewPassage(content="Other.", tags=("b", "a"))]
    )
    replaced = NewPassage(content="New.", supersedes=PassageId(old.passage.id))
    await services.archival.file(work.id, [replaced])
    chats = tmp_path / "chats.jsonl"
    told = {"role": "user", "created_at": "2026-01-01T10:00:00.123Z", "conversation": "c"}
    lines = [{**told, "content": f"{n} " + "words of the sea " * 40} for n in range(40)]
    chats.write_text("".join(json.dumps(each) + "\n" for each in lines))
    await bring_into(services, "jsonl", chats, agent="work")
    page = await services.recall.search(work.id, None, limit=1)
    await services.forgetting.forget(work.id, [page.hits[0].message.id])


async def test_an_export_of_the_import_of_an_export_reads_the_same(
    services: Services, tmp_path: Path
) -> None:
    await fill(services, tmp_path)
    first = await exported(services)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(first))

    async with open_memory(tmp_path / "other.db") as other:
        report = await bring_into(other, "jsonl", file)
        again = await exported(other)
        # What refers to messages by their places still does.
        work = await other.agents.named("work")
        assert (await other.eviction.chain(work.id))[-1].covered > 0
        assert await other.view.context(work.id) != ""

    assert (report.bad, dict(report.left_out)) == (0, {})
    assert again == first


async def test_an_export_comes_into_its_own_store_without_a_change(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    await fill(services, tmp_path)
    first = await exported(services)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(first))

    report = await bring("jsonl", file)

    assert (report.stored, report.bad) == (0, 0)
    assert await exported(services) == first


async def test_an_export_of_one_agent_has_nothing_of_the_others(
    services: Services, tmp_path: Path
) -> None:
    await fill(services, tmp_path)

    lines = [json.loads(line) for line in await exported(services, ["work"])]

    owners = {line["agent"] for line in lines if "agent" in line}
    owners |= {each["agent"] for line in lines for each in line.get("agents", [])}
    assert owners == {"work"}
    with pytest.raises(AgentNotFound, match="There are: default"):
        await exported(services, ["nobody"])


async def test_what_was_forgotten_is_not_in_an_export_and_does_not_come_back(
    services: Services, tmp_path: Path
) -> None:
    await fill(services, tmp_path)
    lines = await exported(services)
    (gone,) = [line for line in map(json.loads, lines) if line["kind"] == "forgotten"]

    assert not any(gone["id"] in line for line in lines if '"kind": "message"' in line)
    assert "39 words" not in "".join(lines)


async def test_an_export_joins_what_another_store_holds_already(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    async with open_memory(tmp_path / "other.db") as other:
        await fill(other, tmp_path)
        file = tmp_path / "export.jsonl"
        file.write_text("".join(await exported(other)))
    default = await services.agents.choose(AgentChoice())
    await services.core_memory.append(default.id, "persona", "Be brief.")

    report = await bring("jsonl", file)

    blocks = {block.label: block.value for block in await services.core_memory.blocks(default.id)}
    assert blocks["persona"] == "Be brief."  # theirs is empty
    assert blocks["human"] == "Name: Ana\nÜnïcode 東京 🎉"  # ours was
    assert report.bad == 0


async def test_an_export_from_the_future_is_refused_whole(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    file = tmp_path / "export.jsonl"
    told = {"role": "user", "content": "Hi.", "created_at": "2026-01-01", "conversation": "c"}
    lines = [{"kind": "memory-mcp", "format": 3}, told]
    file.write_text("".join(json.dumps(each) + "\n" for each in lines))

    with pytest.raises(ImportRefused, match="format 3, and this memory-mcp reads formats 1 to 2"):
        await bring("jsonl", file)
    agent = await services.agents.choose(AgentChoice())
    assert (await services.recall.search(agent.id, None)).total == 0


async def test_a_line_of_an_unknown_kind_is_told_and_the_rest_goes_on(
    bring: Bring, services: Services, tmp_path: Path
) -> None:
    await fill(services, tmp_path)
    lines = await exported(services)
    lines.insert(3, '{"kind": "dream", "text": "x"}\n')
    file = tmp_path / "export.jsonl"
    file.write_text("".join(lines))

    report = await bring("jsonl", file)

    ((place, reason),) = report.bad_places
    assert place == "line 4"
    assert reason.startswith("kind 'dream' is unknown")


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.tuples(TEXTS, st.lists(TEXTS, max_size=3), TEXTS), min_size=1, max_size=8),
)
async def test_any_texts_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, list[str], str]]
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    lines = [
        {"content": text, "tags": tags, "metadata": {"told": more}} for text, tags, more in told
    ]
    (folder / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    async with open_memory(folder / "one.db") as one:
        await bring_into(one, "passages", folder / "in.jsonl")
        first = await exported(one)
    (folder / "out.jsonl").write_text("".join(first), "utf-8")
    async with open_memory(folder / "two.db") as two:
        await bring_into(two, "jsonl", folder / "out.jsonl")
        assert await exported(two) == first


def test_a_copy_reads_back_from_its_line(tmp_path: Path) -> None:
    told = {"kind": "reflected", "agent": "work", "message": "message-1"}
    assert to_line(from_line(told)) == told


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"content": None}, "content is missing; it must be a text"),
        ({"content": 5}, "content is 5; it must be a text"),
        ({"created_at": "soon"}, "created_at 'soon' is not a date"),
        ({"metadata": []}, "metadata is []; it must be an object"),
        ({"name": True}, "name is True; it must be a text"),
        ({"kind": 1}, "kind 1 is unknown"),
    ],
)
def test_a_line_that_tells_no_copy_is_refused(change: dict[str, Any], reason: str) -> None:
    told = {
        "kind": "message", "id": "message-1", "agent": "work", "conversation": "c",
        "role": "user", "name": None, "content": "Hi.", "created_at": "2026-01-01",
        "external_id": None, "metadata": None,
    }  # fmt: skip
    assert from_line(told)
    with pytest.raises(InvalidInput) as refused:
        from_line(told | change)
    assert str(refused.value).startswith(reason)


async def test_a_line_ends_nowhere_but_at_its_end(services: Services) -> None:
    agent_id = (await services.agents.choose(AgentChoice())).id
    content = "one\u2028two\u2029three\x85four"
    await services.archival.file(agent_id, [NewPassage(content=content)])

    lines = [line async for line in written(services.copies, None)]

    told = [json.loads(line) for line in "".join(lines).splitlines()]
    assert content in [each.get("content") for each in told]
