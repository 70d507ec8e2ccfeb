"""Forgetting in SQLite: what was shown first goes, with a receipt; and is put back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from memory_mcp.domain.forgetting import (
    AT_ONCE_MAX,
    KEPT_DAYS,
    Forgotten,
    Found,
    Holder,
    Pending,
    Restored,
    Wanted,
    loose_holder_of,
)
from memory_mcp.domain.ids import AgentId, new_id
from memory_mcp.domain.receipts import AskedBy, Receipt
from memory_mcp.domain.times import from_iso, to_iso
from memory_mcp.ports import Clock
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.erasing import erase, let_erase
from memory_mcp.storage.sqlite.finding import BY_USER, find, told_by
from memory_mcp.storage.sqlite.forgotten_lines import put_lines, take_lines
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.payloads import forget_payloads, opening_of
from memory_mcp.storage.sqlite.pending import (
    due,
    hold,
    let_expired_go,
    let_go,
    mark,
    pending_of,
    wanted_in,
)
from memory_mcp.storage.sqlite.proof import places_of
from memory_mcp.storage.sqlite.receipts import (
    add_line,
    add_receipt,
    drop_receipt,
    note_gone,
    note_undone,
    receipt_of,
    receipts,
)
from memory_mcp.storage.sqlite.removed import (
    drop_retold,
    edit_summaries,
    keep,
    keep_again,
    purge,
    purge_receipt,
    put_on_receipt,
    remove_mail,
    remove_messages,
    remove_passages,
    restore,
)
from memory_mcp.storage.sqlite.session import Row, Session, as_key

_LATEST_SUMMARY = "SELECT id FROM summaries WHERE agent_seq = ? ORDER BY seq DESC LIMIT 1"
_DUE = """
SELECT EXISTS (SELECT 1 FROM removed WHERE removed_at < ?1) OR EXISTS (SELECT 1 FROM settings
    WHERE CASE WHEN name LIKE 'forget:%' THEN json_extract(value, '$.expires_at') END < ?2)
    OR EXISTS (SELECT 1 FROM receipts WHERE gone_at IS NULL AND undone_at IS NULL AND asked_at < ?1)
"""
_BY_ID = """
SELECT id, noun, row, receipt, superseded_by FROM removed
WHERE agent_seq = ? AND id IN (SELECT value FROM json_each(?))
"""
_BY_RECEIPT = """
SELECT id, noun, row, receipt, superseded_by FROM removed WHERE receipt = ? AND agent_seq = ?
ORDER BY id
"""
_LAST_RECEIPT = """
SELECT id FROM receipts r WHERE agent_id = ? AND undone_at IS NULL AND gone_at IS NULL
    AND EXISTS (SELECT 1 FROM removed WHERE removed.receipt = r.id)
ORDER BY asked_at DESC, id DESC LIMIT 1
"""
# What was forgotten before there were receipts.
_LAST = f"""
SELECT id, noun, row, receipt, superseded_by FROM removed
WHERE agent_seq = ?1 AND removed_by = '{BY_USER}'
    AND removed_at = (SELECT max(removed_at) FROM removed
        WHERE agent_seq = ?1 AND removed_by = '{BY_USER}')
