"""The ports of forgetting: the store, and the files that lie beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from memory_mcp.domain.agents import Agent
from memory_mcp.domain.forgetting import Forgotten, Found, Match, Pending, Restored, Wanted
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.receipts import AskedBy, Receipt


class ForgettingStore(Protocol):
    """What is taken out of memory, and kept for some days so that it can be put back."""

    async def find(self, agent_id: AgentId, wanted: Wanted) -> Found:
        """Everything of the agent's that is wanted gone."""
        ...

    async def hold(self, agent_id: AgentId, found: Found, pending: Pending | None) -> None:
        """Let what was found wait for its word, in place of what waited before."""
        ...

    async def pending(self, agent_id: AgentId) -> Pending | None:
        """What waits for its word, if anything does."""
        ...

    async def confirm(
        self, agent_id: AgentId, code: str, by: AskedBy, hooks: Mapping[str, str]
    ) -> Forgotten:
        """Forget what waits for this word, exactly that; `hooks` are the calls of hooks among it.

        Raises:
            InvalidInput: nothing waits, it waited too long, or for another word.
        """
        ...

    async def forget(self, agent_id: AgentId, ids: Sequence[str]) -> Forgotten:
        """Forget the agent's passages, messages and mail with these ids, in one transaction."""
        ...

    async def note_agent(
        self, agent_id: AgentId, held: Mapping[str, int], by: AskedBy, hooks: Mapping[str, str]
    ) -> str:
        """Put on a receipt that an agent goes with what it holds; the receipt's id.

        `hooks` are the calls of hooks that go with it, by name.
        """
        ...

    async def note(
        self, receipt: str, noun: str, place: str, number: int, ids: Sequence[str] = ()
    ) -> None:
        """Enter on a receipt what was done, or left, outside the store."""
        ...

    async def receipts(self, limit: int) -> list[Receipt]:
        """The newest receipts of the store, the last one first."""
        ...

    async def receipt(self, receipt: str) -> Receipt | None:
        """One receipt, if it is there."""
        ...

    async def kept_calls(self, agent_id: AgentId, receipt: str | None) -> dict[str, str]:
        """The calls of hooks that `restore` would put back, by name."""
        ...

    async def restore(
        self, agent_id: AgentId, ids: Sequence[str] | None, receipt: str | None = None
    ) -> Restored:
        """Put these of the agent's back, or a receipt's; else what its user forgot last."""
        ...

    async def purge(self) -> int:
        """Let go for good what was kept long enough, of every agent; how much it was."""
        ...

    async def purge_receipt(self, receipt: str) -> int:
        """The same at once for all that stands on a receipt."""
        ...

    async def erase(self, *, at_once: bool) -> bool:
        """Overwrite what is left in the file of what is gone; whether no byte of it is.

        `at_once`: somebody waits for it. Else it is done once a day at the most.
        """
        ...

    async def texts_of(self, receipt: str) -> list[str]:
        """What was forgotten with a receipt, while it can be put back; some hundred at most."""
        ...

    async def places(self, text: str) -> list[str]:
        """Where a text stands in the store by its rows and indexes, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Trace:
    """Where in a file a text was found."""

    file: str
    """Its name, or its path below the store's folder."""
    how: str
    """In which form it stands there."""
    offset: int
    """The first byte."""


class StoreFiles(Protocol):
    """What lies beside a store: calls of hooks, logs, copies."""

    def hook_calls(self, agent: Agent, wanted: Wanted) -> list[Match]:
        """The calls of hooks, waiting or refused, that are the agent's and are wanted gone."""
        ...

    def read_calls(self, names: Sequence[str]) -> dict[str, str]:
        """What stands in calls of hooks, by name; those that are gone are left out."""
        ...

    def remove_calls(self, names: Sequence[str]) -> None:
        """Remove calls of hooks."""
        ...

    def put_calls_back(self, calls: Mapping[str, str]) -> None:
        """Lay calls of hooks where they lay."""
        ...

    def clean_logs(self, texts: Sequence[str]) -> int:
        """Overwrite in the logs every line in which one of the texts stands; how many."""
        ...

    def copies(self) -> list[str]:
        """Names of the copies of the store that lie beside it."""
        ...

    def remove_copies(self) -> list[str]:
        """Remove these; their names."""
        ...

    def traces(self, text: str) -> list[Trace]:
        """Where the bytes of a text stand in any file of the store's."""
        ...
