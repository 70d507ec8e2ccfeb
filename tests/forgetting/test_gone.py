"""Forgotten for good means gone: no file of the store holds a byte of sixty texts any more.

Twelve places where a text can stand, and five shapes of it. Each text holds a word that stands
nowhere else, and that word alone is looked for too: the word indexes keep words, not texts.
"""

import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.blocks import BlockSettings
from memory_mcp.domain.forgetting import Wanted
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.testing import ManualClock, open_memory

AT = datetime(2026, 11, 1, tzinfo=UTC)
SHAPES: dict[str, Callable[[str], str]] = {
    "a word": lambda word: word,
    "a long line": lambda word: f"{word} " + " ".join(f"{word}n{n} went on." for n in range(90)),
    "other scripts": lambda word: f"Grüße {word} aus 東京 🎉 \u200b Ñandú",
    "quotes": lambda word: f"She \"said\" \\{word}\\ 'twice' {{}} </x> \t end",
    "lines": lambda word: f'The first {word}\nand "second" line\n\nof {word}',
}


class Case:
    """A store, and the folder around it."""

    def __init__(self, services: Services, folder: Path, agent_id: AgentId) -> None:
        self.services = services
        self.folder = folder
        self.database = folder / "memory.db"
        self.agent_id = agent_id

    def said(self, text: str, **told: Any) -> NewMessage:
        """A message."""
        usual: dict[str, Any] = {"role": "user", "created_at": AT, "conversation": "talk"}
        return NewMessage(content=text, **(usual | told))

    def sql(self, statement: str, *values: Any) -> None:
        """Enter in the store what only a model's run enters."""
        with closing(sqlite_module().connect(self.database)) as connection:
            connection.execute(statement, values)
            connection.commit()

    def lay(self, name: str, text: str) -> None:
        """Write a file beside the store."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)


async def in_passage(case: Case, text: str, n: int) -> None:
    await case.services.archival.file(case.agent_id, [NewPassage(content=f"{n}: {text}")])


async def in_what_an_importer_kept(case: Case, text: str, n: int) -> None:
    told = NewPassage(content=f"Titled {n}.", metadata={"title": text})
    await case.services.archival.file(case.agent_id, [told])
    await case.services.recall.append(
        case.agent_id, [case.said(f"Titled {n}.", metadata={"a": [text]})]
    )


async def in_message(case: Case, text: str, n: int) -> None:
    talk = [case.said(each, conversation=f"c{n}") for each in ("Well?", text, "Ah.", "So?")]
    await case.services.recall.append(case.agent_id, talk)


async def in_summary(case: Case, text: str, n: int) -> None:
    await case.services.recall.append(
        case.agent_id, [case.said(f"We decided on {text} in {n}.", external_id=f"s{n}")]
    )
    filler = [case.said(f"Harbour {n} has {i * 7} boats and {i} nets.") for i in range(60)]
    await case.services.recall.append(case.agent_id, filler)
    await case.services.eviction.evict(case.agent_id)


async def in_block(case: Case, text: str, n: int) -> None:
    await case.services.core_memory.append(case.agent_id, "wide", text)


async def in_old_version(case: Case, text: str, n: int) -> None:
    memory = case.services.core_memory
    now = next(b for b in await memory.blocks(case.agent_id) if b.label == "wide")
    await memory.append(case.agent_id, "wide", text)
    await memory.replace(case.agent_id, "wide", now.value or f"Line {n}", None)


async def in_mail_sent(case: Case, text: str, n: int) -> None:
    await case.services.mail.send(case.agent_id, text, to="other")


async def in_mail_got(case: Case, text: str, n: int) -> None:
    other = await case.services.agents.named("other")
    await case.services.mail.send(other.id, text, to="default")


async def in_the_ledger(case: Case, text: str, n: int) -> None:
    case.sql(
        "INSERT INTO runs (seq, id, agent_seq, kind, trigger, model, state, outcome, started_at,"
        " ended_at) VALUES (?, ?, 1, 'reflect', 'turns', 'm', 'done', ?, '', '')",
        n + 1,
        f"run-{n}",
        f"Noted {text}.",
    )
    told = json.dumps({"messages": [{"content": json.dumps({"said": text})}, text]})
    case.sql("INSERT INTO run_calls VALUES (?, 1, '', '', ?, ?, NULL, 1, 1, 0)", n + 1, told, told)
    case.sql(
        "INSERT INTO run_changes VALUES (?, 1, 'block', 'b', 'edited', ?, NULL, NULL)", n + 1, told
    )
    await in_passage(case, text, n)


async def in_what_was_replaced(case: Case, text: str, n: int) -> None:
    (old,) = await case.services.archival.file(case.agent_id, [NewPassage(content=text)])
    new = NewPassage(content=f"What holds now, {n}.", supersedes=old.passage.id)
    await case.services.archival.file(case.agent_id, [new])


async def in_what_was_forgotten_before(case: Case, text: str, n: int) -> None:
    (old,) = await case.services.archival.file(case.agent_id, [NewPassage(content=text)])
    await case.services.forgetting.forget(case.agent_id, [old.passage.id])


async def in_hooks_and_logs(case: Case, text: str, n: int) -> None:
    head = json.dumps({"host": "claude-code", "at": "x", "folder": "", "environment": {}})
    for kind, ascii_only in (("json", True), ("refused", False)):
        body = json.dumps({"prompt": text, "session_id": "s"}, ensure_ascii=ascii_only)
        case.lay(f"memory.db.hooks/{10**18 + n:020d}-{n}.{kind}", f"{head}\n{body}")
    for log in ("memory.db.daemon.log", "memory.db.hooks.log", "memory.db.shadow.log"):
        case.lay(log, f"12:00 it failed: {text!r}\n12:01 all well\n")


PLACES: list[Callable[[Case, str, int], Coroutine[Any, Any, None]]] = [
    in_passage,
    in_what_an_importer_kept,
    in_message,
    in_summary,
    in_block,
    in_old_version,
    in_mail_sent,
    in_mail_got,
    in_the_ledger,
    in_what_was_replaced,
    in_what_was_forgotten_before,
    in_hooks_and_logs,
]
TEXTS = [
    (place, shape(f"qz{n:02d}vk{s}w"), f"qz{n:02d}vk{s}w")
    for n, place in enumerate(PLACES)
    for s, shape in enumerate(SHAPES.values())
]


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    """A store in which all sixty texts stand, with whatever they have left behind on their way."""
    async with open_memory(
        tmp_path / "memory.db", clock=ManualClock(), context_tokens=1_500
    ) as services:
        agent_id = (await services.agents.choose(AgentChoice())).id
        await services.agents.choose(AgentChoice(name="other"))
        wide = BlockSettings(description="d", limit_chars=100_000)
        await services.core_memory.create(agent_id, "wide", "It begins.", wide)
        case = Case(services, tmp_path, agent_id)
        for number, (place, text, _) in enumerate(TEXTS):
            await place(case, text, number)
        yield case


def forms(text: str) -> set[bytes]:
    """How a text may be written in a file."""
    found: set[str] = {text, " ".join(text.split()), repr(text)[1:-1]}
    for one in list(found):
        for ascii_only in (True, False):
            once = json.dumps(one, ensure_ascii=ascii_only)[1:-1]
            found |= {once, json.dumps(once, ensure_ascii=ascii_only)[1:-1]}
    return {each.encode() for each in found}


def holding(folder: Path, text: str, word: str) -> set[str]:
    """The files in which a text stands, or its word, whatever its capitals."""
    wanted = {form.lower() for form in forms(text)} | {word.encode()}
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and any(form in path.read_bytes().lower() for form in wanted)
    }


def handle(text: str) -> str:
    """What a person types to have it gone: all of it, or its beginning where it is very long."""
    return text[:500]


async def test_sixty_texts_stand_in_no_file_after_they_were_forgotten_for_good(case: Case) -> None:
    assert len(TEXTS) == 60
    for _, text, word in TEXTS:
        assert holding(case.folder, text, word), word
    forgetting = case.services.forgetting

    receipts: list[str] = []
    for _, text, word in TEXTS:
        preview = await forgetting.preview(case.agent_id, Wanted(text=handle(text), at_once=True))
        assert preview.code, (word, preview.shown)
        gone = await forgetting.confirm(case.agent_id, preview.code or "", "command")
        receipts.append(gone.receipt or "")
    for receipt in receipts:
        assert await forgetting.end(receipt)

    left = {word: files for _, text, word in TEXTS if (files := holding(case.folder, text, word))}
    assert left == {}
    for _, text, _ in TEXTS:
        traces = await forgetting.traces(text)
        assert (list(traces.rows), list(traces.files)) == ([], [])
    assert all(receipt.erased_at for receipt in await forgetting.receipts(100))
    kept = json.dumps([str(one) for one in await forgetting.receipts(100)])
    assert not [word for _, _, word in TEXTS if word in kept]
    # What was not meant is where it was.
    blocks = await case.services.core_memory.blocks(case.agent_id)
    assert next(one.value for one in blocks if one.label == "wide").startswith("It begins.")
    assert "all well" in (case.folder / "memory.db.daemon.log").read_text()


async def test_the_proof_finds_a_text_in_every_place_before_it_goes(case: Case) -> None:
    for place, text, _ in TEXTS:
        traces = await case.services.forgetting.traces(text)
        if place is in_hooks_and_logs:
            assert len({trace.file for trace in traces.files}) >= 5, text
        elif place is in_what_an_importer_kept:
            assert {row.partition(":")[0] for row in traces.rows} >= {"passages.metadata"}, text
        else:
            assert traces.rows, (place, text)


async def test_after_thirty_days_it_is_gone_as_well(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_memory(tmp_path / "memory.db", clock=clock) as services:
        agent_id = (await services.agents.choose(AgentChoice())).id
        told = NewPassage(content="The qz77vkw is blue.")
        (filed,) = await services.archival.file(agent_id, [told])
        await services.archival.file(agent_id, [NewPassage(content="Rye.")])
        await services.forgetting.forget(agent_id, [filed.passage.id])

        clock.advance(timedelta(days=30, seconds=-1))
        await services.upkeep.round(rested=False)
        assert holding(tmp_path, told.content, "qz77vkw")
        assert (await services.forgetting.restore(agent_id)).back
        await services.forgetting.forget(agent_id, [filed.passage.id])
        clock.advance(timedelta(days=30, seconds=1))
        await services.upkeep.round(rested=False)

        assert holding(tmp_path, told.content, "qz77vkw") == set()
        last, before = await services.forgetting.receipts()
        assert (last.erased_at, last.undone_at) == (clock.now(), None)
        assert before.undone_at
        assert not before.gone_at


async def test_a_copy_beside_the_store_is_named_and_left_unless_it_is_wanted_gone(
    tmp_path: Path,
) -> None:
    async with open_memory(tmp_path / "memory.db") as services:
        agent_id = (await services.agents.choose(AgentChoice())).id
        told = NewPassage(content="The qz78vkw is blue.")
        (filed,) = await services.archival.file(agent_id, [told])
        for name in ("memory.db.before-schema-9", "memory-old.db"):
            (tmp_path / name).write_bytes((tmp_path / "memory.db").read_bytes() + b"qz78vkw")
        os.chmod(tmp_path / "memory.db.before-schema-9", 0o600)

        gone = await services.forgetting.forget(agent_id, [filed.passage.id])
        assert gone.receipt
        await services.forgetting.end(gone.receipt)

        receipt = await services.forgetting.receipt(gone.receipt)
        (copies,) = [line for line in receipt.lines if line.noun == "copy"]
        assert copies.place == "beside the store, not touched"
        assert copies.ids == ["memory-old.db", "memory.db.before-schema-9"]
        traces = await services.forgetting.traces("The qz78vkw is blue.")
        assert {trace.file for trace in traces.files} <= set(copies.ids)
        assert await services.forgetting.remove_copies(gone.receipt) == [
            "memory.db.before-schema-9"
        ]
        assert holding(tmp_path, told.content, "qz78vkw") == {"memory-old.db"}