"""
_TEXTS_OF = "SELECT row FROM removed WHERE receipt = ? LIMIT ?"
STEPS_MOST = timedelta(hours=1)
"""So long a forgetting of many steps may be gone on with by its code."""
TEXTS_MAX = 500
"""So many texts are looked for in the logs."""
_LET_GO = "DELETE FROM removed WHERE id IN (SELECT value FROM json_each(?))"
_STILL_KEPT = "SELECT 1 FROM removed WHERE receipt = ? LIMIT 1"
_REPLACED_AGAIN = """
UPDATE removed SET receipt = NULL WHERE id IN (SELECT value FROM json_each(?))
"""
_PLACES: dict[Holder, tuple[str, str]] = {
    "passage": ("passage", "archival memory"),
    "message": ("message", "recall"),
    "block": ("line", "core memory"),
    "version": ("line", "older versions of core memory"),
    "summary": ("fragment", "the summary in view"),
    "older": ("fragment", "older summaries"),
    "mail": ("mail", "both mailboxes"),
    "kept": ("thing", "what could be put back"),
    "hook": ("call", "the folder of hooks' calls"),
}
"""What stands on a receipt for each: the noun, and the place."""


class SqliteForgetting:
    """The `ForgettingStore` port."""

    def __init__(self, database: Database, indexes: Indexes, clock: Clock) -> None:
        self._database = database
        self._indexes = indexes
        self._clock = clock

    async def find(self, agent_id: AgentId, wanted: Wanted) -> Found:
        """Everything of the agent's that is wanted gone."""
        return await self._database.read(lambda session: find(session, agent_id, wanted))

    async def hold(self, agent_id: AgentId, found: Found, pending: Pending | None) -> None:
        """Let what was found wait for its word, in place of what waited before."""

        def put(session: Session) -> None:
            if pending is None:
                let_go(session, agent_id)
            else:
                hold(session, agent_id, found, pending)

        await self._database.write(put)

    async def pending(self, agent_id: AgentId) -> Pending | None:
        """What waits for its word, if anything does."""
        told = await self._database.read(lambda session: pending_of(session, agent_id))
        if told is None or from_iso(told["expires_at"]) <= self._clock.now():
            return None
        return Pending(
            wanted=wanted_in(told),
            code=told["code"],
            expires_at=from_iso(told["expires_at"]),
            told=told["told"],
            hooks=told["ids"].get("hook", ()),
        )

    async def confirm(
        self, agent_id: AgentId, code: str, by: AskedBy, hooks: Mapping[str, str]
    ) -> Forgotten:
        """Forget what waits for this word: exactly that.

        In one transaction, or, where it is very much, in several that end with it or are gone on
        with by the same word. `hooks` are the calls of hooks that are to go, by name.

        Raises:
            InvalidInput: nothing waits, it waited too long, or for another word.
        """

        def begin(session: Session) -> dict[str, Any]:
            told = due(session, agent_id, code, self._clock.now())
            if "receipt" not in told:
                now = self._clock.now()
                told |= {
                    "receipt": new_id("receipt"),
                    "at": to_iso(now),
                    "expires_at": to_iso(now + STEPS_MOST),
                }
            return told

        told = await self._database.read(begin)
        parts = _parts(told["ids"])
        if parts[1:]:
            await self._database.write(lambda session: mark(session, agent_id, told))
        done = [
            await self._database.write(
                lambda session, part=part: self._take(session, agent_id, told, part, by)
            )
            for part in parts[:-1]
        ]

        def end(session: Session) -> Forgotten:
            # Somebody else may have confirmed it meanwhile.
            due(session, agent_id, code, self._clock.now())
            let_go(session, agent_id)
            last = self._take(session, agent_id, told, parts[-1], by)
            return self._take_rest(session, agent_id, told, last, hooks)

        return _together([*done, await self._database.write(end)])

    def _take(
        self,
        session: Session,
        agent_id: AgentId,
        told: dict[str, Any],
        part: tuple[Sequence[str], Sequence[str]],
        by: AskedBy,
    ) -> Forgotten:
        """Remove some of the passages and messages."""
        wanted = wanted_in(told)
        add_receipt(session, told["receipt"], agent_id, wanted.asked, by, told["at"])
        texts = [wanted.text, " ".join(wanted.text.split())] if wanted.text else None
        return self._remove(session, agent_id, *part, told["at"], told["receipt"], texts)

    def _take_rest(
        self,
        session: Session,
        agent_id: AgentId,
        told: dict[str, Any],
        forgotten: Forgotten,
        hooks: Mapping[str, str],
    ) -> Forgotten:
        """Take what else was found, and put all of it on the receipt."""
        agent_seq = seq_of(session, agent_id)
        now, receipt, ids = told["at"], told["receipt"], told["ids"]
        wanted, fragments, older = wanted_in(told), 0, len(ids.get("older", ()))
        if ids.get("summary") or older:
            fragments = self._from_summaries(session, agent_id, wanted, now)
        lines, versions = take_lines(
            session, self._indexes, agent_id, told["blocks"], told["versions"], now
        )
        mails = remove_mail(session, agent_id, ids.get("mail", ()), BY_USER, now)
        _keep_calls(session, agent_seq, hooks, now)
        again = keep_again(session, agent_seq, ids.get("kept", ()), receipt)
        put_on_receipt(session, agent_seq, BY_USER, now, receipt)
        went: dict[Holder, int | Sequence[str]] = {
            "block": lines,
            "version": versions,
            "summary": fragments,
            "older": older,
            "mail": mails,
            "kept": again,
            "hook": list(hooks),
        }
        for noun, which in went.items():
            if isinstance(which, int):
                add_line(session, receipt, *_PLACES[noun], which)
            else:
                add_line(session, receipt, *_PLACES[noun], len(which), which)
        return replace(
            forgotten,
            lines=lines,
            versions=versions,
            fragments=fragments,
            older=older,
            mails=mails,
            kept=again,
            hooks=list(hooks),
        )

    async def forget(self, agent_id: AgentId, ids: Sequence[str]) -> Forgotten:
        """Forget the agent's passages, messages and mail with these ids, in one transaction."""
        asked = list(dict.fromkeys(as_key(one) for one in ids))

        def apply(session: Session) -> Forgotten:
            now, receipt = to_iso(self._clock.now()), new_id("receipt")
            add_receipt(session, receipt, agent_id, "id", "request", now)
            gone = self._remove(session, agent_id, asked, asked, now, receipt)
            mails = remove_mail(session, agent_id, asked, BY_USER, now)
            add_line(session, receipt, *_PLACES["mail"], len(mails), mails)
            put_on_receipt(session, seq_of(session, agent_id), BY_USER, now, receipt)
            went = {*gone.passages, *gone.messages, *mails}
            if not went:
                drop_receipt(session, receipt)
            unknown = [one for one in asked if one not in went]
            shown = receipt if went else None
            return replace(gone, mails=mails, unknown=unknown, receipt=shown)

        return await self._database.write(apply)

    async def note_agent(
        self, agent_id: AgentId, held: Mapping[str, int], by: AskedBy, hooks: Mapping[str, str]
    ) -> str:
        """Put on a receipt that an agent goes with what it holds; the receipt's id.

        `hooks` are the calls of hooks that go with it, by name.
        """

        def note(session: Session) -> str:
            now, receipt = to_iso(self._clock.now()), new_id("receipt")
            add_receipt(session, receipt, agent_id, "agent", by, now)
            _keep_calls(session, seq_of(session, agent_id), hooks, now)
            put_on_receipt(session, seq_of(session, agent_id), BY_USER, now, receipt)
            add_line(session, receipt, *_PLACES["hook"], len(hooks), list(hooks))
            add_line(session, receipt, "agent", "the store", 1, [agent_id])
            for noun, number in held.items():
                add_line(session, receipt, noun, "what it held", number)
            return receipt

        return await self._database.write(note)

    async def note(
        self, receipt: str, noun: str, place: str, number: int, ids: Sequence[str] = ()
    ) -> None:
        """Enter on a receipt what was done, or left, outside the store."""
        await self._database.write(
            lambda session: add_line(session, receipt, noun, place, number, ids)
        )

    async def receipts(self, limit: int) -> list[Receipt]:
        """The newest receipts of the store, the last one first."""
        return await self._database.read(lambda session: receipts(session, limit))

    async def receipt(self, receipt: str) -> Receipt | None:
        """One receipt, if it is there."""
        return await self._database.read(lambda session: receipt_of(session, receipt))

    async def kept_calls(self, agent_id: AgentId, receipt: str | None) -> dict[str, str]:
        """The calls of hooks that `restore` would put back, by name."""

        def read(session: Session) -> dict[str, str]:
            rows = self._to_restore(session, agent_id, None, receipt)
            told = [json.loads(row[2]) for row in rows if row[1] == "hook"]
            return {each["name"]: each["content"] for each in told}

        return await self._database.read(read)

    async def restore(
        self, agent_id: AgentId, ids: Sequence[str] | None, receipt: str | None = None
    ) -> Restored:
        """Put these of the agent's back, or a receipt's; else what its user forgot last."""

        def apply(session: Session) -> Restored:
            now = to_iso(self._clock.now())
            rows = self._to_restore(session, agent_id, ids, receipt)
            hooks = {row[0]: json.loads(row[2])["name"] for row in rows if row[1] == "hook"}
            session.run(_LET_GO, (json.dumps(list(hooks)),))
            # Of what had been replaced before it was forgotten, another passage holds.
            replaced = [row[0] for row in rows if row[4] is not None and row[3] is not None]
            session.run(_REPLACED_AGAIN, (json.dumps(replaced),))
            wanted = [
                row[0] for row in rows if row[1] not in ("block", "hook") and row[0] not in replaced
            ]
            back = restore(session, self._indexes, wanted, now)
            lines, versions, no_room = put_lines(session, self._indexes, agent_id, rows, now)
            asked = {as_key(receipt)} if receipt else set[str]()
            for one in {row[3] for row in rows if row[3] is not None} | asked:
                if session.value(_STILL_KEPT, (one,)) is None:
                    note_undone(session, one, now)
            known = {row[0] for row in rows}
            return Restored(
                back=back,
                lines=lines,
                versions=versions,
                hooks=list(hooks.values()),
                anew=[one for one in wanted if one not in back],
                no_room=no_room,
                unknown=[one for one in dict.fromkeys(ids or ()) if one not in known],
            )

        return await self._database.write(apply)

    def _to_restore(
        self, session: Session, agent_id: AgentId, ids: Sequence[str] | None, receipt: str | None
    ) -> list[Row]:
        agent_seq = seq_of(session, agent_id)
        if ids is not None:
            asked = json.dumps([as_key(one) for one in ids])
            return session.all(_BY_ID, (agent_seq, asked))
        receipt = receipt or session.value(_LAST_RECEIPT, (agent_id,))
        if receipt is not None:
            return session.all(_BY_RECEIPT, (as_key(receipt), agent_seq))
        return session.all(_LAST, (agent_seq,))

    async def purge(self) -> int:
        """Let go for good what was kept long enough, of every agent; how much it was."""
        now = self._clock.now()
        before = to_iso(now - timedelta(days=KEPT_DAYS))

        def purged(session: Session) -> int:
            let_expired_go(session, to_iso(now))
            gone = purge(session, before)
            note_gone(session, to_iso(now))
            if gone:
                let_erase(session, to_iso(now))
            return gone

        asked = (before, to_iso(now))
        if not await self._database.read(lambda session: session.value(_DUE, asked)):
            return 0
        return await self._database.write_over(purged)

    async def purge_receipt(self, receipt: str) -> int:
        """The same at once for all that stands on a receipt."""
        now = self._clock.now()

        def purged(session: Session) -> int:
            gone = purge_receipt(session, as_key(receipt))
            note_gone(session, to_iso(now))
            let_erase(session, to_iso(now))
            return gone

        return await self._database.write_over(purged)

    async def erase(self, *, at_once: bool) -> bool:
        """Overwrite what is left in the file of what is gone; whether no byte of it is.

        `at_once`: somebody waits for it. Else it is done once a day at the most.
        """
        return await erase(self._database, self._clock, at_once=at_once)

    async def places(self, text: str) -> list[str]:
        """Where a text stands in the store by its rows and indexes, in words."""
        return await self._database.read(lambda session: places_of(session, text))

    async def texts_of(self, receipt: str) -> list[str]:
        """What was forgotten with a receipt, as long as it can be put back."""

        def read(session: Session) -> list[str]:
            rows = session.all(_TEXTS_OF, (receipt, TEXTS_MAX))
            return [text for (row,) in rows for text in _told_in(json.loads(row))]

        return await self._database.read(read)

    def _remove(
        self,
        session: Session,
        agent_id: AgentId,
        passage_ids: Sequence[str],
        message_ids: Sequence[str],
        now: str,
        receipt: str,
        texts: Sequence[str] | None = None,
    ) -> Forgotten:
        """Remove these, and what the ledger tells of those texts, or of theirs."""
        session.run("DELETE FROM visits")  # the last answer stands there, whoever's it was
        agent_seq = seq_of(session, agent_id)
        passages = remove_passages(session, self._indexes, agent_id, passage_ids, BY_USER, now)
        messages = remove_messages(session, self._indexes, agent_id, message_ids, BY_USER, now)
        texts = texts or [opening_of(one.content) for one in (*passages, *messages)]
        payloads = forget_payloads(session, agent_seq, texts)
        dropped = drop_retold(session, agent_seq, messages[0].seq) if messages else []
        forgotten = Forgotten(
            at=self._clock.now(),
            passages=[passage.id for passage in passages],
            messages=[message.id for message in messages],
            retold=dropped,
            receipt=receipt,
        )
        told: dict[Holder, Sequence[str]] = {
            "passage": forgotten.passages,
            "message": forgotten.messages,
        }
        for noun, ids in told.items():
            add_line(session, receipt, *_PLACES[noun], len(ids), ids)
        add_line(session, receipt, "summary", "what a model wrote", len(dropped), dropped)
        add_line(session, receipt, "payload", "the ledger of runs", payloads)
        return forgotten

    def _from_summaries(self, session: Session, agent_id: AgentId, wanted: Wanted, now: str) -> int:
        """Take fragments out of the summary in view, and out of those it was made from."""
        agent_seq = seq_of(session, agent_id)
        holder = loose_holder_of(wanted.text) if wanted.text is not None else None

        def holds(day: str, _: str, fragment: str) -> bool:
            return told_by(wanted, holder, day, fragment)

        counts = edit_summaries(session, agent_seq, holds)
        latest = session.value(_LATEST_SUMMARY, (agent_seq,))
        if latest is None or not counts[-1]:
            return 0
        record_change(session, now, "summary", latest, "changed", [agent_id])
        return counts[-1]


