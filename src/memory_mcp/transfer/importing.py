"""Importing: items from any format into the store, in batches.

While one batch is stored the next is read and prepared. Each batch is one transaction; an import
that ends early has stored whole batches, and the next one knows them again.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any

import anyio
from anyio import to_thread
from anyio.streams.memory import MemoryObjectSendStream

from memory_mcp.config import agent_of_folder
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.copies import AgentCopy, BlockCopy, Copy, kind_of, owners_of
from memory_mcp.domain.errors import ImportRefused, InvalidInput
from memory_mcp.domain.host_events import COPY, copied, digest
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.messages import NewMessage
from memory_mcp.domain.names import name_key
from memory_mcp.domain.passages import Coming, NewPassage, coming
from memory_mcp.domain.redact import kinds_in
from memory_mcp.services import Services
from memory_mcp.services.archival import checked_passage
from memory_mcp.services.copies import checked_copy
from memory_mcp.services.pace import Pace
from memory_mcp.services.recall import Prepared, checked_message
from memory_mcp.transfer.report import HeldIn, Item, Report

BATCH_ROWS = 5_000
BATCH_CHARS = 2_500_000
_PARTS = (
    "block_version", "deleted", "forgotten", "forgotten_text", "reflected", "run_call",
    "run_change", "session",
)  # fmt: skip
"""Copies of what belongs to something else, which is counted."""

Advance = Callable[[Report], None]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Things of one kind and one owner, checked."""

    owner: AgentChoice | HeldIn | None
    items: Sequence[Item]
    messages: Sequence[NewMessage] | None
    """Of messages those that no earlier import brought."""
    passages: Sequence[Coming]
    stored: anyio.Event
    agent: AgentId | None = None
    """Whose the messages are, where that is known already."""


async def import_items(
    items: Iterator[Item],
    services: Services,
    agent: AgentChoice,
    report: Report,
    *,
    host: str | None = None,
    project_by: str = "repository",
    advance: Advance = lambda _: None,
) -> None:
    """Store items; those without an owner are `agent`'s. `advance` is called after each batch.

    A session held in a folder is that folder's agent's; one that its host's hooks recorded is whose
    it was then, wherever the folder is by now.

    Raises:
        ImportRefused: what is read is not what it should be; what came before is stored.
    """
    importing = _Import(services, agent, report, host, project_by)
    # Room for one: the next batch waits ready while the last is being stored.
    sending, receiving = anyio.create_memory_object_stream[_Batch | Exception](1)
    failed: Exception | None = None
    async with anyio.create_task_group() as tasks, receiving:
        tasks.start_soon(importing.prepare, items, sending)
        try:
            async for batch in receiving:
                if isinstance(batch, Exception):
                    raise batch
                await importing.store(batch)
                batch.stored.set()
                advance(report)
        except Exception as error:  # noqa: BLE001 - raised below, not in a group of one
            failed = error
            tasks.cancel_scope.cancel()
    if failed is None or isinstance(failed, ImportRefused):
        await importing.close(advance)
        advance(report)
    if failed is not None:
        raise failed


def count_items(items: Iterator[Item], report: Report, advance: Advance = lambda _: None) -> None:
    """Read items as an import would, and store nothing."""
    for item in items:
        checked = _checked(item, report)
        if checked is not None:
            report.nouns[_noun(checked.what)] += 1
        if report.read % BATCH_ROWS == 0:
            advance(report)


