"""Forgetting in SQLite: by id, or by a text that was shown first; and putting back."""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.extract import without_fragments
from memory_mcp.domain.forgetting import (
    CONFIRM_MINUTES,
    KEPT_DAYS,
    Forgotten,
    Found,
    Holder,
    Match,
    Pending,
    Restored,
    holder_of,
    lines_holding,
    without_lines,
)
from memory_mcp.domain.ids import AgentId, new_id
from memory_mcp.domain.merge import MergeConflict, merge
from memory_mcp.domain.summaries import MADE_BY_EXTRACT
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.blocks import blocks_of, put_value
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.history import VERSIONS
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.payloads import forget_payloads, opening_of, plain_part, texts_in
from memory_mcp.storage.sqlite.removed import (
    edit_summaries,
    forget_lines,
    keep,
    purge,
    remove_mail,
    remove_messages,
    remove_passages,
    restore,
    told_again,
    without_forgotten,
)
from memory_mcp.storage.sqlite.session import Row, Session, as_key

BY_USER = "user"

# SQLite folds capitals of ASCII alone: what holds such a part is looked at more closely.
_HOLDING = """
SELECT id, content, metadata FROM {table} WHERE agent_seq = ?1
    AND (instr(lower(content), ?2) OR instr(lower(metadata), ?3)) ORDER BY seq
"""
_HOLDING_PASSAGES = _HOLDING.format(table="passages")
_HOLDING_MESSAGES = _HOLDING.format(table="messages")
_HOLDING_MAIL = """
SELECT id, text FROM mail WHERE ?1 IN (sender_seq, recipient_seq) AND instr(lower(text), ?2)
ORDER BY seq
"""
_VERSIONS = f"""
SELECT h.value FROM {VERSIONS} h JOIN blocks b ON b.seq = h.block_seq
WHERE b.id = ? ORDER BY h.version DESC
"""
_SETTINGS = "SELECT description, system_prompt FROM agents WHERE seq = ?"
_ASCII = re.compile(r"[\x01-\x7f]*")
_SUMMARIES = "SELECT id, text FROM summaries WHERE agent_seq = ? ORDER BY seq DESC"
_LATEST_SUMMARY = """
SELECT id, text, made_by, last_seq FROM summaries WHERE agent_seq = ? ORDER BY seq DESC LIMIT 1
"""
_PENDING = "SELECT value FROM settings WHERE name = ?"
_SET = "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_UNSET = "DELETE FROM settings WHERE name = ?"
_EXPIRED = """
DELETE FROM settings
WHERE CASE WHEN name LIKE 'forget:%' THEN json_extract(value, '$.expires_at') END < ?
"""
_DUE = """
SELECT EXISTS (SELECT 1 FROM removed WHERE removed_at < ?) OR EXISTS (SELECT 1 FROM settings
    WHERE CASE WHEN name LIKE 'forget:%' THEN json_extract(value, '$.expires_at') END < ?)
"""
_BY_ID = """
SELECT id, noun, row FROM removed
WHERE agent_seq = ? AND id IN (SELECT value FROM json_each(?))
"""
_LAST = f"""
SELECT id, noun, row FROM removed WHERE agent_seq = ?1 AND removed_by = '{BY_USER}'
    AND removed_at = (SELECT max(removed_at) FROM removed
        WHERE agent_seq = ?1 AND removed_by = '{BY_USER}')
"""


