"""Copies in SQLite: every row out, and in again with its id; one module a noun.

`tables` says of every table whether it is carried, made anew, or stays behind.
"""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from memory_mcp.domain.copies import Copy, kind_of
from memory_mcp.domain.errors import AgentNotFound
from memory_mcp.domain.names import name_key
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import to_iso
from memory_mcp.ports import Clock, CopyKind, CopyReader, Page, Place, Put
from memory_mcp.storage.sqlite.copies import mail, runs
from memory_mcp.storage.sqlite.copies.agents import AGENT, DELETED, REFLECTED
from memory_mcp.storage.sqlite.copies.blocks import BLOCK, BLOCK_VERSION
from memory_mcp.storage.sqlite.copies.conversations import CONVERSATION, SESSION
from memory_mcp.storage.sqlite.copies.mail import MAIL
from memory_mcp.storage.sqlite.copies.messages import FORGOTTEN, MESSAGE, SUMMARY
from memory_mcp.storage.sqlite.copies.noun import OF_THESE, Asked, Noun
from memory_mcp.storage.sqlite.copies.passages import (
    FORGOTTEN_TEXT,
    PASSAGE,
    SUPERSEDED,
    SUPERSEDED_IDS,
)
from memory_mcp.storage.sqlite.copies.receipts import RECEIPT
from memory_mcp.storage.sqlite.copies.runs import RUN, RUN_CALL, RUN_CHANGE
from memory_mcp.storage.sqlite.copies.settings import SETTING
from memory_mcp.storage.sqlite.database import Database, Snapshot
from memory_mcp.storage.sqlite.session import Row, Session, as_key

NOUNS: dict[str, Noun] = {
    "agent": AGENT,
    "block": BLOCK,
    "block_version": BLOCK_VERSION,
    "conversation": CONVERSATION,
    "forgotten": FORGOTTEN,
    "message": MESSAGE,
    "passage": PASSAGE,
    "forgotten_text": FORGOTTEN_TEXT,
    "superseded": SUPERSEDED,
    "session": SESSION,
    "summary": SUMMARY,
    "reflected": REFLECTED,
    "mail": MAIL,
    "run": RUN,
    "run_call": RUN_CALL,
    "run_change": RUN_CHANGE,
    "setting": SETTING,
    "deleted": DELETED,
    "receipt": RECEIPT,
}
ALL_AT_ONCE = -1
"""As a limit: no limit."""

_AGENTS = "SELECT seq, id, name, deleted_at FROM agents ORDER BY seq"
_LEFT_BEHIND: dict[str, str] = {
    "forgotten things that can still be put back here": f"""
        SELECT count(*) FROM removed
        WHERE agent_seq {OF_THESE} AND id NOT IN ({SUPERSEDED_IDS})""",
    "runs without what they read and wrote, as something was forgotten since": runs.LEFT_BEHIND,
    "mails between these agents and others": mail.LEFT_BEHIND,
    "things to be forgotten that wait for a code": """
        SELECT count(*) FROM settings WHERE :everything AND name LIKE 'forget:%'""",
    "lines of the log of changes": "SELECT count(*) FROM changes WHERE :everything",
    "marks of who is or was connected": """
        SELECT (SELECT count(*) FROM presence) + (SELECT count(*) FROM visits)
            + (SELECT count(*) FROM leases) WHERE :everything""",
}


class SqliteCopyReader:
    """The `CopyReader` port, on the store as it is or as it was at one moment."""

    def __init__(self, readable: Database | Snapshot) -> None:
        self._readable = readable

    async def heads(self, agents: Sequence[str] | None) -> list[Copy]:
        """The agents in use and the blocks they have.

        Raises:
            AgentNotFound: there is none of that name; the text lists the agents there are.
        """

        def read(session: Session) -> list[Copy]:
            seqs = [row[0] for row in _chosen(session, agents) if row[3] is None]
            asked = Asked(json.dumps(seqs), everything=False, after=(), limit=ALL_AT_ONCE)
            return [copy for noun in (AGENT, BLOCK) for _, copy in noun.page(session, asked)]

        return await self._readable.read(read)

    async def page(
        self, kind: CopyKind, agents: Sequence[str] | None, after: Place, limit: int
    ) -> Page:
        """The next rows of one kind, in the order they came.

        Raises:
            AgentNotFound: there is none of that name; the text lists the agents there are.
        """

        def read(session: Session) -> Page:
            seqs = json.dumps([row[0] for row in _chosen(session, agents)])
            asked = Asked(seqs, everything=agents is None, after=after, limit=limit)
            return NOUNS[kind].page(session, asked)

        return await self._readable.read(read)

    async def left_behind(self, agents: Sequence[str] | None) -> Mapping[str, int]:
        """What no page holds on purpose, in words, and how much of it there is."""

        def count(session: Session) -> dict[str, int]:
            seqs = json.dumps([row[0] for row in _chosen(session, agents)])
            asked = {"agents": seqs, "everything": agents is None}
            counts = {what: session.value(sql, asked) for what, sql in _LEFT_BEHIND.items()}
            return {what: number for what, number in counts.items() if number}

        return await self._readable.read(count)


class SqliteCopies(SqliteCopyReader):
    """The `CopyStore` port."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database)
        self._database = database
        self._clock = clock

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[CopyReader]:
        """The store as it is at this moment, whatever is written meanwhile."""
        async with self._database.snapshot() as snapshot:
            yield SqliteCopyReader(snapshot)

    async def put(self, copies: Sequence[Copy]) -> list[Put]:
        """Store copies in order, in one transaction; messages and passages have their own stores.

        What is there already stays as it is. What cannot be stored is told of and passed over.
        """

        def store(session: Session) -> list[Put]:
            now = to_iso(self._clock.now())
            return [NOUNS[kind_of(copy)].put(session, copy, now) for copy in copies]

        return await self._database.write(store)


def _chosen(session: Session, names: Sequence[str] | None) -> list[Row]:
    """The agents of these names or ids, which are in use; without names every agent there is."""
    rows = session.all(_AGENTS)
    if names is None:
        return rows
    rows = [row for row in rows if row[3] is None]
    wanted = {name_key(as_key(name)) for name in names}
    found = [row for row in rows if name_key(row[2]) in wanted or row[1] in names]
    if len(found) < len(wanted):
        known = ", ".join(clip(row[2], 40) for row in rows[:20])
        missing = wanted - {name_key(row[2]) for row in found} - {row[1] for row in found}
        raise AgentNotFound(f"there is no agent {clip(min(missing), 60)!r}. There are: {known}.")
    return found