class _Import:
    """One import, under way."""

    def __init__(
        self,
        services: Services,
        agent: AgentChoice,
        report: Report,
        host: str | None,
        project_by: str,
    ) -> None:
        self._services = services
        self._agent = agent
        self._report = report
        self._host = host
        self._project_by = project_by
        self._pace = Pace(services.outbox)
        self._ids: dict[AgentChoice | HeldIn, AgentId] = {}
        self._recorded: dict[str, AgentId | None] = {}
        """Sessions by their host's ids, and whose they are as far as that is known."""
        self._copied: set[str] = set()
        """Ids of agents that are copies: what is in their view is what was in it before."""
        self._told: set[AgentId] = set()
        """Those to whom messages came that are no copies."""
        self._not_taken: set[str] = set()
        """Names of agents that did not come, and so nothing of theirs."""
        self._copies_stored = anyio.Event()
        """Set when the last copies that were read are stored: whose things are depends on them."""
        self._copies_stored.set()

    async def prepare(
        self, items: Iterator[Item], sending: MemoryObjectSendStream[_Batch | Exception]
    ) -> None:
        """Read and check; what stops the reading is sent on, after what came before it."""
        batches = _batches(items, self._report)
        sessions: list[NewMessage] = []
        agent_id: AgentId | None = None
        chars = 0

        # Sessions of one agent are stored together: each alone would wait for the disk.
        async def send_sessions() -> None:
            if sessions:
                await sending.send(_Batch(None, [], [*sessions], [], anyio.Event(), agent_id))
                sessions.clear()

        async with sending:
            while True:
                try:
                    with self._timed("reading"):
                        read = await to_thread.run_sync(_next, batches)
                    if read is None:
                        await send_sessions()
                        return
                    owner, found, passages = read
                    if not await self._is_wanted(owner, found):
                        continue
                    told = [each.what for each in found]
                    messages = [each for each in told if isinstance(each, NewMessage)]
                    new = await self._unknown(owner, messages) if messages else None
                    if new is not None and self._is_session(owner, messages):
                        agent = await self._agent_id(owner, messages[0].conversation)
                        size = sum(len(each.content) for each in new)
                        fits = len(sessions) + len(new) <= BATCH_ROWS
                        if agent != agent_id or not fits or chars + size > BATCH_CHARS:
                            await send_sessions()
                            agent_id, chars = agent, 0
                        sessions += new
                        chars += size
                        continue
                    await send_sessions()
                    batch = _Batch(owner, found, new, passages, anyio.Event())
                    if _is_copy(found[0].what):
                        self._copies_stored = batch.stored
                    await sending.send(batch)
                except Exception as error:  # noqa: BLE001 - raised again where batches are stored
                    await send_sessions()
                    await sending.send(error)
                    return

    def _is_session(
        self, owner: AgentChoice | HeldIn | None, messages: Sequence[NewMessage]
    ) -> bool:
        """Whether these messages may be stored together with those of other sessions."""
        # What they copy, or are a later version of, must be stored by then.
        is_copy = copied(messages[0].external_id or "") is not None
        return isinstance(owner, HeldIn) and not is_copy and self._host not in _REWRITING_HOSTS

    async def _is_wanted(self, owner: AgentChoice | HeldIn | None, found: Sequence[Item]) -> bool:
        """Whether the items' agent came, if one had to; copies before them are stored."""
        if _is_copy(found[0].what):
            return True
        await self._copies_stored.wait()
        if isinstance(owner, AgentChoice) and self._is_left(owner.name or ""):
            self._leave(found[0], owner.name or "", len(found))
            return False
        return True

    def _is_left(self, name: str) -> bool:
        return name_key(name) in self._not_taken

    def _leave(self, item: Item, name: str, number: int = 1) -> None:
        what = f"{_noun(item.what)} lines of agent {name!r}, which did not come"
        self._report.left_out[what] += number

    async def _unknown(
        self, owner: AgentChoice | HeldIn | None, messages: Sequence[NewMessage]
    ) -> Sequence[NewMessage]:
        with self._timed("reading"):
            agent_id = await self._agent_id(owner, messages[0].conversation)
            if self._host in _REWRITING_HOSTS:
                messages = await self._with_versions(agent_id, messages)
            new = await self._services.recall.unknown(agent_id, messages)
            self._count("message", 0, len(messages) - len(new))
            return new

    async def _with_versions(
        self, agent_id: AgentId, messages: Sequence[NewMessage]
    ) -> Sequence[NewMessage]:
        """The same, where what was written again since an earlier import is a message of its own.

        What is stored stays: the later version comes beside it.
        """
        changed = await self._services.recall.changed(agent_id, messages)
        versions = [
            _version(each) if place in changed and each.role != "tool" else each
            for place, each in enumerate(messages)
        ]
        if again := sum(new is not old for new, old in zip(versions, messages, strict=True)):
            self._report.left_out[_CHANGED] += again
        return versions

    async def store(self, batch: _Batch) -> None:
        """Store one batch."""
        with self._timed("storing"):
            if batch.messages is not None:
                if not batch.messages:
                    return
                agent_id = batch.agent or await self._agent_id(
                    batch.owner, batch.messages[0].conversation
                )
                if any(each.id is None for each in batch.messages):
                    self._told.add(agent_id)
                for piece in self._pace.pieces(batch.messages):
                    # Text first: the vectors of all that came are made at the end, on every core.
                    prepared = Prepared(piece, [None] * len(piece))
                    appended = await self._services.recall.store(agent_id, prepared, self._host)
                    self._count("message", len(appended.stored), len(appended.known))
                    self._stays_forgotten("messages", len(appended.forgotten))
                    await self._pace.rest()
                return
            if batch.passages:
                agent_id = await self._agent_id(batch.owner)
                for piece in self._pace.pieces(batch.passages):
                    taken = await self._services.archival.take_in(agent_id, piece)
                    self._count("passage", taken.stored, taken.known)
                    self._stays_forgotten("passages", taken.forgotten)
                    await self._pace.rest()
                return
            for piece in self._pace.pieces(batch.items):
                await self._put([(each, each.what) for each in piece])
                await self._pace.rest()

    async def _put(self, told: Sequence[tuple[Item, Any]]) -> None:
        here: list[tuple[Item, Copy]] = []
        for item, copy in told:
            owners = owners_of(copy)
            if isinstance(copy, BlockCopy):
                there = [each for each in copy.agents if not self._is_left(each.agent)]
                owners = () if there else tuple(each.agent for each in copy.agents)
                copy = replace(copy, agents=there)
            left = next(filter(self._is_left, owners), None)
            if left is None:
                here.append((item, copy))
            else:
                self._leave(item, left)
        outcomes = await self._services.copies.put([copy for _, copy in here])
        for (item, copy), put in zip(here, outcomes, strict=True):
            kind = kind_of(copy)
            self._stays_forgotten("mails" if kind == "mail" else "lines of blocks", put.forgotten)
            if put.note is not None:
                alone = kind in ("agent", "block")
                self._report.left_out[f"{item.place}: {put.note}" if alone else put.note] += 1
            if isinstance(copy, AgentCopy):
                if not put.stored and not put.known:
                    self._not_taken.add(name_key(copy.name))
                elif not item.is_viewless:
                    self._copied.add(copy.id)
            if kind not in _PARTS:
                self._count(kind, int(put.stored), int(put.known))

    async def close(self, advance: Advance) -> None:
        """What follows an import: vectors are caught up with, messages leave the view."""

        def made(vectors: int) -> None:
            self._report.vectors = vectors
            advance(self._report)

        with self._timed("embedding"):
            await self._services.indexing.catch_up(self._pace, made)
        with self._timed("summarising"):
            # The user's shared blocks are the default agent's, whoever came first.
            await self._services.agents.choose(AgentChoice())
            recorded = (agent_id for agent_id in self._recorded.values() if agent_id)
            for agent_id in dict.fromkeys((*self._ids.values(), *recorded)):
                if agent_id in self._copied - self._told:
                    continue
                await self._services.eviction.let_go(agent_id)
                await self._services.eviction.evict(agent_id)
        with self._timed("storing"):
            await self._services.upkeep.fold_log()

    async def _agent_id(
        self, owner: AgentChoice | HeldIn | None, conversation: str | None = None
    ) -> AgentId:
        if isinstance(owner, HeldIn) and (known := await self._recorded_for(conversation)):
            return known
        if owner is None or (isinstance(owner, HeldIn) and not owner.folder):
            owner = self._agent
        if owner not in self._ids:
            choice = owner
            if isinstance(owner, HeldIn):
                choice = await to_thread.run_sync(agent_of_folder, owner.folder, self._project_by)
            assert isinstance(choice, AgentChoice)
            self._ids[owner] = (await self._services.agents.choose(choice)).id
        return self._ids[owner]

    async def _recorded_for(self, conversation: str | None) -> AgentId | None:
        """Whose a session is that is known already."""
        if conversation is None or self._host is None:
            return None
        if conversation not in self._recorded:
            capture = self._services.capture
            self._recorded[conversation] = await capture.owner(self._host, conversation)
        return self._recorded[conversation]

    def _count(self, noun: str, stored: int, known: int) -> None:
        self._report.stored += stored
        self._report.known += known
        if stored:
            self._report.nouns[noun] += stored

    def _stays_forgotten(self, nouns: str, number: int) -> None:
        if number:
            self._report.left_out[f"{nouns} that were forgotten here, not brought back"] += number

    @contextmanager
    def _timed(self, stage: str) -> Generator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._report.seconds[stage] += time.perf_counter() - began  # pyright: ignore[reportArgumentType] - seconds are no whole numbers