class SqliteForgetting:
    """The `ForgettingStore` port."""

    def __init__(self, database: Database, indexes: Indexes, clock: Clock) -> None:
        self._database = database
        self._indexes = indexes
        self._clock = clock

    async def find(self, agent_id: AgentId, text: str) -> Found:
        """Everything of the agent's that holds exactly this text, whatever its capitals."""
        return await self._database.read(lambda session: _find(session, agent_id, text))

    async def hold(self, agent_id: AgentId, found: Found, pending: Pending | None) -> None:
        """Let what was found wait for its word, in place of what waited before."""
        lines: dict[Holder, dict[str, list[str]]] = {"block": {}, "version": {}}
        ids: dict[Holder, list[str]] = defaultdict(list)
        for match in found.matches:
            ids[match.noun].append(match.id)
            if match.noun in lines:
                lines[match.noun].setdefault(match.id, []).append(match.text)

        def put(session: Session) -> None:
            if pending is None:
                session.run(_UNSET, (_waits_for(agent_id),))
                return
            told = {
                "text": pending.text,
                "code": pending.code,
                "expires_at": to_iso(pending.expires_at),
                "told": pending.told,
                "passages": ids["passage"],
                "messages": ids["message"],
                "blocks": lines["block"],
                "versions": lines["version"],
                "summary": bool(ids["summary"]),
                "older": len(ids["older"]),
                "mails": ids["mail"],
            }
            session.run(_SET, (_waits_for(agent_id), json.dumps(told)))

        await self._database.write(put)

    async def pending(self, agent_id: AgentId) -> Pending | None:
        """What waits for its word, if anything does."""
        told = await self._database.read(lambda session: _pending(session, agent_id))
        if told is None or from_iso(told["expires_at"]) <= self._clock.now():
            return None
        return Pending(
            text=told["text"],
            code=told["code"],
            expires_at=from_iso(told["expires_at"]),
            told=told["told"],
        )

    async def confirm(self, agent_id: AgentId, code: str) -> Forgotten:
        """Forget what waits for this word: exactly that, in one transaction.

        Raises:
            InvalidInput: nothing waits, it waited too long, or for another word.
        """

        def apply(session: Session) -> Forgotten:
            at = self._clock.now()
            now = to_iso(at)
            told = _pending(session, agent_id)
            if told is None:
                raise InvalidInput(
                    'nothing waits to be confirmed; nothing was forgotten. forget "text" shows '
                    "what would go, and the code that lets it."
                )
            if from_iso(told["expires_at"]) <= at:
                raise InvalidInput(
                    f"that waited for {CONFIRM_MINUTES} minutes and no longer; nothing was "
                    'forgotten. Ask again: forget "text".'
                )
            if told["code"] != code.strip().upper():
                raise InvalidInput(
                    f"{clip(code, 20)!r} is not the code that was shown last; nothing was "
                    'forgotten. Look at the code again, or ask again: forget "text".'
                )
            session.run(_UNSET, (_waits_for(agent_id),))
            fragments, older, wanted = 0, told.get("older", 0), holder_of(told["text"])
            if told["summary"] or older:
                fragments = self._from_summaries(session, agent_id, wanted, now)
            ids = told["passages"], told["messages"]
            forgotten = self._remove(session, agent_id, *ids, now, told["text"])
            lines, versions = self._remove_lines(
                session, agent_id, told["blocks"], told.get("versions", {}), now
            )
            mails = remove_mail(session, agent_id, told.get("mails", ()), BY_USER, now)
            return replace(
                forgotten,
                at=at,
                lines=lines,
                versions=versions,
                fragments=fragments,
                older=older,
                mails=mails,
            )

        return await self._database.write(apply)

    async def forget(self, agent_id: AgentId, ids: Sequence[str]) -> Forgotten:
        """Forget the agent's passages and messages with these ids, in one transaction."""
        asked = list(dict.fromkeys(as_key(one) for one in ids))

        def apply(session: Session) -> Forgotten:
            at = self._clock.now()
            gone = self._remove(session, agent_id, asked, asked, to_iso(at))
            went = {*gone.passages, *gone.messages}
            return replace(gone, at=at, unknown=[one for one in asked if one not in went])

        return await self._database.write(apply)

    async def restore(self, agent_id: AgentId, ids: Sequence[str] | None) -> Restored:
        """Put these of the agent's back; without ids what its user forgot last."""

        def apply(session: Session) -> Restored:
            now = to_iso(self._clock.now())
            agent_seq = seq_of(session, agent_id)
            if ids is None:
                rows = session.all(_LAST, (agent_seq,))
            else:
                asked = json.dumps([as_key(one) for one in ids])
                rows = session.all(_BY_ID, (agent_seq, asked))
            wanted = [row[0] for row in rows if row[1] != "block"]
            back = restore(session, self._indexes, wanted, now)
            lines, versions, no_room = self._put_lines(session, agent_id, rows, now)
            known = {row[0] for row in rows}
            return Restored(
                back=back,
                lines=lines,
                versions=versions,
                anew=[one for one in wanted if one not in back],
                no_room=no_room,
                unknown=[one for one in dict.fromkeys(ids or ()) if one not in known],
            )

        return await self._database.write(apply)

    async def purge(self) -> int:
        """Let go for good what was kept long enough, of every agent; how much it was."""
        now = self._clock.now()
        before = to_iso(now - timedelta(days=KEPT_DAYS))

        def let_go(session: Session) -> int:
            session.run(_EXPIRED, (to_iso(now),))
            return purge(session, before)

        due = (before, to_iso(now))
        if not await self._database.read(lambda session: session.value(_DUE, due)):
            return 0
        return await self._database.write(let_go)

    def _remove(
        self,
        session: Session,
        agent_id: AgentId,
        passage_ids: Sequence[str],
        message_ids: Sequence[str],
        now: str,
        text: str | None = None,
    ) -> Forgotten:
        """Remove these, and what the ledger tells of that text, or of theirs."""
        session.run("DELETE FROM visits")  # the last answer stands there, whoever's it was
        passages = remove_passages(session, self._indexes, agent_id, passage_ids, BY_USER, now)
        messages = remove_messages(session, self._indexes, agent_id, message_ids, BY_USER, now)
        texts = [text] if text else [opening_of(one.content) for one in (*passages, *messages)]
        forget_payloads(session, seq_of(session, agent_id), texts)
        latest = session.one(_LATEST_SUMMARY, (seq_of(session, agent_id),))
        retold_to = latest[3] if latest and latest[2] != MADE_BY_EXTRACT else 0
        return Forgotten(
            at=self._clock.now(),
            passages=[passage.id for passage in passages],
            messages=[message.id for message in messages],
            retold=any(message.seq <= retold_to for message in messages),
        )

    def _from_summaries(
        self, session: Session, agent_id: AgentId, wanted: re.Pattern[str], now: str
    ) -> int:
        """Take fragments out of the summary in view, and out of those it was made from."""
        agent_seq = seq_of(session, agent_id)

        def holds(_: str, __: str, fragment: str) -> bool:
            return wanted.search(fragment) is not None

        counts = edit_summaries(session, agent_seq, holds)
        latest = session.one(_LATEST_SUMMARY, (agent_seq,))
        if latest is None or not counts[-1]:
            return 0
        record_change(session, now, "summary", latest[0], "changed", [agent_id])
        return counts[-1]

    def _remove_lines(
        self,
        session: Session,
        agent_id: AgentId,
        lines: dict[str, list[str]],
        older: dict[str, list[str]],
        now: str,
    ) -> tuple[int, int]:
        """Take lines out of blocks by an edit, which everybody sees, and hide them in its history.

        How many went of what the blocks read, and how many of older versions only.
        """
        agent_seq = seq_of(session, agent_id)
        went = hidden = 0
        for block in blocks_of(session, agent_id):
            gone = [line for line in block.value.split("\n") if line in lines.get(block.id, ())]
            past = older.get(block.id, [])
            if block.read_only or not (gone or past):
                continue
            after = block
            if gone:
                after = self._put(session, agent_id, block, without_lines(block.value, gone), now)
            row_id = new_id("block")
            kept: dict[str, Any] = {
                "block_id": block.id,
                "label": block.label,
                "version": after.version,
                "lines": gone,
                "older": past,
                "before": block.value,
                "after": after.value,
            }
            keep(session, row_id, "block", agent_seq, kept, BY_USER, now)
            forget_lines(session, agent_seq, row_id, block, [*gone, *past], now)
            went += len(gone)
            hidden += len(past)
        return went, hidden

    def _put_lines(
        self, session: Session, agent_id: AgentId, rows: Sequence[Row], now: str
    ) -> tuple[int, int, list[str]]:
        """Put lines back into their blocks, and show those of older versions again.

        How many of each, and the blocks that have no room for their lines.
        """
        back, shown, no_room = 0, 0, list[str]()
        for row_id, noun, row in reversed(rows):
            if noun != "block":
                continue
            kept = json.loads(row)
            by_id: dict[str, Block] = {one.id: one for one in blocks_of(session, agent_id)}
            block = by_id.get(kept["block_id"])
            value = _with_lines(block.value, kept) if block and kept["lines"] else ""
            if block is None or block.read_only or len(value) > block.limit_chars:
                no_room.append(block.label if block else kept["label"])
                continue
            if kept["lines"]:
                self._put(session, agent_id, block, value, now)
            told_again(session, block.id, "\n".join([*kept["lines"], *kept.get("older", ())]))
            session.run("DELETE FROM removed WHERE id = ?", (row_id,))
            back += len(kept["lines"])
            shown += len(kept.get("older", ()))
        return back, shown, no_room

    def _put(
        self, session: Session, agent_id: AgentId, block: Block, value: str, now: str
    ) -> Block:
        after = replace(block, value=value, version=block.version + 1)
        put_value(session, self._indexes, after, (), changed_by=agent_id, by=agent_id, now=now)
        return after


