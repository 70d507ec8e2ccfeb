"""Forgetting survives files: through no importer comes back what was forgotten.

Every format has a line in `FILES`; one without is a failing test.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.transfer.conftest import DATA, bring_into
from tests.transfer.letta_server import Letta, serving

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.copies import KINDS, BlockCopy, MailCopy, MessageCopy, PassageCopy
from memory_mcp.domain.ids import AgentId, PassageId
from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services
from memory_mcp.testing import ManualClock, open_memory
from memory_mcp.transfer.formats import FORMATS
from memory_mcp.transfer.json_lines import written
from memory_mcp.transfer.letta.agent_file_out import written as af_written
from memory_mcp.transfer.report import Report

FILES = {
    "jsonl": "export_format_1.jsonl",
    "passages": b'{"content": "Ana likes tea."}\n{"content": "Rye.", "external_id": "r"}\n',
    "chatgpt": "chatgpt.json",
    "claude-ai": "claude_ai.json",
    "claude-code": "claude_code.jsonl",
    "codex": "codex.jsonl",
    "gemini": "gemini.json",
    "qwen": "qwen.jsonl",
    "copilot": "copilot.jsonl",
    "server-memory": "server_memory.jsonl",
    "mem0": "mem0.json",
    "af": "new.af",
    "markdown": "notes",
    "letta": None,
}
"""What each format is tried with; a database of Letta's brings what its server does."""
HELD = {"message": MessageCopy, "passage": PassageCopy, "mail": MailCopy, "block": BlockCopy}
"""What a file can bring back; what else one brings says nothing, or goes with these."""
OTHERS = {
    "agent", "block_version", "conversation", "forgotten", "forgotten_text", "superseded",
    "session", "summary", "reflected", "run", "run_call", "run_change", "setting", "deleted",
    "receipt",
}  # fmt: skip


@pytest.fixture
def clock() -> ManualClock:
    """It stays as late as it is until it is moved."""
    return ManualClock()


@pytest.fixture
async def services(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Services]:
    """Services on a new store."""
    async with open_memory(tmp_path / "memory.db", clock=clock, embedder=None) as services:
        yield services


@contextmanager
def source(kind: str, folder: Path) -> Iterator[Path | str]:
    """A file of that format, or the address of what it reads from."""
    told = FILES[kind]
    if told is None:
        with serving(Letta()) as letta:
            yield letta.url
    elif isinstance(told, str):
        yield DATA / told
    else:
        file = folder / f"{kind}.jsonl"
        file.write_bytes(told)
        yield file


async def held(services: Services) -> dict[str, list[str]]:
    """Everything that says something: the texts, by kind."""
    found: dict[str, list[str]] = {kind: [] for kind in HELD}
    for kind in ("message", "passage", "mail", "block"):
        async for copy in services.copies.rows(kind):
            match copy:
                case MessageCopy() | PassageCopy():
                    found[kind].append(copy.content)
                case MailCopy():
                    found[kind].append(copy.text)
                case BlockCopy() if copy.value and not copy.read_only:  # that nobody may edit
                    found[kind].append(copy.value)
                case _:
                    pass
    return found


async def forget_everything(services: Services) -> None:
    """Every agent forgets all it has: by id, and lines of blocks and mail by their text."""
    for agent in await services.agents.all():
        ids: list[str] = []
        for kind in ("message", "passage"):
            async for copy in services.copies.rows(kind, [agent.name]):
                assert isinstance(copy, MessageCopy | PassageCopy)
                ids.append(copy.id)
        if ids:
            await services.forgetting.forget(agent.id, ids)
        for block in await services.core_memory.blocks(agent.id):
            for line in filter(str.strip, block.value.split("\n")):
                await forget_text(services, agent.id, line)
        for letter in (await services.mail.all(agent.id, 100))[0]:
            await forget_text(services, agent.id, letter.text)


async def forget_text(services: Services, agent_id: AgentId, text: str) -> None:
    """Forget by a text, where it stands in anything."""
    preview = await services.forgetting.preview(agent_id, text)
    if preview.code:
        await services.forgetting.confirm(agent_id, preview.code)