_Found = tuple[AgentChoice | HeldIn | None, list[Item]]
"""Items that can be stored together, and whose they are."""


def _next(batches: Iterator[_Found]) -> tuple[*_Found, list[Coming]] | None:
    """The next batch, with its passages computed: what waits for the store, computes nothing."""
    if (found := next(batches, None)) is None:
        return None
    passages = [coming(each.what) for each in found[1] if isinstance(each.what, NewPassage)]
    return *found, passages


def _batches(items: Iterator[Item], report: Report) -> Iterator[_Found]:
    """Items that can be stored together. What stops the reading comes after what was read."""
    batch: list[Item] = []
    chars, group = 0, None
    try:
        for item in chain(items, [None]):
            checked = None if item is None else _checked(item, report)
            if item is not None and checked is None:
                continue
            now = None if checked is None else _group(checked)
            if batch and (now != group or len(batch) >= BATCH_ROWS or chars >= BATCH_CHARS):
                yield batch[0].owner, batch
                batch, chars = [], 0
            if checked is not None:
                group = now
                batch.append(checked)
                chars += len(getattr(checked.what, "content", ""))
    except Exception:
        if batch:
            yield batch[0].owner, batch
        raise


def _group(item: Item) -> tuple[str, AgentChoice | HeldIn | None, str | None]:
    """What all items of a batch have in common."""
    noun, session = _noun(item.what), None
    if isinstance(item.what, NewMessage) and isinstance(item.owner, HeldIn):
        session = item.what.conversation
    if isinstance(item.what, NewMessage) and copied(item.what.external_id or ""):
        # What they copy must be stored by then, or they would not be known.
        session = f"{COPY}{item.what.conversation}"
    # Agents go ahead of what belongs to them: not each of them may come.
    return noun if noun in ("agent", "message", "passage") else "copy", item.owner, session


