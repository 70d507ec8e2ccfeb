"""Core memory blocks in SQLite."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from memory_mcp.domain.agents import unmade_name
from memory_mcp.domain.blocks import (
    Block,
    BlockSettings,
    BlockTemplate,
    BlockVersion,
    Edit,
    overwrite,
    without_overflow,
)
from memory_mcp.domain.errors import (
    AgentNotFound,
    BlockNotFound,
    InvalidInput,
    MemoryMCPError,
)
from memory_mcp.domain.ids import AgentId, BlockId
from memory_mcp.domain.names import name_key
from memory_mcp.domain.passages import NewPassage, gathered
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.domain.tool_rules import rules_from_json
from memory_mcp.ports import Clock, Edited, Standing
from memory_mcp.storage.sqlite.agents import agents_in_use, seq_of
from memory_mcp.storage.sqlite.attachments import attach, detach, make_block
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.history import VERSIONS
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.mail import HAS_NEWS
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.passages import file_passages, filed_texts
from memory_mcp.storage.sqlite.removed import told_again, without_forgotten
from memory_mcp.storage.sqlite.session import Row, Session, as_key
from memory_mcp.storage.sqlite.unmade import blocks_to_be

_OF_AGENT = """
SELECT b.id, ab.label, b.value, b.description, b.limit_chars, b.read_only, b.on_overflow,
    b.version, b.updated_at,
    (SELECT count(*) - 1 FROM agent_blocks others WHERE others.block_seq = b.seq)
FROM agents a JOIN agent_blocks ab ON ab.agent_seq = a.seq JOIN blocks b ON b.seq = ab.block_seq
WHERE a.id = ? ORDER BY ab.position, ab.label
"""
_ATTACHED_TO = """
SELECT a.id, ab.label FROM blocks b JOIN agent_blocks ab ON ab.block_seq = b.seq
    JOIN agents a ON a.seq = ab.agent_seq
WHERE b.id = ? AND a.deleted_at IS NULL ORDER BY a.seq
"""
_RULES = "SELECT tool_rules FROM agents WHERE seq = ?"
_BY_ID = "SELECT seq, label FROM blocks WHERE id = ?"
_BY_LABEL = """
SELECT block_seq, label FROM agent_blocks JOIN agents ON agents.seq = agent_seq
WHERE agents.id = ? AND label = ?
"""
_HISTORY = f"""
SELECT h.version, h.value, coalesce(a.name, h.changed_by), h.changed_at
FROM {VERSIONS} h JOIN blocks b ON b.seq = h.block_seq LEFT JOIN agents a ON a.id = h.changed_by
WHERE b.id = ? ORDER BY h.version DESC
"""
_SET = """
UPDATE blocks SET description = coalesce(?, description), limit_chars = coalesce(?, limit_chars),
    read_only = coalesce(?, read_only), on_overflow = coalesce(?, on_overflow), updated_at = ?
