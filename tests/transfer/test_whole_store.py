"""A whole store, out and in again: every canonical table is the same, row by row."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest
from tests.transfer.conftest import DATA, bring_into
from tests.transfer.test_json_lines_export import exported

from memory_mcp.app.worker import open_worker
from memory_mcp.config import ModelSettings, Settings
from memory_mcp.domain.agents import Agent, AgentChoice, AgentSettings
from memory_mcp.domain.blocks import BlockSettings
from memory_mcp.domain.copies import KINDS, Attachment
from memory_mcp.domain.host_events import HostEvent
from memory_mcp.domain.ids import PassageId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage, coming
from memory_mcp.domain.tool_rules import parse_rule
from memory_mcp.ports import CopyKind
from memory_mcp.services import Services
from memory_mcp.services.copies import Taken
from memory_mcp.storage.sqlite.copies import NOUNS
from memory_mcp.storage.sqlite.copies.tables import TABLES, Carried
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.testing import HashEmbedder, ManualClock, open_memory
from memory_mcp.testing.chat import ScriptedChat, calls
from memory_mcp.transfer.json_lines import written

AT = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


# --- A store with everything ---


@asynccontextmanager
async def shadowed(path: Path, clock: ManualClock, chat: ScriptedChat) -> AsyncGenerator[Any]:
    """A store with a shadow agent whose model follows a script."""
    model = ModelSettings(name="openai/gpt-5-mini")
    settings = Settings(database=path, agent=AgentChoice(), embedder="none", model=model)
    async with open_worker(settings, chat=chat, clock=clock, embedder=HashEmbedder()) as worker:
        yield worker


async def fill(path: Path) -> None:
    """Everything that a store may hold, through the doors by which it comes."""
    clock, chat = ManualClock(), ScriptedChat()
    async with shadowed(path, clock, chat) as worker:
        services: Services = worker.services
        default, work, crew, left = [
            await services.agents.choose(choice)
            for choice in (
                AgentChoice(),
                AgentChoice(name="Wörk"),
                AgentChoice(project="/home/ana/harbour"),
                AgentChoice(name="left"),
            )
        ]
        await _settings(services, work, crew, left)
        await _blocks(services, default, work, crew)
        await _recall(services, work, clock)
        await _passages(services, work, clock)
        await _hooks(services, crew, clock)
        await _mail(services, default, work, crew, left, clock)
        await _forget(services, work, clock)
        await _runs(worker, work, default, chat, clock)
        await services.agents.delete(left.id)
        await services.ledger.set_paused(True)


async def _settings(services: Services, work: Agent, crew: Agent, left: Agent) -> None:
    told = AgentSettings(
        description="Knows the harbour. ⚓",
        tags=("boats", "crew"),
        system_prompt="You are the harbour's memory.",
        model="openai/gpt-5-mini",
        context_tokens=2_000,
        tool_rules=(parse_rule("init:archival_search"),),
        persona="I speak plainly.",
    )
    await services.agents.set(crew.id, told)
    await services.agents.set(left.id, AgentSettings(tags=("boats",)))
    gone = await services.agents.choose(AgentChoice(name="gone for good"))
    await services.agents.delete(gone.id)
    await services.agents.set_context_tokens(work.id, 1_000)


async def _blocks(services: Services, default: Agent, work: Agent, crew: Agent) -> None:
    memory = services.core_memory
    for line in ("Name: Ana", "Ünïcode 東京 🎉 \u200b", "PIN 47-11-99"):
        await memory.append(work.id, "human", line)
    await memory.append(work.id, "project", "Told once.", key="call-1")
    await memory.create(default.id, "tides", "High at six.", group="boats")
    await memory.create(
        work.id,
        "loose",
        "Nobody's.",
        BlockSettings(description="d", limit_chars=100, on_overflow="error"),
    )
    await memory.append(work.id, "loose", "Still nobody's.")
    await memory.detach(work.id, "loose")
    await memory.create(default.id, "shown", "Read me.", BlockSettings(read_only=True))
    await memory.attach("shown", default.id, crew.id)


async def _recall(services: Services, work: Agent, clock: ManualClock) -> None:
    messages = [
        NewMessage(
            role=("user", "assistant", "tool", "system")[number % 4],
            content=f"{number} " + "words of the sea " * 30,
            created_at=AT + timedelta(minutes=number),
            conversation=f"talk-{number % 2}",
            external_id=f"m{number}" if number % 3 else None,
            name="Ana" if number == 4 else None,
            metadata={"é": [1, 2.5, {"a": None}]} if number == 5 else None,
            aliases=("also-7", "and-7") if number == 7 else (),
        )
        for number in range(30)
    ]
    await services.recall.append(work.id, messages, host="scripts")
    await services.eviction.evict(work.id)
    # These stay in view: nothing leaves it before somebody serves the store.
    await services.recall.append(
        work.id,
        [
            NewMessage(role="user", content="Later. " * 900, created_at=AT, conversation="talk-0")
            for _ in range(3)
        ],
    )
    await bring_into(services, "chatgpt", DATA / "chatgpt.json")
    clock.advance(timedelta(minutes=1))


async def _passages(services: Services, work: Agent, clock: ManualClock) -> None:
    archival = services.archival
    same = "The lock opens at seven."
    old, *_ = await archival.file(
        work.id,
        [
            NewPassage(content="The lock opens at six.", tags=("b", "a"), metadata={"x": "ü"}),
            NewPassage(content="def f():\n    return  1", external_id="code"),
            NewPassage(content="Forget me.", occurred_at=AT, tags=("gone",)),
            NewPassage(content="It was May 1st.", occurred_at=AT),
            NewPassage(content="Diagnosis: old."),
        ],
    )
    await archival.take_in(
        work.id,
        [
            coming(NewPassage(content="Is allergic.", source="user_id:alice")),
            coming(NewPassage(content="Is allergic.", source="user_id:bob")),
            coming(NewPassage(content="Is allergic.", source="user_id:bob", occurred_at=AT)),
        ],
    )
    clock.advance(timedelta(minutes=1))
    await archival.file(work.id, [NewPassage(content="It was May 1st.", tags=("again",))])
    # Superseded twice: both are kept, and both may come back.
    newer = NewPassage(content=same, supersedes=PassageId(old.passage.id))
    (filed,) = await archival.file(work.id, [newer])
    newest = NewPassage(content="The lock opens at eight.", supersedes=filed.passage.id)
    await archival.file(work.id, [newest])


async def _hooks(services: Services, crew: Agent, clock: ManualClock) -> None:
    async def tell(*events: HostEvent) -> None:
        await services.capture.take_in(crew.id, "claude-code", events, clock.now())

    folder = "/home/ana/harbour"
    for session in ("s-open", "s-ended", "s-silent"):
        await tell(HostEvent(kind="start", session=session, folder=folder))
    telling = await services.capture.telling(crew.id, "s-open", 8_000)
    await services.capture.told(crew.id, "s-open", telling)
    await tell(HostEvent(kind="prompt", session="s-open", text="Which tide?", turn="t1"))
    await tell(HostEvent(kind="answer", session="s-open", text="The high one.", key="k-2"))
    await services.capture.read_to(crew.id, "s-open", "/home/ana/.claude/s-open.jsonl", 4_096)
    await tell(HostEvent(kind="compaction", session="s-open", name="attempt"))
    # A clock that is behind: the end is told as earlier than what was said.
    later = HostEvent(kind="prompt", session="s-ended", text="Bye.", at=clock.now())
    await tell(later)
    early = clock.now() - timedelta(minutes=5)
    await tell(HostEvent(kind="end", session="s-ended", at=early))


async def _mail(
    services: Services, default: Agent, work: Agent, crew: Agent, left: Agent, clock: ManualClock
) -> None:
    mail = services.mail
    await mail.send(default.id, "Never read.", to=left.name)
    await mail.send(default.id, "To everybody.", tags=["boats"], key="call-mail")
    await mail.take(left.id, key="call-told")
    asked = (await mail.send(work.id, "Wo ist der Schlüssel?", to=default.name)).sent[0].letter
    await mail.take(default.id)
    await mail.send(default.id, "Unter der Matte.", in_reply_to=asked.id)
    clock.advance(timedelta(days=40))
    await services.housekeeping.run()
    await mail.take(default.id)  # is told what expired
    asked = (await mail.send(crew.id, "Answer me.", to=work.name)).sent[0].letter
    await mail.send(work.id, "I do.", in_reply_to=asked.id)
    await mail.send(crew.id, "Waits.", to=default.name)


async def _forget(services: Services, work: Agent, clock: ManualClock) -> None:
    page = await services.recall.search(work.id, None, limit=1)
    told = (await services.archival.search(work.id, "forget me")).hits[0].passage
    await services.forgetting.forget(work.id, [page.hits[0].message.id, told.id])
    clock.advance(timedelta(minutes=1))
    preview = await services.forgetting.preview(work.id, "47-11-99")
    pending = await services.forgetting.pending(work.id)
    assert pending is not None, preview.answer
    await services.forgetting.confirm(work.id, pending.code)
    # What took the place of something is forgotten with it.
    found = (await services.archival.search(work.id, "Diagnosis old")).hits[0].passage
    newer = NewPassage(content="Diagnosis: new.", supersedes=found.id)
    (filed,) = await services.archival.file(work.id, [newer])
    await services.forgetting.forget(work.id, [filed.passage.id])
    clock.advance(timedelta(minutes=1))
    await services.forgetting.preview(work.id, "Name: Ana")  # and no word is given
    clock.advance(timedelta(minutes=1))


async def _runs(
    worker: Any, work: Agent, default: Agent, chat: ScriptedChat, clock: ManualClock
) -> None:
    finish = calls("memory_finish_edits", report="Kept it.")
    for _ in range(12):
        chat.add(calls("memory_insert", label="human", new_string="Likes ☕."), finish)
    assert await worker.once(None, lambda _: None)
    await worker.services.ledger.request(default.id, "Tidy up the block human.")
    clock.advance(timedelta(minutes=1))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with everything; to be read only."""
    path = tmp_path_factory.mktemp("whole") / "memory.db"
    anyio.run(fill, path)
    return path