def _find(session: Session, agent_id: AgentId, text: str) -> Found:
    agent_seq = seq_of(session, agent_id)
    wanted = holder_of(text)
    part = max(_ASCII.findall(text), key=len).lower()
    matches: list[Match] = []
    looked_in: tuple[tuple[Holder, str], ...] = (
        ("passage", _HOLDING_PASSAGES),
        ("message", _HOLDING_MESSAGES),
    )
    for noun, sql in looked_in:
        for row_id, content, metadata in session.all(sql, (agent_seq, part, plain_part(text))):
            if wanted.search(content) or (metadata and wanted.search(texts_in(metadata))):
                matches.append(Match(noun, row_id, content))
    read_only: list[str] = []
    settings: list[str] = []
    for block in blocks_of(session, agent_id):
        if wanted.search(block.description):
            settings.append(f"the description of block {block.label!r}")
        lines = lines_holding(block.value, wanted)
        if block.read_only and lines:
            read_only.append(block.label)
        elif not block.read_only:
            matches += [Match("block", block.id, line) for line in lines]
            past = _lines_of_old(session, block, wanted)
            matches += [Match("version", block.id, line) for line in past]
    matches += _in_summaries(session, agent_seq, wanted)
    for mail_id, letter in session.all(_HOLDING_MAIL, (agent_seq, part)):
        if wanted.search(letter):
            matches.append(Match("mail", mail_id, letter))
    description, prompt = session.one(_SETTINGS, (agent_seq,)) or ("", "")
    if wanted.search(description):
        settings.append("the agent's description")
    if wanted.search(prompt):
        settings.append("its system prompt")
    return Found(text=text, matches=matches, read_only=read_only, settings=settings)


