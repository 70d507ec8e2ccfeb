"""Every noun meets every duty: each cell of one table is exercised here, or says why it is empty.

The nouns are the tables of the schema and the files beside the store. A new table or a new file
that is in no noun fails; so does a noun without a cell for a duty. What each column of a table
holds, and how it is carried into another store, stands in `test_forgetting_everywhere.py` and in
`storage/sqlite/copies/tables.py`, which are held to the same schema.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from tests.services.test_forgetting_everywhere import columns_with
from tests.transfer.conftest import bring_into
from tests.transfer.test_json_lines_export import exported

from memory_mcp.app.backups import back_up, prepared, put_in_place
from memory_mcp.daemon.worker import worker_log
from memory_mcp.domain.agents import AgentChoice, AgentSettings
from memory_mcp.domain.errors import BlockNotFound
from memory_mcp.domain.forgetting import Wanted
from memory_mcp.domain.ids import AgentId, RunId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.passages import NewPassage
from memory_mcp.rendezvous import Rendezvous
from memory_mcp.services import Services
from memory_mcp.snapshots import Snapshots
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.testing import ManualClock, open_memory

Duty = Literal[
    "forget", "undo", "mask", "export", "import", "backup", "purge", "announce", "count", "fence"
]
DUTIES: tuple[Duty, ...] = get_args(Duty)
TEXT = "Swordfish77"
SECRET = "sk-proj-" + "kX3dE5fG7hJ9qL1mN2pQ4rS6tU8vW0xYzTbCdRfGhWjKlMn"
AT = datetime(2026, 11, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass(frozen=True)
class No:
    """The duty does not apply; and why."""

    why: str


Cell = str | No
"""How it is done, in a few words; or why it isn't."""


class Place:
    """An open store, its path, and the agent whose memory it is about."""

    def __init__(self, services: Services, path: Path, agent_id: AgentId) -> None:
        self.services = services
        self.path = path
        self.agent_id = agent_id

    def sql(self, statement: str, *values: Any) -> None:
        """Enter what only a model's run enters."""
        with closing(sqlite_module().connect(self.path)) as connection:
            connection.execute(statement, values)
            connection.commit()


@dataclass(frozen=True)
class Noun:
    """What a store holds: where, how it comes there, and how it is seen."""

    tables: frozenset[str]
    cells: Mapping[Duty, Cell]
    plant: Callable[[Place, str], Awaitable[object]]
    """Put a text into it through the door by which it comes."""
    read: Callable[[Place], Awaitable[str]]
    """What is seen of it by the agent."""
    wanted: Callable[[str], Wanted] = field(default=lambda text: Wanted(text=text))
    told: frozenset[str] = frozenset()
    """Nouns of the lines of the log of changes that tell of its coming."""
    number: Callable[[Place], Awaitable[int]] | None = None


@dataclass(frozen=True)
class Machinery:
    """Tables that hold no memory of their own; and why no duty applies."""

    tables: frozenset[str]
    why: str


def said(text: str, **told: Any) -> NewMessage:
    """A message."""
    usual: dict[str, Any] = {"role": "user", "created_at": AT, "conversation": "talk"}
    return NewMessage(content=text, **(usual | told))


# --- How each comes, and how it is seen ---


async def describe_agent(at: Place, text: str) -> None:
    await at.services.agents.set(at.agent_id, AgentSettings(description=text, system_prompt=text))


async def see_agent(at: Place) -> str:
    return str(await at.services.agents.get(at.agent_id))


async def write_line(at: Place, text: str) -> None:
    await at.services.core_memory.append(at.agent_id, "project", f"knows {text}")


async def see_blocks(at: Place) -> str:
    return str(await at.services.core_memory.blocks(at.agent_id))


async def overwrite_line(at: Place, text: str) -> None:
    await write_line(at, text)
    await at.services.core_memory.replace(at.agent_id, "project", "knows nothing", None)


async def see_history(at: Place) -> str:
    try:
        return str(await at.services.core_memory.history(at.agent_id, "project"))
    except BlockNotFound:  # it went with its agent
        return ""


async def file_passage(at: Place, text: str) -> None:
    await at.services.archival.file(at.agent_id, [NewPassage(content=f"The {text} is blue.")])


async def see_passages(at: Place) -> str:
    page = await at.services.archival.search(at.agent_id, "the is blue", limit=20)
    return str([hit.passage.content for hit in page.hits])


async def say(at: Place, text: str) -> None:
    await at.services.recall.append(at.agent_id, [said(f"Said {text}.")])


async def see_messages(at: Place) -> str:
    page = await at.services.recall.search(at.agent_id, None, limit=20)
    return str([hit.message.content for hit in page.hits])