WHERE id = ?
"""
PERSON = "person"
MANY = 20
"""Where more agents than so many have a block, its lines are filed for the others together."""
_UPDATE = "UPDATE blocks SET value = ?, version = ?, updated_at = ? WHERE id = ? RETURNING seq"
_INSERT_HISTORY = """
INSERT INTO block_history (block_seq, version, value, changed_by, changed_at, key)
VALUES (?, ?, ?, ?, ?, ?)
"""
_VALUE = f"""
SELECT h.value FROM {VERSIONS} h JOIN blocks b ON b.seq = h.block_seq
WHERE b.id = ? AND h.version = ?
"""
# What stood in the block before the edit at hand, newest first.
_WRITTEN = f"""
SELECT value, changed_by, changed_at FROM {VERSIONS} WHERE block_seq = ?
ORDER BY version DESC LIMIT -1 OFFSET 1
"""
_DONE = """
SELECT b.id, h.version FROM block_history h JOIN blocks b ON b.seq = h.block_seq WHERE h.key = ?
"""


class SqliteBlocks:
    """The `BlockStore` port."""

    def __init__(self, database: Database, indexes: Indexes, clock: Clock) -> None:
        self._database = database
        self._indexes = indexes
        self._clock = clock

    async def of_agent(self, agent_id: AgentId) -> list[Block]:
        """The agent's blocks, in the order they stand in view."""

        def read(session: Session) -> list[Block]:
            seq_of(session, agent_id)
            return self._in_view(session, agent_id)

        return await self._database.read(read)

    async def standing(self, agent_id: AgentId) -> Standing:
        """What holds for the agent at this moment."""

        def stand(session: Session) -> Standing:
            seq = seq_of(session, agent_id)
            rules = rules_from_json(json.loads(session.value(_RULES, (seq,)) or "[]"))
            news = session.value(f"SELECT {HAS_NEWS}", (seq, to_iso(self._clock.now())))
            return Standing(self._in_view(session, agent_id), rules, bool(news))

        return await self._database.read(stand)

    def _in_view(self, session: Session, agent_id: AgentId) -> list[Block]:
        if unmade_name(agent_id) is not None:
            return blocks_to_be(session, self._clock.now())
        return blocks_of(session, agent_id)

    async def as_of(self, agent_id: AgentId, versions: Mapping[BlockId, int]) -> list[Block]:
        """The agent's blocks as they were at those versions; unknown ones are missing."""

        def then(session: Session) -> list[Block]:
            there = self._in_view(session, agent_id)
            wanted = [block for block in there if block.id in versions]
            found = [_at_version(session, block, versions[block.id]) for block in wanted]
            return [block for block in found if block is not None]

        return await self._database.read(then)

    async def edit(
        self, agent_id: AgentId, label: str, edit: Edit, key: str | None = None
    ) -> Edited:
        """Apply `edit` to the block's current value, in one transaction.

        The edit of a `key` is made once: asked again, the answer is what it did then.

        Raises:
            BlockNotFound: the agent has no such block; the text lists its labels.
        """

        def apply(session: Session) -> Edited:
            if key is not None and (done := _done(session, agent_id, key, edit)):
                return done
            seq_of(session, agent_id)
            before = _labelled(blocks_of(session, agent_id), label)
            after, lines = without_overflow(before, edit(before))
            if after.version == before.version:
                return Edited(before, before)
            now = to_iso(self._clock.now())
            put_value(
                session,
                self._indexes,
                after,
                lines,
                changed_by=agent_id,
                by=agent_id,
                now=now,
                key=key,
            )
            after = _labelled(blocks_of(session, agent_id), label)
            return Edited(before, after, filed_texts(session, agent_id, lines))

        return await self._database.write(apply)

    async def create(
        self, agent_id: AgentId, template: BlockTemplate, group: str | None = None
    ) -> Block:
        """Make a block and attach it to the agent; or, with `group`, to all who have that tag.

        Raises:
            Taken: one of them has a block of that label; nothing was made.
            AgentNotFound: nobody has the tag.
        """

        def create(session: Session) -> Block:
            now = to_iso(self._clock.now())
            owners = [agent_id]
            if group is not None:
                agents = agents_in_use(session)
                wanted = name_key(group)
                owners = [agent.id for agent in agents if wanted in map(name_key, agent.tags)]
                if not owners:
                    raise AgentNotFound(
                        f"no agent has the tag {group!r}, so nobody would see the block; nothing "
                        f"was made. `memory-mcp agents tag NAME {group}` gives it to one."
                    )
            seq = make_block(session, template, now, group)
            for owner in owners:
                attach(session, seq_of(session, owner), seq, template.label, now)
            return _labelled(blocks_of(session, owners[0]), template.label)

        return await self._database.write(create)

    async def attach(self, block: str, owner_id: AgentId, agent_id: AgentId) -> Block:
        """Attach a block, by its id or by its label with `owner_id`, to another agent.

        Raises:
            BlockNotFound: there is none.
            Taken: the agent has a block of that label.
        """

        def link(session: Session) -> Block:
            row = session.one(_BY_ID, (as_key(block),))
            row = row or session.one(_BY_LABEL, (owner_id, as_key(block)))
            if row is None:
                _labelled(blocks_of(session, owner_id), block)
                raise AssertionError("a block with that label would have been found")
            seq, label = row
            attach(session, seq_of(session, agent_id), seq, label, to_iso(self._clock.now()))
            return _labelled(blocks_of(session, agent_id), label)

        return await self._database.write(link)

    async def detach(self, agent_id: AgentId, label: str) -> Block:
        """Take a block from an agent. The block is kept, also when nobody has it any more.

        Raises:
            BlockNotFound: the agent has no such block.
        """

        def unlink(session: Session) -> Block:
            block = _labelled(blocks_of(session, agent_id), label)
            (seq, _) = session.one(_BY_ID, (block.id,)) or (0, "")
            detach(session, seq_of(session, agent_id), seq, label, to_iso(self._clock.now()))
            return block

        return await self._database.write(unlink)

    async def set(self, agent_id: AgentId, label: str, settings: BlockSettings) -> Block:
        """Set what holds for a block besides its value.

        Raises:
            BlockNotFound: the agent has no such block.
        """

        def change(session: Session) -> Block:
            self._set(session, _labelled(blocks_of(session, agent_id), label), settings)
            return _labelled(blocks_of(session, agent_id), label)

        return await self._database.write(change)

    async def overwrite(
        self, agent_id: AgentId, label: str, value: str, settings: BlockSettings | None = None
    ) -> Edited:
        """Give a block a value by a person's word, with what else is to be set.

        Raises:
            BlockNotFound, BlockLimitExceeded: nothing was changed.
        """

        def change(session: Session) -> Edited:
            before = _labelled(blocks_of(session, agent_id), label)
            if settings is not None:
                self._set(session, before, settings)
            return self._overwrite(session, agent_id, label, value)

        return await self._database.write(change)

    async def undo(self, agent_id: AgentId, label: str, version: int | None) -> Edited:
        """Give a block the value it had at a version again; without one, at the last but one.

        Raises:
            BlockNotFound, BlockLimitExceeded: nothing was changed.
            InvalidInput: it has no such version.
        """

        def change(session: Session) -> Edited:
            block = _labelled(blocks_of(session, agent_id), label)
            wanted = block.version - 1 if version is None else version
            then = _at_version(session, block, wanted) if 0 < wanted < block.version else None
            if then is None:
                raise InvalidInput(
                    f"block {label!r} is at version {block.version} and was never changed."
                    if block.version == 1
                    else f"block {label!r} has no version {wanted} to go back to; it is at version "
                    f"{block.version}. `memory-mcp blocks history {label}` shows them."
                )
            value, _ = without_forgotten(session, then.value, [block.id])
            return self._overwrite(session, agent_id, label, value)

        return await self._database.write(change)

    async def history(self, agent_id: AgentId, label: str) -> list[BlockVersion]:
        """Every value the block had, the newest first, without lines that were forgotten.

        Raises:
            BlockNotFound: the agent has no such block.
        """

        def read(session: Session) -> list[BlockVersion]:
            block = _labelled(self._in_view(session, agent_id), label)
            return [
                BlockVersion(
                    version=version,
                    value=without_forgotten(session, value, [block.id])[0],
                    changed_by=by,
                    changed_at=from_iso(at),
                )
                for version, value, by, at in session.all(_HISTORY, (block.id,))
            ]

        return await self._database.read(read)

    def _set(self, session: Session, block: Block, settings: BlockSettings) -> None:
        now = to_iso(self._clock.now())
        told = (settings.description, settings.limit_chars, settings.read_only)
        session.run(_SET, (*told, settings.on_overflow, now, block.id))
        owners = [owner for owner, _ in session.all(_ATTACHED_TO, (block.id,))]
        record_change(session, now, "block", block.id, "set", owners, label=block.label, by=PERSON)

    def _overwrite(self, session: Session, agent_id: AgentId, label: str, value: str) -> Edited:
        before = _labelled(blocks_of(session, agent_id), label)
        after = overwrite(value)(before)
        if after.version != before.version:
            now = to_iso(self._clock.now())
            put_value(session, self._indexes, after, (), changed_by=PERSON, by=PERSON, now=now)
        return Edited(before, _labelled(blocks_of(session, agent_id), label))


