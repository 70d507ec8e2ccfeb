"""Forgetting: what a user wants gone goes, and can be put back for some days."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from anyio import to_thread

from memory_mcp.domain.agents import DEFAULT_AGENT
from memory_mcp.domain.errors import InvalidInput, NotFound
from memory_mcp.domain.forgetting import (
    AT_ONCE_MAX,
    CONFIRM_MINUTES,
    Forgotten,
    Found,
    Pending,
    Preview,
    Restored,
    Wanted,
)
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.receipts import UNTOUCHED, AskedBy, Receipt
from memory_mcp.domain.texts import clip, require_text
from memory_mcp.ports import AgentStore, Clock, ForgettingStore, StoreFiles, Trace
from memory_mcp.services.eviction import Eviction
from memory_mcp.services.indexing import Indexing

TEXT_CHARS_MAX = 2_000
CODE_CHARS = 4
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Those that are not taken for each other."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Where a text still stands."""

    rows: Sequence[str]
    """In the store, by table and column, in words."""
    files: Sequence[Trace]
    """In the bytes of its files."""


class Forgetting:
    """By id at once; else in two steps, so that nothing goes that nobody has seen."""

    def __init__(
        self,
        store: ForgettingStore,
        files: StoreFiles,
        agents: AgentStore,
        indexing: Indexing,
        eviction: Eviction,
        clock: Clock,
    ) -> None:
        self._store = store
        self._files = files
        self._agents = agents
        self._indexing = indexing
        self._eviction = eviction
        self._clock = clock

    async def forget(self, agent_id: AgentId, ids: Sequence[str]) -> Forgotten:
        """Forget passages, messages and mail by id; ids that are none of the agent's are told of.

        Raises:
            InvalidInput: no id, or too many at once; nothing was forgotten.
        """
        if not ids:
            raise InvalidInput("there is no id to forget. Searches answer with the ids.")
        _require_few(len(set(ids)), "Give fewer ids at a time.")
        return await self._see_to_rest(agent_id, await self._store.forget(agent_id, ids))

    async def preview(self, agent_id: AgentId, wanted: Wanted | str) -> Preview:
        """What would go, of every noun; it waits for `confirm`.

        A text alone is wanted exactly, whatever its capitals.

        Raises:
            InvalidInput: the text is empty, or stands in too much.
        """
        if isinstance(wanted, str):
            wanted = Wanted(text=wanted)
        if wanted.text is not None:
            text = require_text(wanted.text, "the text to forget", TEXT_CHARS_MAX).strip()
            wanted = replace(wanted, text=text)
        found = await self.find(agent_id, wanted)
        if wanted.text is not None:
            advice = f"More words than {clip(wanted.text, 60)!r} tell better what is meant."
            _require_few(len(found.matches), advice)
        if not found.matches:
            await self._store.hold(agent_id, found, None)
            return Preview(found=found)
        pending = Pending(
            wanted=wanted,
            code="".join(secrets.choice(LETTERS) for _ in range(CODE_CHARS)),
            expires_at=self._clock.now() + timedelta(minutes=CONFIRM_MINUTES),
            told=found.told,
        )
        await self._store.hold(agent_id, found, pending)
        return Preview(found=found, code=pending.code)

    async def find(self, agent_id: AgentId, wanted: Wanted) -> Found:
        """Everything of the agent's that is wanted gone; nothing waits for a word."""
        found = await self._store.find(agent_id, wanted)
        agent = await self._agents.get(agent_id)
        calls = await to_thread.run_sync(self._files.hook_calls, agent, wanted)
        return replace(found, matches=[*found.matches, *calls])

    async def pending(self, agent_id: AgentId) -> Pending | None:
        """What waits for `confirm`, if anything does."""
        return await self._store.pending(agent_id)

    async def confirm(self, agent_id: AgentId, code: str, by: AskedBy = "request") -> Forgotten:
        """Forget exactly what was shown last, with this code.

        Raises:
            InvalidInput: a wrong or old code; nothing was forgotten.
        """
        pending = await self._store.pending(agent_id)
        names = pending.hooks if pending else ()
        hooks = await to_thread.run_sync(self._files.read_calls, names)
        forgotten = await self._store.confirm(agent_id, code, by, hooks)
        await to_thread.run_sync(self._files.remove_calls, forgotten.hooks)
        text = pending.wanted.text if pending else None
        return await self._see_to_rest(agent_id, forgotten, text)

    async def forget_agent(self, agent_id: AgentId, by: AskedBy = "command") -> str:
        """Delete an agent with all it holds; the id of the receipt. It can be restored.

        Raises:
            InvalidInput: it is the default agent.
        """
        agent = await self._agents.get(agent_id)
        if agent.name == DEFAULT_AGENT:
            raise InvalidInput(
                "the default agent itself stays; what it holds can be forgotten by text, "
                "conversation or time, or all of it."
            )
        held = asdict(await self._agents.holdings(agent_id))
        calls = await to_thread.run_sync(self._files.hook_calls, agent, Wanted())
        names = [call.id for call in calls]
        hooks = await to_thread.run_sync(self._files.read_calls, names)
        went = {noun.removesuffix("s"): number for noun, number in held.items()}
        receipt = await self._store.note_agent(agent_id, went, by, hooks)
        await self._agents.delete(agent_id)
        await to_thread.run_sync(self._files.remove_calls, names)
        await self._name_copies(receipt)
        return receipt

    async def restore(
        self, agent_id: AgentId, ids: Sequence[str] | None = None, receipt: str | None = None
    ) -> Restored:
        """Put back what the last forgetting took, or a receipt's, or these by their ids."""
        if receipt is not None and (told := await self.receipt(receipt)).asked == "agent":
            await self._agents.restore(told.agent_id)
        if ids is None:
            calls = await self._store.kept_calls(agent_id, receipt)
            await to_thread.run_sync(self._files.put_calls_back, calls)
        restored = await self._store.restore(agent_id, ids, receipt)
        if restored.back:
            self._indexing.stored([None])  # found by their words at once, by meaning soon
        if restored.back or restored.lines:
            self._eviction.noticed(agent_id)
        return restored

    async def end(self, receipt: str) -> bool:
        """Let go for good, at once, what was forgotten with a receipt; whether no byte is left.

        If not, another process is reading what was; the background goes on with it.

        Raises:
            NotFound: there is no such receipt.
            StoreFull: there is no room for the file to be written anew.
        """
        told = await self.receipt(receipt)
        if told.asked == "agent":
            await self._agents.purge_now(told.agent_id)
        await self._store.purge_receipt(told.id)
        return await self._store.erase(at_once=True)

    async def receipts(self, limit: int = 50) -> list[Receipt]:
        """The newest receipts of the store, the last one first."""
        return await self._store.receipts(limit)

    async def receipt(self, receipt: str) -> Receipt:
        """One receipt.

        Raises:
            NotFound: there is none of that id.
        """
        if (found := await self._store.receipt(receipt.strip())) is None:
            raise NotFound(
                f"there is no receipt {clip(receipt, 60)!r}. memory-mcp forget --receipts lists "
                "them."
            )
        return found

    async def remove_copies(self, receipt: str) -> list[str]:
        """Remove the copies that memory-mcp made of the store; their names."""
        gone = await to_thread.run_sync(self._files.remove_copies)
        await self._store.note(receipt, "copy", "beside the store", len(gone), gone)
        return gone

    async def traces(self, text: str) -> Traces:
        """Where a text still stands: in rows, and in the bytes of every file of the store's.

        Raises:
            InvalidInput: the text is empty.
        """
        wanted = require_text(text, "the text to look for", TEXT_CHARS_MAX * 50).strip()
        rows = await self._store.places(wanted)
        return Traces(rows, await to_thread.run_sync(self._files.traces, wanted))

    async def purge(self) -> int:
        """Let go for good what was kept long enough, of every agent; how much it was."""
        gone = await self._store.purge()
        await self._store.erase(at_once=False)
        return gone

    async def _see_to_rest(
        self, agent_id: AgentId, forgotten: Forgotten, text: str | None = None
    ) -> Forgotten:
        """What lies outside the store, and the summary in view where it was dropped."""
        if (receipt := forgotten.receipt) is None:
            return forgotten
        if forgotten.retold:
            await self._eviction.make_anew(agent_id)
        texts = [*([text] if text else []), *await self._store.texts_of(receipt)]
        cleaned = await to_thread.run_sync(self._files.clean_logs, texts)
        await self._store.note(receipt, "line", "logs", cleaned)
        await self._name_copies(receipt)
        return forgotten

    async def _name_copies(self, receipt: str) -> None:
        copies = await to_thread.run_sync(self._files.copies)
        await self._store.note(receipt, "copy", UNTOUCHED, len(copies), copies)


def _require_few(number: int, advice: str) -> None:
    if number > AT_ONCE_MAX:
        raise InvalidInput(
            f"that would forget {number:,} things at once; the limit is {AT_ONCE_MAX}, and nothing "
            f"was forgotten. {advice}"
        )