async def talk(at: Place, text: str) -> None:
    await at.services.recall.append(at.agent_id, [said("Well.", conversation=text)])


async def see_conversations(at: Place) -> str:
    return str(await at.services.recall.conversations(at.agent_id))


async def summarise(at: Place, text: str) -> None:
    harbour = [said(f"Item {n}: the harbour of {text}{n} has {n * 7} boats.") for n in range(120)]
    await at.services.agents.set(at.agent_id, AgentSettings(context_tokens=1_500))
    await at.services.recall.append(at.agent_id, harbour)
    await at.services.eviction.evict(at.agent_id)


async def see_summaries(at: Place) -> str:
    return str([one.text for one in await at.services.eviction.chain(at.agent_id)])


async def send(at: Place, text: str) -> None:
    await at.services.mail.send(at.agent_id, f"Where is the {text}?", to="friend")


async def see_mail(at: Place) -> str:
    return str((await at.services.mail.all(at.agent_id, 50))[0])


async def run_model(at: Place, text: str) -> None:
    seq = "(SELECT seq FROM agents WHERE id = ?)"
    at.sql(
        "INSERT INTO runs (seq, id, agent_seq, kind, trigger, model, state, outcome, started_at,"
        f" ended_at) VALUES (1, 'run-1', {seq}, 'reflect', 'turns', 'm', 'done', ?, ?, ?)",
        *(at.agent_id, f"Noted {text}.", "2026-11-01T00:00:00.000Z", "2026-11-01T00:00:00.000Z"),
    )
    told = json.dumps({"messages": [f"What of {text}?"]})
    at.sql(
        "INSERT INTO run_calls VALUES (1, 1, '2026-11-01', NULL, ?, ?, NULL, 1, 1, 0)",
        *(told, told),
    )
    at.sql("INSERT INTO run_changes VALUES (1, 1, 'block', 'b', 'edited', ?, NULL, NULL)", told)
    await write_line(at, text)


async def see_runs(at: Place) -> str:
    runs = await at.services.ledger.runs(at.agent_id)
    return str([await at.services.ledger.record(RunId(run.id)) for run in runs])


async def replace_passage(at: Place, text: str) -> None:
    (old,) = await at.services.archival.file(at.agent_id, [NewPassage(content=f"Old {text}.")])
    new = NewPassage(content="What holds now.", supersedes=old.passage.id)
    await at.services.archival.file(at.agent_id, [new])


async def see_replaced(at: Place) -> str:
    """What the file still holds of it: no view shows it, and that is the point."""
    held = [str(copy) async for copy in at.services.copies.rows("superseded")]
    agent = await at.services.agents.get(at.agent_id)
    return str([each for each in held if f"agent='{agent.name}'" in each])


async def spool_call(at: Place, text: str) -> None:
    agent = await at.services.agents.get(at.agent_id)
    spool = Path(Rendezvous(str(at.path)).spool)
    spool.mkdir(exist_ok=True)
    head = json.dumps({"host": "none", "agent": agent.name})
    for kind in ("json", "refused"):
        body = json.dumps({"prompt": text})
        (spool / f"{10**18:020d}-1.{kind}").write_text(f"{head}\n{body}", "utf-8")


async def see_calls(at: Place) -> str:
    agent = await at.services.agents.get(at.agent_id)
    spool = Path(Rendezvous(str(at.path)).spool)
    told = [path.read_text("utf-8") for path in spool.glob("*")] if spool.exists() else []
    return str(
        [each for each in told if json.loads(each.partition("\n")[0])["agent"] == agent.name]
    )


async def messages_counted(at: Place) -> int:
    return (await at.services.view.statistics(at.agent_id)).messages


async def passages_counted(at: Place) -> int:
    return (await at.services.view.statistics(at.agent_id)).passages


async def conversations_counted(at: Place) -> int:
    return (await at.services.view.statistics(at.agent_id)).conversations


async def blocks_counted(at: Place) -> int:
    return sum(block.chars for block in (await at.services.view.statistics(at.agent_id)).blocks)


async def mail_counted(at: Place) -> int:
    friend = await at.services.agents.named("friend")
    unread = (await at.services.view.statistics(friend.id)).unread
    return sum(each.mails for each in unread)


async def summarised_counted(at: Place) -> int:
    window = (await at.services.view.statistics(at.agent_id)).window
    return window.messages_summarised if window else 0


# --- The table ---

_FILE = "it is in the store's file, all of which `memory-mcp backup` copies"
_LEFT_OUT = No("what it says stands in another noun, which is masked as it comes")

