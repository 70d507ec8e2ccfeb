"""Forgetting holds for every noun: a text that was forgotten stands nowhere any more.

Every column of the schema that holds text is in the table below, with what forgetting means for
it. A new column that is in no line of it fails the first test.
"""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from memory_mcp.domain.agents import AgentChoice, AgentSettings
from memory_mcp.domain.blocks import BlockSettings
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.services import Services
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.testing import ManualClock, open_memory

WORD = "Swordfish"
FATES = {
    # It goes at once; what can be put back is kept apart, and goes at the end.
    "passages.content": "goes",
    "passages.metadata": "goes",
    "messages.content": "goes",
    "messages.metadata": "goes",
    "blocks.value": "goes",
    "summaries.text": "goes",
    "mail.text": "goes",
    "run_calls.request": "goes",
    "run_calls.response": "goes",
    "run_changes.before": "goes",
    "run_changes.after": "goes",
    "runs.outcome": "goes",
    "settings.value": "goes",  # what waits for its word
    "visits.memo": "goes",  # the last answer, whatever it was
    "removed.row": "is kept for 30 days",
    "block_history.value": "is hidden, and kept for 30 days",
    # A person has set it, and is told that the text stands there.
    "agents.description": "is named",
    "agents.system_prompt": "is named",
    "blocks.description": "is named",
    # Names by which things are found: not looked at.
    "passage_tags.tag": "is a name",
    "counts.tag": "is a name",
    "messages.name": "is a name",
    "conversations.external_id": "is a name",
    "conversations.project": "is a name",
    "agents.name": "is a name",
    "agents.tags": "is a name",
    "agents.project": "is a name",
    "blocks.label": "is a name",
    "blocks.group_tag": "is a name",
    "blocks.metadata": "is a name",  # what an agent file says of it: who made it, a template's name
    "agent_blocks.label": "is a name",
    "passages.source": "is a name",
    "forgotten.source": "is a name",
    "forgotten.conversation": "is a name",
    "host_sessions.transcript": "is a name",
    "visits.client": "is a name",
    "presence.connection": "is a name",
    # What our own code says, or a model of its own work.
    "changes.details": "tells labels and numbers",
    "runs.progress": "ends with its run, which changes nothing when something was forgotten",
    "run_calls.error": "is the provider's word",
    "host_sessions.seen": "tells versions",
    "host_sessions.last_sign": "tells a kind of event",
    "agents.tool_rules": "tells names of tools",
    "forgotten.digest": "is a digest",
    "removed.receipt": "is an id",
    "receipts.asked": "is a word of ours",
    "receipts.asked_by": "is a word of ours",
    "receipt_lines.place": "is a word of ours",
    "receipt_lines.ids": "tells ids and names of files",
}
PLAIN = re.compile(
    r"""\w+\.(id|\w+_id|\w+_ids|\w+_at|\w+_until|at|dated|noun|operation|state|kind|trigger|host
    |role|model|made_by|\w*key|origin|supersedes|superseded_by|in_reply_to|root|on_overflow
    |changed_by|removed_by|holder)|settings\.name|leases\.name""",
    re.VERBOSE,
)
"""Ids, times, and words of a short list of ours."""


@contextmanager
def connected(path: Path) -> Iterator[Any]:
    """A connection to the store's file."""
    with closing(sqlite_module().connect(path)) as connection:
        yield connection


def text_columns(connection: Any) -> list[tuple[str, str]]:
    """Every column of text in every table that is no index."""
    named = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    return [
        (table, column)
        for (table,) in connection.execute(named).fetchall()
        if "_fts" not in table
        for _, column, kind, *_ in connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
        if kind == "TEXT"
    ]


def columns_with(path: Path, word: str) -> set[str]:
    """Where a word stands in the store, whatever its capitals."""
    with connected(path) as connection:
        return {
            f"{table}.{column}"
            for table, column in text_columns(connection)
            if connection.execute(
                f"SELECT 1 FROM {table} WHERE instr(lower({column}), ?)", (word.lower(),)
            ).fetchone()
        }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store in which the word stands wherever something can stand."""
    path = tmp_path / "memory.db"
    anyio.run(fill, path)
    with connected(path) as connection:
        connection.executescript(RUN)
        connection.execute("INSERT INTO visits VALUES (1, 'c', ?, '')", (WORD,))
        connection.commit()
    return path


RUN = f"""
INSERT INTO runs (seq, id, agent_seq, kind, trigger, model, state, outcome, started_at, ended_at)
    VALUES (1, 'run-1', 1, 'reflect', 'turns', 'm', 'done', 'Noted the {WORD}.', '', '');