def not_brought_back(report: Report) -> int:
    """What a report says of it."""
    return sum(
        number for what, number in report.left_out.items() if "forgotten here, not brought" in what
    )


def test_every_kind_of_copy_is_in_the_table() -> None:
    assert KINDS.keys() == HELD.keys() | OTHERS


def test_every_format_is_in_the_table() -> None:
    assert FORMATS.keys() == FILES.keys() | {"letta-postgres"}


@pytest.mark.parametrize("kind", FILES)
async def test_what_was_forgotten_does_not_come_back_with_the_same_file(
    services: Services, clock: ManualClock, tmp_path: Path, kind: str
) -> None:
    with source(kind, tmp_path) as file:
        await check_that_it_stays_forgotten(services, clock, kind, file)


async def check_that_it_stays_forgotten(
    services: Services, clock: ManualClock, kind: str, file: Path | str
) -> None:
    """Bring it in, forget it, and bring it in again."""
    first = await bring_into(services, kind, file)
    assert first.stored
    before = await held(services)
    assert any(before.values())
    await forget_everything(services)
    nothing: dict[str, list[str]] = {kind: [] for kind in before}
    assert await held(services) == nothing

    again = await bring_into(services, kind, file)

    assert await held(services) == nothing
    assert not_brought_back(again) > 0
    assert (again.nouns["message"], again.nouns["passage"], again.nouns["mail"]) == (0, 0, 0)
    clock.advance(timedelta(days=31))
    assert await services.forgetting.purge() > 0
    late = await bring_into(services, kind, file)
    assert await held(services) == nothing
    assert not_brought_back(late) == not_brought_back(again)


@pytest.mark.parametrize("kind", FILES)
async def test_what_was_put_back_is_known_again(
    services: Services, tmp_path: Path, kind: str
) -> None:
    with source(kind, tmp_path) as file:
        await check_that_it_is_known(services, kind, file)


async def check_that_it_is_known(services: Services, kind: str, file: Path | str) -> None:
    """Bring it in, forget it, put it back, and bring it in again."""
    await bring_into(services, kind, file)
    before = await held(services)
    ids: dict[AgentId, list[str]] = {}
    for agent in await services.agents.all():
        for each in ("message", "passage"):
            async for copy in services.copies.rows(each, [agent.name]):
                assert isinstance(copy, MessageCopy | PassageCopy)
                ids.setdefault(agent.id, []).append(copy.id)
    for agent_id, some in ids.items():
        await services.forgetting.forget(agent_id, some)
        await services.forgetting.restore(agent_id, some)

    again = await bring_into(services, kind, file)

    assert await held(services) == before
    assert not_brought_back(again) == 0


# --- Passages ---


async def export(services: Services, file: Path) -> Path:
    """Write our own export."""
    file.write_text("".join([line async for line in written(services.copies, None)]), "utf-8")
    return file


def lines(file: Path, *told: dict[str, Any]) -> Path:
    """Write JSON lines."""
    file.write_text("".join(f"{json.dumps(each)}\n" for each in told), "utf-8")
    return file


async def the_passage(services: Services, agent_id: AgentId) -> PassageId:
    """The id of the only passage."""
    copies = [copy async for copy in services.copies.rows("passage", [agent_id])]
    (copy,) = copies
    assert isinstance(copy, PassageCopy)
    return PassageId(copy.id)