NOUNS: dict[str, Noun] = {
    "agent": Noun(
        tables=frozenset({"agents"}),
        plant=describe_agent,
        read=see_agent,
        told=frozenset({"agent"}),
        cells={
            "forget": No("a person has set it: the preview names it, a person changes it"),
            "undo": No("nothing of it is forgotten but all of it, by agents delete"),
            "mask": "domain/redact, before it is stored",
            "export": "kind agent",
            "import": "kind agent",
            "backup": _FILE,
            "purge": "30 days after it was deleted",
            "announce": "agent changed",
            "count": No("`agents list` lists all"),
            "fence": "its settings are its own",
        },
    ),
    "block": Noun(
        tables=frozenset({"blocks", "agent_blocks"}),
        plant=write_line,
        read=see_blocks,
        told=frozenset({"block"}),
        number=blocks_counted,
        cells={
            "forget": "lines go by an edit",
            "undo": "lines go back where they stood",
            "mask": "domain/redact, before it is stored",
            "export": "kind block",
            "import": "kind block",
            "backup": _FILE,
            "purge": "with the last agent that has it",
            "announce": "block edited",
            "count": "characters of its limit",
            "fence": "whoever is attached",
        },
    ),
    "block history": Noun(
        tables=frozenset({"block_history", "block_packs"}),
        plant=overwrite_line,
        read=see_history,
        told=frozenset({"block"}),
        cells={
            "forget": "lines are hidden, and go at the end",
            "undo": "they are shown again",
            "mask": _LEFT_OUT,
            "export": "kind block_version",
            "import": "kind block_version",
            "backup": _FILE,
            "purge": "with its block",
            "announce": "block edited",
            "count": No("a version is a number of its block"),
            "fence": "whoever has the block",
        },
    ),
    "passage": Noun(
        tables=frozenset({"passages", "passage_tags"}),
        plant=file_passage,
        read=see_passages,
        told=frozenset({"passage"}),
        number=passages_counted,
        cells={
            "forget": "out of the table, the word index and the vectors",
            "undo": "same id, place, dates and tags",
            "mask": "domain/redact, before it is stored",
            "export": "kind passage",
            "import": "kind passage",
            "backup": _FILE,
            "purge": "with its agent",
            "announce": "passage filed",
            "count": "passages, and each tag",
            "fence": "agent_seq",
        },
    ),
    "message": Noun(
        tables=frozenset({"messages", "message_aliases"}),
        plant=say,
        read=see_messages,
        told=frozenset({"message", "conversation"}),
        number=messages_counted,
        cells={
            "forget": "out of the table, both word indexes, its neighbours' texts and the vectors",
            "undo": "same id, place and date",
            "mask": "domain/redact, before it is stored",
            "export": "kind message",
            "import": "kind message",
            "backup": _FILE,
            "purge": "with its agent",
            "announce": "messages appended",
            "count": "messages",
            "fence": "agent_seq",
        },
    ),
    "conversation": Noun(
        tables=frozenset({"conversations", "host_sessions"}),
        plant=talk,
        read=see_conversations,
        wanted=lambda text: Wanted(conversation=text),
        told=frozenset({"message", "conversation"}),
        number=conversations_counted,
        cells={
            "forget": "with its messages, by its id or its host's",
            "undo": "with its messages",
            "mask": No("it is an id that a host gave it"),
            "export": "kind conversation",
            "import": "kind conversation",
            "backup": _FILE,
            "purge": "with its agent",
            "announce": "messages appended",
            "count": "conversations",
            "fence": "agent_seq",
        },
    ),
    "summary": Noun(
        tables=frozenset({"summaries"}),
        plant=summarise,
        read=see_summaries,
        told=frozenset({"summary"}),
        number=summarised_counted,
        cells={
            "forget": "fragments go; what a model wrote is dropped and made anew",
            "undo": No("recall has what a fragment told"),
            "mask": _LEFT_OUT,
            "export": "kind summary",
            "import": "kind summary",
            "backup": _FILE,
            "purge": "with its agent",
            "announce": "summary made",
            "count": "messages summarised",
            "fence": "agent_seq",
        },
    ),
    "mail": Noun(
        tables=frozenset({"mail"}),
        plant=send,
        read=see_mail,
        told=frozenset({"mail"}),
        number=mail_counted,
        cells={
            "forget": "from both sides",
            "undo": "for both sides, as it was",
            "mask": "domain/redact, before it is stored",
            "export": "kind mail",
            "import": "kind mail",
            "backup": _FILE,
            "purge": "with either agent",
            "announce": "mail sent",
            "count": "unread, by sender",
            "fence": "its sender and its recipient",
        },
    ),
    "run": Noun(
        tables=frozenset({"runs", "run_calls", "run_changes"}),
        plant=run_model,
        read=see_runs,
        cells={
            "forget": "the payloads, changes and outcomes that tell of it",
            "undo": No("payloads are not put back: they are not memory"),
            "mask": _LEFT_OUT,
            "export": "kinds run, run_call and run_change",
            "import": "kinds run, run_call and run_change",
            "backup": _FILE,
            "purge": "with its agent",
            "announce": No("it is planted without a worker here; tests/loop see run lines"),
            "count": No("`shadow runs` lists them, and what they cost"),
            "fence": "agent_seq",
        },
    ),
    "replaced passage": Noun(
        tables=frozenset({"removed"}),
        plant=replace_passage,
        read=see_replaced,
        told=frozenset({"passage"}),
        cells={
            "forget": "it stands on the receipt, and no export carries it",
            "undo": "it is replaced again",
            "mask": _LEFT_OUT,
            "export": "kind superseded",
            "import": "kind superseded",
            "backup": _FILE,
            "purge": "after 30 days, and with its agent",
            "announce": "passage superseded",
            "count": No("it is no memory any more"),
            "fence": "agent_seq",
        },
    ),
    "hook call": Noun(
        tables=frozenset(),
        plant=spool_call,
        read=see_calls,
        cells={
            "forget": "its file goes, waiting or refused",
            "undo": "its file lies there again",
            "mask": No("it is masked as it is taken in; nobody reads it before"),
            "export": No("it is no memory before it was taken in"),
            "import": No("nothing carries it"),
            "backup": No("it is no memory before it was taken in; a backup is of the store"),
            "purge": No("it goes when its agent is forgotten (`forget --agent`)"),
            "announce": No("what is taken in is"),
            "count": No("`doctor` says how many wait, and how many were refused"),
            "fence": "the agent that its head names",
        },
    ),
}
MACHINERY = (
    Machinery(
        frozenset(
            {"message_vectors", "message_signs", "passage_vectors", "passage_signs", "waiting"}
            | {"near_duplicates", "counts"}
        ),
        "derived from passages and messages, and goes with their rows",
    ),
    Machinery(
        frozenset({"forgotten", "receipts", "receipt_lines"}),
        "says that something is forgotten, by ids, numbers and digests",
    ),
    Machinery(frozenset({"store"}), "is a number that was drawn"),
    Machinery(frozenset({"settings"}), "what waits to be confirmed goes within ten minutes"),
    Machinery(frozenset({"visits", "presence", "leases"}), "is of a connection, and short-lived"),
    Machinery(frozenset({"changes"}), "tells ids, labels and numbers"),
)
FILES: dict[str, str] = {
    "memory.db": "the store",
    "memory.db.daemon.lock": "holds nothing",
    "memory.db.daemon.sock": "holds nothing",
    "memory.db.daemon.address": "a port",
    "memory.db.daemon.log": "lines are overwritten by a forgetting",
    "memory.db.hooks": "hook call",
    "memory.db.hooks.seal": "half of a pair of keys",
    "memory.db.hooks.log": "lines are overwritten by a forgetting",
    "memory.db.shadow.log": "lines are overwritten by a forgetting",
    "memory.db.snapshots": "removed after each commit",
}