INSERT INTO run_calls VALUES
    (1, 1, '', '', '{{"messages": ["What of \\u00e9t\\u00e9, {WORD}?"]}}', '"no"', NULL, 1, 1, 0),
    (1, 2, '', '', '{{}}', '{{"said": "the {WORD.lower()}"}}', NULL, 1, 1, 0),
    (1, 3, '', '', '{{"messages": ["Another thing."]}}', '"yes"', NULL, 1, 1, 0);
INSERT INTO run_changes VALUES
    (1, 1, 'block', 'block-1', 'edited', '{{"value": "{WORD}"}}', '{{"value": "{WORD} 2"}}', NULL),
    (1, 2, 'block', 'block-1', 'edited', '{{"value": "x"}}', '{{"value": "y"}}', NULL);
"""


async def fill(path: Path) -> None:
    """Make the store."""
    async with open_memory(path, embedder=None, context_tokens=1_500) as services:
        agent_id = (await services.agents.choose(AgentChoice())).id
        await put_everywhere(services, agent_id)


async def put_everywhere(services: Services, agent_id: AgentId) -> None:
    """Put the word into everything that a person, an agent or an importer can write."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    turns = [
        NewMessage(
            role="user" if n % 2 else "assistant",
            content=f"Item {n}: the harbour of {WORD}{n} has {n * 7} boats.",
            created_at=at + timedelta(minutes=n),
            conversation="chat-1",
            external_id=f"m{n}",
        )
        for n in range(80)
    ]
    marked = NewMessage(
        role="user",
        content="Hm.",
        created_at=at + timedelta(days=1),
        conversation="chat-2",
        metadata={"title": f"On the {WORD}"},
    )
    speaker = replace(marked, name=WORD, metadata=None)
    await services.recall.append(agent_id, [*turns, marked])
    await services.eviction.evict(agent_id)
    await services.recall.append(agent_id, [speaker] * 30)
    await services.eviction.evict(agent_id)
    told = [
        NewPassage(content=f"The {WORD} is blue."),
        NewPassage(content="Ana likes rye.", tags=(WORD,)),
        NewPassage(content="Ana likes tea.", metadata={"title": f'"{WORD.upper()}"'}),
    ]
    await services.archival.file(agent_id, told)
    for value in (f"knows the {WORD.lower()}\nlikes jam", f"likes jam\nasks for {WORD}"):
        await services.core_memory.replace(agent_id, "human", value, None)
    described = BlockSettings(description=f"All about the {WORD}")
    await services.core_memory.set(agent_id, "human", None, described)
    settings = AgentSettings(description=f"Watches the {WORD}", system_prompt=f"Mind the {WORD}.")
    await services.agents.set(agent_id, settings)
    other = await services.agents.choose(AgentChoice(name="other"))
    await services.mail.send(agent_id, f"Where is the {WORD}?", to=other.name)


async def forgotten(services: Services, text: str) -> str:
    """Forget a text as a person does; what the preview said."""
    agent_id = (await services.agents.choose(AgentChoice())).id
    preview = await services.forgetting.preview(agent_id, text)
    await services.forgetting.confirm(agent_id, preview.code or "")
    return preview.answer


def fated(*fates: str) -> set[str]:
    """The columns of which one of these holds."""
    return {column for column, fate in FATES.items() if fate in fates}


def test_every_column_of_text_has_its_fate(path: Path) -> None:
    with connected(path) as connection:
        columns = {f"{table}.{column}" for table, column in text_columns(connection)}

    assert {one for one in columns - FATES.keys() if not PLAIN.fullmatch(one)} == set()
    assert FATES.keys() - columns == set()