@pytest.mark.parametrize(
    "again",
    [
        {"content": "The secret."},
        {"content": "The secret.\r\n"},
        {"content": "The secret.", "external_id": "other"},
        {"content": "The secret.", "source": "another.md"},
        {"content": "The secret, in other words.", "external_id": "s"},
    ],
    ids=["text", "line-end", "other-id", "other-source", "same-id"],
)
async def test_a_passage_stays_forgotten_by_its_text_and_by_its_external_id(
    services: Services, agent_id: AgentId, tmp_path: Path, again: dict[str, Any]
) -> None:
    await bring_into(
        services,
        "passages",
        lines(tmp_path / "a.jsonl", {"content": "The secret.", "external_id": "s"}),
    )
    await services.forgetting.forget(agent_id, [await the_passage(services, agent_id)])

    report = await bring_into(services, "passages", lines(tmp_path / "b.jsonl", again))

    assert (await held(services))["passage"] == []
    assert (report.stored, report.known, not_brought_back(report)) == (0, 0, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"content": "Slept badly.", "occurred_at": "2026-11-09", "source": "a.md"},
        {"content": "Slept badly.", "occurred_at": "2026-11-02", "source": "b.md"},
        {"content": "Slept  badly.", "occurred_at": "2026-11-02", "source": "a.md"},
    ],
    ids=["date", "source", "text"],
)
async def test_forgetting_a_passage_keeps_no_other_out(
    services: Services, agent_id: AgentId, tmp_path: Path, other: dict[str, Any]
) -> None:
    gone = {"content": "Slept badly.", "occurred_at": "2026-11-02", "source": "a.md"}
    await bring_into(services, "passages", lines(tmp_path / "a.jsonl", gone))
    await services.forgetting.forget(agent_id, [await the_passage(services, agent_id)])

    report = await bring_into(services, "passages", lines(tmp_path / "b.jsonl", gone, other))

    assert (await held(services))["passage"] == [other["content"]]
    assert not_brought_back(report) == 1


async def test_a_passage_whose_date_was_told_meanwhile_stays_forgotten(
    services: Services, agent_id: AgentId, tmp_path: Path
) -> None:
    file = lines(tmp_path / "a.jsonl", {"content": "The secret.", "source": "a.md"})
    await bring_into(services, "passages", file)
    dated = NewPassage(content="The secret.", occurred_at=services.clock.now())
    await services.archival.file(agent_id, [dated])
    await services.forgetting.forget(agent_id, [await the_passage(services, agent_id)])
    anonymous = lines(tmp_path / "b.jsonl", {"content": "The secret.", "external_id": "new"})

    for each in (file, anonymous):
        assert not_brought_back(await bring_into(services, "passages", each)) == 1


async def test_what_is_told_anew_stands_for_what_was_forgotten(
    services: Services, agent_id: AgentId, tmp_path: Path
) -> None:
    record = {"content": "The secret.", "occurred_at": "2026-11-02", "source": "a.md"}
    file = lines(tmp_path / "a.jsonl", record)
    await bring_into(services, "passages", file)
    await services.forgetting.forget(agent_id, [await the_passage(services, agent_id)])

    await services.archival.file(agent_id, [NewPassage(content="The secret.")])
    report = await bring_into(services, "passages", file)

    assert (await held(services))["passage"] == ["The secret."]
    assert (report.stored, report.known, not_brought_back(report)) == (0, 1, 0)
    whole = await export(services, tmp_path / "e.jsonl")
    async with open_memory(tmp_path / "new.db") as new:
        await bring_into(new, "jsonl", whole)
        assert (await held(new))["passage"] == ["The secret."]


async def agent_file(services: Services, file: Path) -> Path:
    """Write an agent file of ours, of all agents."""
    file.write_text("".join([each async for each in af_written(services.copies, None)]), "utf-8")
    return file


async def with_every_kind(services: Services, folder: Path) -> None:
    """Messages of each role with and without a host's id; passages with and without a date."""
    said: list[dict[str, Any]] = [
        {"role": "user", "content": "The secret?", "external_id": "m1"},
        {"role": "assistant", "content": "Told."},
        {"role": "tool", "name": "read file", "content": "read file(a)"},
        {"role": "tool", "name": "archival_search", "content": "The secret, found."},
        {"role": "system", "content": "A notice."},
        {"role": "user", "content": '{"type": "heartbeat"}'},
    ]
    rest = {"created_at": "2026-02-01T10:00:00Z", "conversation": "c"}
    await bring_into(services, "jsonl", lines(folder / "m.jsonl", *(each | rest for each in said)))
    filed: list[dict[str, Any]] = [
        {"content": "The secret."},
        {"content": "Rye.", "occurred_at": "2026-11-02", "source": "a.md", "external_id": "r"},
        {"content": "Rye.", "occurred_at": "2026-11-02", "source": "b.md"},
    ]
    await bring_into(services, "passages", lines(folder / "p.jsonl", *filed))