# --- The table is whole ---


async def test_every_table_of_the_schema_is_in_one_noun(tmp_path: Path) -> None:
    async with open_memory(tmp_path / "memory.db"):
        pass
    with closing(sqlite_module().connect(tmp_path / "memory.db")) as connection:
        named = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        schema = {name for (name,) in connection.execute(named) if "_fts" not in name}
    tables = [table for noun in NOUNS.values() for table in noun.tables]
    tables += [table for one in MACHINERY for table in one.tables]

    assert sorted(tables) == sorted(schema)


def test_every_file_beside_the_store_is_in_the_table(tmp_path: Path) -> None:
    database = tmp_path / "memory.db"
    told = [*vars(Rendezvous(str(database))).values(), Snapshots(str(database)).folder]
    told += [str(database), str(worker_log(database))]
    paths = [
        Path(each) for each in told if isinstance(each, str) and each.startswith(str(tmp_path))
    ]

    assert {path.name for path in paths if path != tmp_path} == FILES.keys()


def test_every_noun_has_a_cell_for_every_duty() -> None:
    for name, noun in NOUNS.items():
        assert noun.cells.keys() == set(DUTIES), name


# --- Each cell is exercised ---


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def place(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Place]:
    """A store of three agents; it is about the second."""
    path = tmp_path / "memory.db"
    async with open_memory(path, clock=clock, embedder=None) as services:
        for name in ("default", "work", "friend", "stranger"):
            await services.agents.choose(AgentChoice(name=name))
        yield Place(services, path, (await services.agents.named("work")).id)