async def test_what_was_forgotten_stands_nowhere_any_more(path: Path) -> None:
    named, kept = fated("is named"), fated("is kept for 30 days", "is hidden, and kept for 30 days")
    names = {"passage_tags.tag", "counts.tag", "messages.name"}
    gone = fated("goes") - {"settings.value"}
    assert columns_with(path, WORD) == {*gone, *named, *names, "block_history.value"}
    clock = ManualClock()

    async with open_memory(path, clock=clock, embedder=None) as services:
        said = await forgotten(services, WORD)

    assert columns_with(path, WORD) == {*named, *kept, *names}
    for place in ("the description of block 'human'", "the agent's description", "system prompt"):
        assert place in said
    with connected(path) as connection:
        calls = connection.execute("SELECT number FROM run_calls WHERE request IS NOT NULL")
        assert calls.fetchall() == [(3,)]
        changes = connection.execute("SELECT number FROM run_changes WHERE before IS NOT NULL")
        assert changes.fetchall() == [(2,)]

    clock.advance(timedelta(days=31))
    async with open_memory(path, clock=clock, embedder=None) as services:
        await services.forgetting.purge()

    assert columns_with(path, WORD) == {*named, *names}


async def test_after_a_forgetting_nothing_shows_the_text(path: Path) -> None:
    async with open_memory(path, embedder=None) as services:
        await forgotten(services, WORD)
        agent_id = (await services.agents.choose(AgentChoice())).id

        shown = [
            *(one.value for one in await services.core_memory.history(agent_id, "human")),
            *(one.text for one in await services.eviction.chain(agent_id)),
            *(one.text for one in (await services.mail.all(None, 50))[0]),
            *[str(copy) async for copy in services.copies.rows("block_version")],
            *[str(copy) async for copy in services.copies.rows("mail")],
            *[str(copy) async for copy in services.copies.rows("run_call")],
            *[str(copy) async for copy in services.copies.rows("passage")],
            (await services.forgetting.preview(agent_id, WORD)).answer.split(" It also ")[0],
        ]

    told = [each for each in shown if WORD.lower() in each.lower()]
    assert [
        each for each in told if "tags=['Swordfish']" not in each and "Nothing" not in each
    ] == []


async def test_undo_puts_everything_back_that_is_memory(path: Path) -> None:
    clock = ManualClock()
    async with open_memory(path, clock=clock, embedder=None) as services:
        agent_id = (await services.agents.choose(AgentChoice())).id
        before = await memory(services, agent_id)
        await forgotten(services, WORD)
        assert await memory(services, agent_id) != before
        clock.advance(timedelta(minutes=1))

        restored = await services.forgetting.restore(agent_id)

        after = await memory(services, agent_id)
    assert before.pop("versions") <= after.pop("versions")
    assert after == before
    assert "1 mail" in restored.answer
    assert "1 line of older versions of core memory" in restored.answer


async def memory(services: Services, agent_id: AgentId) -> dict[str, Any]:
    """Everything of an agent's that forgetting takes and undo puts back."""
    history = await services.core_memory.history(agent_id, "human")
    return {
        "messages": [str(copy) async for copy in services.copies.rows("message")],
        "passages": [str(copy) async for copy in services.copies.rows("passage")],
        "mail": [str(copy) async for copy in services.copies.rows("mail")],
        "block": next(
            one.value for one in await services.core_memory.blocks(agent_id) if one.label == "human"
        ),
        "versions": {one.value for one in history},
        "forgotten": [str(copy) async for copy in services.copies.rows("forgotten_text")],
    }


async def test_a_line_that_is_told_again_is_forgotten_no_more(path: Path) -> None:
    async with open_memory(path, embedder=None) as services:
        agent_id = (await services.agents.choose(AgentChoice())).id
        await forgotten(services, f"asks for {WORD}")
        await services.core_memory.append(agent_id, "human", f"asks for {WORD}")

        versions = [one.value for one in await services.core_memory.history(agent_id, "human")]
        forgotten_texts = [copy async for copy in services.copies.rows("forgotten_text")]

    assert f"asks for {WORD}" in versions[0]
    assert forgotten_texts == []


async def test_undoing_an_edit_does_not_bring_a_forgotten_line_back(path: Path) -> None:
    async with open_memory(path, embedder=None) as services:
        agent_id = (await services.agents.choose(AgentChoice())).id
        await forgotten(services, WORD)

        undone = await services.core_memory.undo(agent_id, "human", 3)

    assert undone.after.value == "likes jam"


async def test_a_mail_between_others_is_left_alone(path: Path) -> None:
    async with open_memory(path, embedder=None) as services:
        for name in ("one", "two"):
            await services.agents.choose(AgentChoice(name=name))
        one = await services.agents.named("one")
        await services.mail.send(one.id, f"The {WORD}!", to="two")

        await forgotten(services, WORD)

        texts = [letter.text for letter in (await services.mail.all(one.id, 5))[0]]
    assert texts == [f"The {WORD}!"]