async def test_an_agent_file_of_ours_brings_nothing_twice_and_nothing_forgotten(
    services: Services, agent_id: AgentId, clock: ManualClock, tmp_path: Path
) -> None:
    await with_every_kind(services, tmp_path)
    file = await agent_file(services, tmp_path / "a.af")
    before = await export(services, tmp_path / "before.jsonl")

    whole = await bring_into(services, "af", file)

    assert (whole.nouns["message"], whole.nouns["passage"]) == (0, 0)
    kinds = {"message", "conversation"}
    after = await export(services, tmp_path / "after.jsonl")
    assert of_kinds(after, kinds) == of_kinds(before, kinds)

    await forget_text(services, agent_id, "secret")
    now = await held(services)
    assert "secret" not in str(now).lower()
    for moment in (timedelta(0), timedelta(days=31)):
        clock.advance(moment)
        await services.forgetting.purge()
        await bring_into(services, "af", file)
        assert await held(services) == now


def of_kinds(file: Path, kinds: set[str]) -> list[str]:
    """The lines of an export that are of these kinds."""
    return [
        line for line in file.read_text("utf-8").splitlines() if json.loads(line)["kind"] in kinds
    ]


async def test_an_agent_file_of_ours_keeps_ids_conversations_and_dates_in_another_store(
    services: Services, agent_id: AgentId, clock: ManualClock, tmp_path: Path
) -> None:
    await with_every_kind(services, tmp_path)
    file = await agent_file(services, tmp_path / "a.af")
    known = {
        copy.id: (copy.conversation, copy.external_id)
        async for copy in services.copies.rows("message")
        if isinstance(copy, MessageCopy)
    }
    passages = [copy async for copy in services.copies.rows("passage")]

    async with open_memory(tmp_path / "new.db", clock=clock) as new:
        await bring_into(new, "af", file)
        assert [copy async for copy in new.copies.rows("passage")] == passages
        came = [copy async for copy in new.copies.rows("message")]
        for copy in came:
            assert isinstance(copy, MessageCopy)
            assert known[copy.id] == (copy.conversation, copy.external_id)
        assert len(came) >= 4
        again = await bring_into(new, "af", file)
        assert (again.nouns["message"], again.nouns["passage"]) == (0, 0)


async def test_an_agent_file_of_ours_under_another_name_is_another_agent_with_all_of_it(
    services: Services, agent_id: AgentId, tmp_path: Path
) -> None:
    await with_every_kind(services, tmp_path)
    file = await agent_file(services, tmp_path / "a.af")

    first = await bring_into(services, "af", file, agent="twin")
    again = await bring_into(services, "af", file, agent="twin")

    assert first.nouns["passage"] == 3
    assert first.nouns["message"] >= 4
    assert (again.nouns["message"], again.nouns["passage"]) == (0, 0)


async def test_what_was_superseded_is_known_and_does_not_come_back(
    services: Services, agent_id: AgentId, clock: ManualClock, tmp_path: Path
) -> None:
    file = lines(tmp_path / "a.jsonl", {"content": "Uses Vim.", "external_id": "v"})
    await bring_into(services, "passages", file)
    before = await export(services, tmp_path / "before.jsonl")
    old = await the_passage(services, agent_id)
    await services.archival.file(agent_id, [NewPassage(content="Uses Helix.", supersedes=old)])

    for moment in (timedelta(0), timedelta(days=31)):
        clock.advance(moment)
        await services.forgetting.purge()
        for kind, each in (("passages", file), ("jsonl", before)):
            report = await bring_into(services, kind, each)
            assert (report.nouns["passage"], not_brought_back(report)) == (0, 0)
    changed = lines(tmp_path / "b.jsonl", {"content": "Uses Emacs.", "external_id": "v"})
    assert (await bring_into(services, "passages", changed)).stored == 1
    assert (await held(services))["passage"] == ["Uses Helix.", "Uses Emacs."]