def put_value(
    session: Session,
    indexes: Indexes,
    block: Block,
    lines: Sequence[str],
    *,
    changed_by: str,
    by: str,
    now: str,
    key: str | None = None,
) -> None:
    """Give a block its new value and version; `lines` leave it for every agent's archival memory.

    A line is a passage. Of a block that many have, that is so for who edits it; the others, who
    would be filed the same lines a thousand times over, get several lines in one.

    `changed_by` stands in its history, `by` in the outbox.
    """
    seq = session.value(_UPDATE, (block.value, block.version, now, block.id))
    told_again(session, block.id, block.value)
    session.run(_INSERT_HISTORY, (seq, block.version, block.value, changed_by, now, key))
    attached = session.all(_ATTACHED_TO, (block.id,))
    owners = [owner for owner, _ in attached]
    record_change(session, now, "block", block.id, "edited", owners, label=block.label, by=by)
    made: dict[tuple[str, bool], Sequence[NewPassage]] = {}
    for owner, own_label in attached if lines else ():
        together = len(attached) > MANY and owner != by
        if (own_label, together) not in made:
            each = _passages(session, seq, own_label, lines)
            made[own_label, together] = gathered(each) if together else each
        passages = made[own_label, together]
        file_passages(session, indexes, owner, passages, [None] * len(passages), now, "moved")