def _lines_of_old(session: Session, block: Block, wanted: re.Pattern[str]) -> list[str]:
    """Lines that hold a text in versions a block had, and no longer in what it reads."""
    found: dict[str, None] = {}
    for (value,) in session.all(_VERSIONS, (block.id,)):
        shown, _ = without_forgotten(session, value, [block.id])
        found.update(dict.fromkeys(lines_holding(shown, wanted)))
    now = set(block.value.split("\n"))
    return [line for line in found if line not in now]


def _in_summaries(session: Session, agent_seq: int, wanted: re.Pattern[str]) -> list[Match]:
    """Fragments that hold a text: of the summary in view, and those of older ones only."""
    matches: list[Match] = []
    seen: set[str] = set()
    noun: Holder = "summary"
    for summary_id, text in session.all(_SUMMARIES, (agent_seq,)):
        held: list[str] = []

        def holds(_: str, __: str, fragment: str, held: list[str] = held) -> bool:
            if wanted.search(fragment):
                held.append(fragment)
            return False

        without_fragments(text, holds)
        if noun == "older":
            held = [one for one in dict.fromkeys(held) if one not in seen]
        matches += [Match(noun, summary_id, fragment) for fragment in held]
        seen.update(held)
        noun = "older"
    return matches


def _waits_for(agent_id: AgentId) -> str:
    return f"forget:{agent_id}"


def _pending(session: Session, agent_id: AgentId) -> dict[str, Any] | None:
    told = session.value(_PENDING, (_waits_for(agent_id),))
    return json.loads(told) if told else None


def _with_lines(value: str, kept: dict[str, Any]) -> str:
    """A block's text with its lines back where they stood; at its end, if that place is gone."""
    merged = merge(kept["after"], kept["before"], value)
    if isinstance(merged, MergeConflict):
        return "\n".join([value, *kept["lines"]] if value else kept["lines"])
    return merged.text