async def forgets(noun: Noun, at: Place, _: ManualClock) -> bool:
    await noun.plant(at, TEXT)
    assert TEXT in await noun.read(at)
    preview = await at.services.forgetting.preview(at.agent_id, noun.wanted(TEXT))
    if preview.code is None:
        return False
    await at.services.forgetting.confirm(at.agent_id, preview.code)
    return TEXT not in await noun.read(at)


async def undoes(noun: Noun, at: Place, clock: ManualClock) -> bool:
    if not await forgets(noun, at, clock):
        return False
    await at.services.forgetting.restore(at.agent_id)
    return TEXT in await noun.read(at)


async def masks(noun: Noun, at: Place, _: ManualClock) -> bool:
    await noun.plant(at, f"the key {SECRET} of it")
    return SECRET not in await noun.read(at) and not columns_with(at.path, SECRET)


async def exports(noun: Noun, at: Place, _: ManualClock) -> bool:
    await noun.plant(at, TEXT)
    return TEXT in "".join(await exported(at.services))


async def imports(noun: Noun, at: Place, _: ManualClock) -> bool:
    await noun.plant(at, TEXT)
    file = at.path.with_name("e.jsonl")
    file.write_text("".join(await exported(at.services)), "utf-8")
    path = at.path.with_name("new.db")
    async with open_memory(path, embedder=None) as services:
        await bring_into(services, "jsonl", file)
        agent = await services.agents.named("work")
        return TEXT in await noun.read(Place(services, path, agent.id))


async def backs_up(noun: Noun, at: Place, _: ManualClock) -> bool:
    await noun.plant(at, TEXT)
    backup, path = at.path.with_name("backup.db"), at.path.with_name("restored.db")
    back_up(at.path, backup, NOW, lambda _done, _all: None, force=False)
    with prepared(backup, path, lambda _done, _all: None) as part:
        put_in_place(part, path, NOW)
    async with open_memory(path, embedder=None) as services:
        return TEXT in await noun.read(Place(services, path, at.agent_id))


async def purges(noun: Noun, at: Place, clock: ManualClock) -> bool:
    await noun.plant(at, TEXT)
    assert columns_with(at.path, TEXT)
    await at.services.agents.delete(at.agent_id)
    clock.advance(timedelta(days=30, seconds=1))
    await at.services.housekeeping.run()
    return not columns_with(at.path, TEXT)


async def announces(noun: Noun, at: Place, _: ManualClock) -> bool:
    before = await at.services.outbox.last_seq()
    await noun.plant(at, TEXT)
    changes = await at.services.outbox.since(before)
    mine = [
        change for change in changes if at.agent_id in change.agent_ids or noun.told == {"mail"}
    ]
    return any(change.noun in noun.told for change in mine)


async def counts(noun: Noun, at: Place, _: ManualClock) -> bool:
    if noun.number is None:
        return False
    before = await noun.number(at)
    await noun.plant(at, TEXT)
    return await noun.number(at) > before


async def fences(noun: Noun, at: Place, _: ManualClock) -> bool:
    await noun.plant(at, TEXT)
    stranger = await at.services.agents.named("stranger")
    theirs = Place(at.services, at.path, stranger.id)
    preview = await at.services.forgetting.preview(stranger.id, noun.wanted(TEXT))
    seen = TEXT in await noun.read(theirs) or preview.found.matches
    return not seen and TEXT in await noun.read(at)


PROBES: dict[Duty, Callable[[Noun, Place, ManualClock], Awaitable[bool]]] = {
    "forget": forgets,
    "undo": undoes,
    "mask": masks,
    "export": exports,
    "import": imports,
    "backup": backs_up,
    "purge": purges,
    "announce": announces,
    "count": counts,
    "fence": fences,
}
CELLS = [(name, duty) for name, noun in NOUNS.items() for duty in DUTIES]


@pytest.mark.parametrize(("name", "duty"), CELLS, ids=[f"{n} {d}" for n, d in CELLS])
async def test_each_noun_does_its_duty(
    place: Place, clock: ManualClock, name: str, duty: Duty
) -> None:
    noun = NOUNS[name]
    cell = noun.cells[duty]
    if isinstance(cell, No):
        assert cell.why
        return
    done = await PROBES[duty](noun, place, clock)
    assert done, f"{name} does not {duty}: {cell}"