async def export(path: Path) -> tuple[list[str], Taken]:
    """The lines of a whole store's export, and what it counts."""
    taken = Taken()
    async with open_memory(path) as services:
        return [line async for line in written(services.copies, None, taken)], taken


# --- Comparing tables ---

NOT_COMPARED = {
    "counts", "waiting", "message_vectors", "message_signs", "passage_vectors", "passage_signs",
    "near_duplicates", "changes", "leases", "presence", "visits", "settings", "sqlite_sequence",
    "store", "block_packs",
}  # fmt: skip
OWNERS = {
    "agent_seq": "agents", "sender_seq": "agents", "recipient_seq": "agents",
    "block_seq": "blocks", "conversation_seq": "conversations", "passage_seq": "passages",
    "run_seq": "runs",
}  # fmt: skip
FIRST = "SELECT min(id) FROM messages WHERE seq = (SELECT min(seq) FROM messages WHERE seq >= {0})"
LAST = "SELECT max(id) FROM messages WHERE seq = (SELECT max(seq) FROM messages WHERE seq <= {0})"


def tables(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every canonical table in order; rows that others refer to are told by their ids."""
    with closing(sqlite_module().connect(path)) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%_fts%'"
            )
        ]
        found = {}
        for table in sorted(set(names) - NOT_COMPARED):
            cursor = connection.execute(f"SELECT * FROM {table}")
            columns = [each[0] for each in cursor.description]
            order = "seq" if "seq" in columns else "1, 2"
            picked = [_picked(table, column) for column in columns if column != "seq"]
            rows = connection.execute(f"SELECT {', '.join(picked)} FROM {table} ORDER BY {order}")
            names = [each[0] for each in rows.description]
            made = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
            key = (lambda _: 0) if "seq" in columns else (lambda row: json.dumps(row, default=str))
            found[table] = sorted(made, key=key)
        return found


def _picked(table: str, column: str) -> str:
    if column in OWNERS:
        return f"(SELECT id FROM {OWNERS[column]} WHERE seq = {table}.{column}) AS {column}"
    if column == "first_seq":
        return f"({FIRST.format(f'{table}.first_seq')}) AS first_seq"
    if column in ("last_seq", "reflected_seq"):
        return f"({LAST.format(f'{table}.{column}')}) AS {column}"
    if column == "compared_seq":
        return "0 AS compared_seq"
    if table == "removed" and column == "row":
        return "json_remove(row, '$.seq') AS row"
    return column


async def test_every_canonical_table_is_the_same_in_the_new_store(
    filled: Path, tmp_path: Path
) -> None:
    lines, _ = await export(filled)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(lines), "utf-8")

    async with open_memory(tmp_path / "new.db") as services:
        report = await bring_into(services, "jsonl", file)
        again = await exported(services)

    before, after = tables(filled), tables(tmp_path / "new.db")
    # What stays behind on purpose: what was forgotten, out of blocks' versions too.
    removed = [row for row in before["removed"] if "The lock opens" in row["row"]]
    assert len(removed) == 2
    before["removed"] = removed
    for row in before["block_history"]:
        row["value"] = "\n".join(
            each for each in row["value"].split("\n") if "47-11-99" not in each
        )
    assert after.keys() == before.keys()
    for table, rows in before.items():
        assert rows, f"the test has nothing in {table}"
        assert after[table] == rows, table
    assert (report.bad, dict(report.left_out), dict(report.not_understood)) == (0, {}, {})
    assert again == lines
    assert {json.loads(line)["kind"] for line in lines} == {*KINDS, "memory-mcp", "end"}


async def test_nothing_that_was_forgotten_is_in_an_export(filled: Path) -> None:
    lines, _ = await export(filled)

    whole = "".join(lines)
    for gone in ("47-11-99", "Forget me", "Diagnosis"):
        assert gone not in whole


async def test_what_stays_behind_is_counted(filled: Path) -> None:
    _, taken = await export(filled)

    left = dict(taken.left_behind)
    assert left.pop("lines of the log of changes") > 0
    assert left == {
        "marks of who is or was connected": 1,
        "forgotten things that can still be put back here": 5,
        "things to be forgotten that wait for a code": 1,
    }
    assert taken.kinds["mail"] == 9
    assert taken.kinds["deleted"] == 1


async def test_what_can_be_undone_can_be_undone_in_the_new_store(
    filled: Path, tmp_path: Path
) -> None:
    lines, _ = await export(filled)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(lines), "utf-8")
    superseded = [json.loads(line) for line in lines if '"kind": "superseded"' in line]

    async with open_memory(tmp_path / "new.db") as services:
        await bring_into(services, "jsonl", file)
        work = await services.agents.named("Wörk")
        back = await services.forgetting.restore(
            work.id, [each["passage"]["id"] for each in superseded]
        )
        found = await services.archival.search(work.id, "lock opens six")
        left = await services.agents.restore("left")
        blocks = await services.core_memory.blocks(left.id)

    assert len(back.back) == 2
    assert found.hits[0].passage.content == "The lock opens at six."
    assert found.hits[0].passage.tags == ("a", "b")
    assert "tides" in [block.label for block in blocks]


@pytest.mark.parametrize("part", [0.03, 0.3, 0.6, 0.9, 0.99])
async def test_an_import_that_ended_early_is_made_whole_by_the_next(
    filled: Path, tmp_path: Path, part: float
) -> None:
    lines, _ = await export(filled)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(lines[: int(len(lines) * part)]), "utf-8")
    async with open_memory(tmp_path / "new.db") as services:
        cut = await bring_into(services, "jsonl", file)
        file.write_text("".join(lines), "utf-8")
        report = await bring_into(services, "jsonl", file)
        again = await exported(services)

    assert [place for place, _ in cut.bad_places] == ["its end"]
    assert report.bad == 0
    assert again == lines


async def test_an_export_changes_nothing_where_everything_is_there(
    filled: Path, tmp_path: Path
) -> None:
    lines, _ = await export(filled)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(lines), "utf-8")

    async with open_memory(tmp_path / "new.db") as services:
        await bring_into(services, "jsonl", file)
        # Restored since: what is known of the agent no longer counts.
        await services.agents.restore("left")
        before = tables(tmp_path / "new.db")
        report = await bring_into(services, "jsonl", file)

    assert (report.stored, report.bad) == (0, 0)
    assert tables(tmp_path / "new.db") == before


async def test_a_store_that_was_only_begun_becomes_the_exported_one(
    filled: Path, tmp_path: Path
) -> None:
    lines, _ = await export(filled)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(lines), "utf-8")

    async with open_memory(tmp_path / "new.db") as services:
        await services.agents.choose(AgentChoice())  # as a host's first call does
        report = await bring_into(services, "jsonl", file)

    assert (report.bad, dict(report.left_out)) == (0, {})
    before, after = tables(filled), tables(tmp_path / "new.db")
    assert [row["id"] for row in after["blocks"]] == [row["id"] for row in before["blocks"]]
    assert len(after["block_history"]) == len(before["block_history"])


async def test_what_another_store_has_of_its_own_stays_and_is_told(
    filled: Path, tmp_path: Path
) -> None:
    lines, _ = await export(filled)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(lines), "utf-8")

    async with open_memory(tmp_path / "new.db") as services:
        default = await services.agents.choose(AgentChoice())
        left = await services.agents.choose(AgentChoice(name="left"))
        work = await services.agents.choose(AgentChoice(name="Wörk"))
        other = await services.agents.choose(AgentChoice(name="other"))
        await services.agents.move(other.id, "/home/ana/harbour")
        await services.agents.set(work.id, AgentSettings(description="Mine."))
        await services.core_memory.append(default.id, "human", "Name: Eva")
        await services.recall.append(
            left.id, [NewMessage(role="user", content="Hi.", created_at=AT, conversation="c")]
        )
        report = await bring_into(services, "jsonl", file)
        blocks = {block.label: block.value for block in await services.core_memory.blocks(work.id)}
        crew = next(one for one in await services.agents.all() if "crew" in one.tags)
        theirs = await services.core_memory.blocks(crew.id)
        found = await services.recall.search(left.id, None)

    assert report.bad == 0
    assert blocks["human"] == "Name: Eva"
    assert "Name: Ana" in {block.label: block.value for block in theirs}["human"]
    assert crew.project is None
    assert [hit.message.content for hit in found.hits] == ["Hi."]
    told = "\n".join(f"{what}: {number}" for what, number in report.left_out.items())
    for what in (
        "has a block 'human' with another text; that one was kept",
        "here is an agent 'left' in use, so a deleted agent of that name did not come",
        "came without its folder, which is agent 'other''s here",
        "mail lines of agent 'left', which did not come: ",
    ):
        assert what in told, told


async def test_an_agent_that_was_deleted_here_does_not_come_back_by_an_import(
    filled: Path, tmp_path: Path
) -> None:
    lines, _ = await export(filled)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(lines), "utf-8")

    async with open_memory(tmp_path / "new.db") as services:
        await services.agents.choose(AgentChoice())
        work = await services.agents.choose(AgentChoice(name="wörk"))
        await services.agents.delete(work.id)
        report = await bring_into(services, "jsonl", file)
        names = [agent.name for agent in await services.agents.all()]

    assert report.bad == 0
    assert names == ["default", "harbour"]
    assert report.left_out["message lines of agent 'Wörk', which did not come"] == 32


async def test_an_export_of_one_agent_has_no_mail_and_nothing_of_nobodys(filled: Path) -> None:
    taken = Taken()
    async with open_memory(filled) as services:
        lines = [line async for line in written(services.copies, ["harbour"], taken)]

    kinds = {json.loads(line)["kind"] for line in lines}
    assert kinds.isdisjoint({"mail", "setting", "deleted"})
    assert "Nobody's." not in "".join(lines)
    assert taken.left_behind["mails between these agents and others"] == 5


async def test_an_export_is_the_store_at_one_moment(filled: Path) -> None:
    async with open_memory(filled) as services:
        default = await services.agents.choose(AgentChoice())
        before = await exported(services)
        lines: list[str] = []
        async for line in written(services.copies, None):
            lines.append(line)
            if len(lines) == 5:
                message = NewMessage(
                    role="user", content="Meanwhile.", created_at=AT, conversation="new"
                )
                await services.recall.append(default.id, [message])

    assert lines == before


async def test_what_a_run_read_stays_when_something_was_forgotten_since(tmp_path: Path) -> None:
    clock, chat = ManualClock(), ScriptedChat()
    path = tmp_path / "memory.db"
    async with shadowed(path, clock, chat) as worker:
        services = worker.services
        agent = await services.agents.choose(AgentChoice())
        said = NewMessage(
            role="user", content="My PIN is 47-11-99.", created_at=clock.now(), conversation="c"
        )
        await services.recall.append(agent.id, [said])
        finish = calls("memory_finish_edits", report="The PIN is 47-11-99.")
        chat.add(calls("memory_insert", label="human", new_string="PIN: 47-11-99"), finish)
        assert await worker.once(None, lambda _: None)
        await services.ledger.request(agent.id, "What was 47-11-99?")
        clock.advance(timedelta(minutes=1))
        await services.forgetting.preview(agent.id, "47-11-99")
        pending = await services.forgetting.pending(agent.id)
        await services.forgetting.confirm(agent.id, pending.code)
    before, taken = await export(path)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(before), "utf-8")

    async with open_memory(tmp_path / "new.db") as services:
        await bring_into(services, "jsonl", file)
        again = await exported(services)
        spent = await services.ledger.state()
        runs = await services.ledger.runs()

    assert "47-11-99" not in "".join(before)
    told = "runs without what they read and wrote, as something was forgotten since"
    assert taken.left_behind[told] == 2
    assert again == before
    assert [(run.kind, run.state) for run in runs] == [
        ("request", "abandoned"),
        ("reflect", "done"),
    ]
    assert spent.tokens_today > 0


# --- The list of tables ---


async def test_every_column_of_the_schema_is_carried_or_has_a_reason(tmp_path: Path) -> None:
    async with open_memory(tmp_path / "new.db"):
        pass
    with closing(sqlite_module().connect(tmp_path / "new.db")) as connection:
        schema = {
            table: {row[1] for row in connection.execute(f"PRAGMA table_xinfo({table})")}
            for (table,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table'"
                " AND name NOT LIKE '%_fts%' AND name NOT LIKE 'sqlite_%'"
            )
        }

    assert TABLES.keys() == schema.keys()
    for table, fate in TABLES.items():
        if isinstance(fate, Carried):
            fields = {name for kind in fate.kinds for name in KINDS[kind].__dataclass_fields__} | (
                set(Attachment.__dataclass_fields__) if table == "agent_blocks" else set()
            )
            told = {fate.called.get(column, column) for column in schema[table] - fate.apart.keys()}
            assert told <= fields, f"{table}: {told - fields}"
            assert fate.apart.keys() | fate.called.keys() <= schema[table], table


def test_every_kind_of_copy_has_its_place_and_its_reader() -> None:
    assert list(KINDS) == list(get_args(CopyKind)) == list(NOUNS)


async def test_an_export_of_the_first_format_still_comes_in(tmp_path: Path) -> None:
    async with open_memory(tmp_path / "new.db") as services:
        report = await bring_into(services, "jsonl", DATA / "export_format_1.jsonl")
        lines = [json.loads(line) for line in await exported(services)]
        work = await services.agents.named("work")
        chain = await services.eviction.chain(work.id)

    assert (report.bad, dict(report.left_out)) == (0, {})
    told = (DATA / "export_format_1.jsonl").read_text("utf-8")
    first = [json.loads(line) for line in told.splitlines()]
    kinds = [line["kind"] for line in first]
    assert report.nouns["message"] == kinds.count("message") == 13
    assert len(chain) == kinds.count("summary")
    for old in first[1:]:
        same = [line for line in lines if line["kind"] == old["kind"]]
        assert any(old.items() <= line.items() for line in same), old


async def test_what_another_agent_forgot_takes_nothing_from_a_run(tmp_path: Path) -> None:
    clock, chat = ManualClock(), ScriptedChat()
    path = tmp_path / "memory.db"
    async with shadowed(path, clock, chat) as worker:
        services = worker.services
        agent = await services.agents.choose(AgentChoice())
        other = await services.agents.choose(AgentChoice(name="other"))
        said = NewMessage(role="user", content="Hi.", created_at=clock.now(), conversation="c")
        await services.recall.append(agent.id, [said])
        chat.add(calls("memory_finish_edits", report="Nothing to keep."))
        assert await worker.once(None, lambda _: None)
        clock.advance(timedelta(minutes=1))
        (filed,) = await services.archival.file(other.id, [NewPassage(content="Gone.")])
        await services.forgetting.forget(other.id, [filed.passage.id])

    lines, _ = await export(path)

    (call,) = [told for line in lines if (told := json.loads(line))["kind"] == "run_call"]
    assert "Hi." in call["request"]


async def test_a_block_that_went_on_here_is_kept_and_can_be_edited(
    filled: Path, tmp_path: Path
) -> None:
    lines, _ = await export(filled)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(lines), "utf-8")
    older = tmp_path / "older.db"
    async with open_memory(older) as services:
        # The same store, from before its block had all its versions.
        await bring_into(services, "jsonl", file)
    with closing(sqlite_module().connect(older)) as connection:
        human = "(SELECT seq FROM blocks WHERE label = 'human' ORDER BY seq LIMIT 1)"
        connection.execute(f"DELETE FROM block_history WHERE block_seq = {human} AND version > 2")
        connection.execute(f"UPDATE blocks SET version = 2, value = 'Ana' WHERE seq = {human}")
        connection.commit()

    async with open_memory(older) as services:
        report = await bring_into(services, "jsonl", file)
        default = await services.agents.choose(AgentChoice())
        edited = await services.core_memory.append(default.id, "human", "Goes on.")
        await services.core_memory.append(default.id, "human", "And on.")

    assert (edited.after.version, edited.after.value) == (3, "Ana\nGoes on.")
    (told,) = [what for what in report.left_out if "reads otherwise here, at version 2" in what]
    assert "that one was kept" in told