def blocks_of(session: Session, agent_id: AgentId) -> list[Block]:
    """The agent's blocks, in the order they stand in view."""
    return [_from_row(row) for row in session.all(_OF_AGENT, (agent_id,))]


def _at_version(session: Session, block: Block, version: int) -> Block | None:
    value = session.value(_VALUE, (block.id, version))
    return None if value is None else replace(block, value=value, version=version)


def _passages(
    session: Session, block_seq: int, label: str, lines: Sequence[str]
) -> list[NewPassage]:
    """Lines that leave a block, as passages: when each was written, and by whom."""
    written = dict.fromkeys(lines, ("", ""))
    open_lines = set(lines)
    # From the newest value back, as far as a line goes without a break.
    for value, by, at in session.all(_WRITTEN, (block_seq,)):
        there = set(value.split("\n"))
        open_lines &= there
        if not open_lines:
            break
        written.update(dict.fromkeys(open_lines, (by, at)))
    passages: list[NewPassage] = []
    for line in lines:
        by, at = written[line]
        passages.append(
            NewPassage(
                content=line,
                tags=(f"block:{label}",),
                occurred_at=from_iso(at) if at else None,
                origin=f"block:{label}",
                metadata={"written_by": by} if by else None,
            )
        )
    return passages


def _done(session: Session, agent_id: AgentId, key: str, edit: Edit) -> Edited | None:
    """What the edit of that key did, if it was made."""
    if (row := session.one(_DONE, (key,))) is None:
        return None
    block_id, version = row
    for block in blocks_of(session, agent_id):
        if block.id == block_id:
            before = _at_version(session, block, version - 1)
            after = _at_version(session, block, version)
            if before is None or after is None:
                return None
            lines: tuple[str, ...] = ()
            with suppress(MemoryMCPError):  # a rewrite is judged by what its caller has seen since
                lines = without_overflow(before, edit(before))[1]
            return Edited(before, after, filed_texts(session, agent_id, lines))
    return None


def _labelled(blocks: list[Block], label: str) -> Block:
    for block in blocks:
        if block.label == label:
            return block
    labels = ", ".join(block.label for block in blocks) or "none"
    raise BlockNotFound(f"there is no block {clip(label, 60)!r}. The blocks are: {labels}.")


def _from_row(row: Row) -> Block:
    return Block(
        id=BlockId(row[0]),
        label=row[1],
        value=row[2],
        description=row[3],
        limit_chars=row[4],
        read_only=bool(row[5]),
        on_overflow=row[6],
        version=row[7],
        updated_at=from_iso(row[8]),
        shared_with=row[9],
    )