_CHANGED = "messages changed at the source since they came (kept; the new words beside them)"
_REWRITING_HOSTS = frozenset({"gemini"})
"""Hosts that write a message again, under its id, when more of it has come."""


def _version(message: NewMessage) -> NewMessage:
    """A later version of a message that is stored already, under an id of its own."""
    told = digest(f"{message.external_id} {message.content}")
    return replace(message, external_id=f"version:{told}", aliases=())


def _is_copy(what: NewMessage | NewPassage | Copy) -> bool:
    return not isinstance(what, NewMessage | NewPassage)


def _noun(what: NewMessage | NewPassage | Copy) -> str:
    if isinstance(what, NewMessage):
        return "message"
    return "passage" if isinstance(what, NewPassage) else kind_of(what)


def _checked(item: Item, report: Report) -> Item | None:
    """The item as it may be stored; `None`, and a line in the report, when it may not."""
    report.read += 1
    try:
        match item.what:
            case NewMessage():
                what = checked_message(item.what)
            case NewPassage():
                what = checked_passage(item.what)
            case _:
                what = checked_copy(item.what)
    except InvalidInput as error:
        report.refuse(item.place, str(error))
        return None
    if what is item.what:
        return item
    told = _texts(item.what)
    if told != _texts(what):
        report.redacted.update(kinds_in(told))
    return replace(item, what=what)


def _texts(what: NewMessage | NewPassage | Copy) -> list[Any]:
    """What of it may hold a secret."""
    values = (getattr(what, field.name) for field in fields(what))
    return [value for value in values if isinstance(value, str | list | dict)]