def _keep_calls(session: Session, agent_seq: int, hooks: Mapping[str, str], now: str) -> None:
    for name, content in hooks.items():
        kept = {"name": name, "content": content}
        keep(session, new_id("hook"), "hook", agent_seq, kept, BY_USER, now)


def _told_in(kept: dict[str, Any]) -> list[str]:
    lines = [*kept.get("lines", ()), *kept.get("older", ())]
    return [text for text in (kept.get("content"), kept.get("text"), *lines) if text]


def _parts(ids: dict[str, list[str]]) -> list[tuple[list[str], list[str]]]:
    """Passages and messages, so many at a time as a writer may be kept waiting for."""
    both = [(one, "passage") for one in ids.get("passage", ())]
    both += [(one, "message") for one in ids.get("message", ())]
    parts = [both[start : start + AT_ONCE_MAX] for start in range(0, len(both), AT_ONCE_MAX)]
    return [
        (
            [one for one, noun in part if noun == "passage"],
            [one for one, noun in part if noun == "message"],
        )
        for part in parts or [[]]
    ]


def _together(parts: Sequence[Forgotten]) -> Forgotten:
    """What went in several steps, as one."""
    return replace(
        parts[-1],
        passages=[one for part in parts for one in part.passages],
        messages=[one for part in parts for one in part.messages],
        retold=[one for part in parts for one in part.retold],
    )