async def test_an_export_carries_what_was_forgotten_without_what_it_said(
    services: Services, agent_id: AgentId, clock: ManualClock, tmp_path: Path
) -> None:
    file = lines(tmp_path / "a.jsonl", {"content": "The secret.", "external_id": "s"})
    await bring_into(services, "passages", file)
    await services.core_memory.append(agent_id, "human", "knows the secret\nlikes tea")
    old = await export(services, tmp_path / "old.jsonl")
    await services.forgetting.forget(agent_id, [await the_passage(services, agent_id)])
    await forget_text(services, agent_id, "knows the secret")
    whole = await export(services, tmp_path / "e.jsonl")
    assert "secret" not in whole.read_text("utf-8").lower()

    async with open_memory(tmp_path / "new.db", clock=clock) as new:
        await bring_into(new, "jsonl", whole)
        for kind, each in (("passages", file), ("jsonl", old)):
            report = await bring_into(new, kind, each)
            assert report.nouns["passage"] == 0
        assert "secret" not in str(await held(new)).lower()
        copies = [copy async for copy in new.copies.rows("block_version")]
        assert "secret" not in str(copies)


# --- Lines of blocks, mail, agents ---


async def test_an_empty_block_is_not_filled_with_a_line_that_was_forgotten_in_it(
    services: Services, agent_id: AgentId, tmp_path: Path
) -> None:
    async with open_memory(tmp_path / "other.db") as other:
        theirs = (await other.agents.choose(AgentChoice())).id
        await other.core_memory.append(theirs, "human", "likes tea\nknows the secret")
        file = await export(other, tmp_path / "theirs.jsonl")
    await services.core_memory.append(agent_id, "human", "knows the secret")
    await forget_text(services, agent_id, "knows the secret")
    await services.core_memory.replace(agent_id, "human", "likes tea", None)

    report = await bring_into(services, "jsonl", file)

    assert (await held(services))["block"] == ["likes tea"]
    assert report.left_out["lines of blocks that were forgotten here, not brought back"] == 1


async def test_a_forgotten_mail_stays_out(
    services: Services, agent_id: AgentId, tmp_path: Path
) -> None:
    await services.agents.choose(AgentChoice(name="work"))
    await services.mail.send(agent_id, "The secret.", to="work")
    file = await export(services, tmp_path / "e.jsonl")
    await forget_text(services, agent_id, "The secret.")

    report = await bring_into(services, "jsonl", file)

    assert (await held(services))["mail"] == []
    assert report.left_out["mails that were forgotten here, not brought back"] == 1
    restored = await services.forgetting.restore(agent_id)
    assert (await held(services))["mail"] == ["The secret."]
    assert len(restored.back) == 1


async def test_a_deleted_agent_does_not_come_back_and_the_report_says_so(
    services: Services, clock: ManualClock, tmp_path: Path
) -> None:
    work = await services.agents.choose(AgentChoice(name="work"))
    await services.archival.file(work.id, [NewPassage(content="The secret.")])
    await services.core_memory.append(work.id, "project", "is secret")
    file = await export(services, tmp_path / "e.jsonl")
    await services.agents.delete(work.id)

    report = await bring_into(services, "jsonl", file)

    assert "work" not in [agent.name for agent in await services.agents.all()]
    (told,) = [what for what in report.left_out if "was deleted here" in what]
    assert "`memory-mcp agents restore` brings it back" in told
    clock.advance(timedelta(days=31))
    assert await services.agents.purge_deleted(clock.now() - timedelta(days=30)) == ["work"]
    late = await bring_into(services, "jsonl", file)
    assert any("was deleted here for good" in what for what in late.left_out)
    assert "work" not in [agent.name for agent in await services.agents.all()]
    assert (await held(services))["passage"] == []


async def test_a_deleted_agent_that_is_restored_takes_its_export_in_again(
    services: Services, tmp_path: Path
) -> None:
    work = await services.agents.choose(AgentChoice(name="work"))
    await services.archival.file(work.id, [NewPassage(content="Tides.")])
    file = await export(services, tmp_path / "e.jsonl")
    await services.agents.delete(work.id)
    await bring_into(services, "jsonl", file)
    await services.agents.restore("work")

    report = await bring_into(services, "jsonl", file)

    assert not [what for what in report.left_out if "deleted" in what]
    assert (await held(services))["passage"] == ["Tides."]
