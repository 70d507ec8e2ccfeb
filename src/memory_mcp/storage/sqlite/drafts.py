"""What a run drafted, done in one transaction; and undone, where nobody has touched it since."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.drafts import Draft
from memory_mcp.domain.errors import BlockNotFound
from memory_mcp.domain.ids import AgentId, PassageId, RunId
from memory_mcp.domain.merge import MergeConflict, merge
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.redact import redact
from memory_mcp.domain.runs import RunChange, Undone
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import to_iso
from memory_mcp.ports import Rewritten
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.blocks import blocks_of, put_value
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.passages import file_passages
from memory_mcp.storage.sqlite.payloads import forget_payloads, opening_of
from memory_mcp.storage.sqlite.removed import BY_UNDO, remove_messages, remove_passages, restore
from memory_mcp.storage.sqlite.session import Session

_CHANGE = """
INSERT INTO run_changes (run_seq, number, noun, noun_id, operation, before, after)
VALUES (?1, (SELECT count(*) + 1 FROM run_changes WHERE run_seq = ?1), ?2, ?3, ?4, ?5, ?6)
"""
_UNDONE = "UPDATE run_changes SET undone_at = ? WHERE run_seq = ? AND number = ?"
_PASSAGE = "SELECT content, refreshed_at FROM passages WHERE id = ?"
_OWNER = """
SELECT a.id FROM agents a JOIN agent_blocks ab ON ab.agent_seq = a.seq
    JOIN blocks b ON b.seq = ab.block_seq
WHERE b.id = ? LIMIT 1
"""


class Conflicting(Exception):
    """Blocks moved on where the draft changes them too. Raised inside, so that nothing is done."""

    def __init__(self, blocks: list[Block]) -> None:
        super().__init__(", ".join(block.label for block in blocks))
        self.blocks = blocks


def do_draft(
    session: Session,
    indexes: Indexes,
    run_seq: int,
    run_id: RunId,
    agent_id: AgentId,
    draft: Draft,
    now: str,
) -> None:
    """Do everything in the draft, and note each change with the run.

    Raises:
        Conflicting: blocks moved on where the draft changes them too, or so that it doesn't fit.
        BlockNotFound: a block it edits is gone.
    """
    note = _Notes(session, run_seq)
    current = {block.id: block for block in blocks_of(session, agent_id)}
    merged: list[Block] = []
    moved: list[Block] = []
    for label in draft.edited_labels:
        seen = draft.blocks[label]
        value: str | None = draft.values[label]
        if (there := current.get(seen.id)) is None:
            raise BlockNotFound(f"the block {label!r} is gone; nothing of this run was done.")
        if there.version != seen.version:
            both = merge(seen.value, value, there.value)
            value = None if isinstance(both, MergeConflict) else both.text
        # What is too long is shortened by the model, not by losing lines that others wrote.
        if (
            value is None
            or there.read_only
            or len(value) > max(there.limit_chars, len(there.value))
        ):
            moved.append(there)
        elif value != there.value:
            merged.append(replace(there, value=value, version=there.version + 1))
    if moved:
        raise Conflicting(moved)
    for block in merged:
        put_value(session, indexes, block, (), changed_by=run_id, by="shadow", now=now)
        note(
            "block",
            block.id,
            "edited",
            {"label": block.label, "value": current[block.id].value},
            {"label": block.label, "value": block.value},
        )
    ids = [PassageId(each) for each in draft.forgotten if each.startswith("passage-")]
    passages = remove_passages(session, indexes, agent_id, ids, by="shadow", now=now)
    for passage in passages:
        note("passage", passage.id, "forgotten", {"content": passage.content}, None)
    others = [each for each in draft.forgotten if each.startswith("message-")]
    messages = remove_messages(session, indexes, agent_id, others, by="shadow", now=now)
    for message in messages:
        note("message", message.id, "forgotten", {"content": message.content}, None)
    # Of the runs before: this one has not ended, and what it took can be undone.
    texts = [opening_of(each.content) for each in (*passages, *messages)]
    forget_payloads(session, seq_of(session, AgentId(agent_id)), texts)
    # After the forgetting: else the text of a forgotten passage, filed anew, would go with it.
    _file(session, indexes, note, agent_id, draft.passages, now)


def _file(
    session: Session,
    indexes: Indexes,
    note: "_Notes",
    agent_id: AgentId,
    passages: Sequence[NewPassage],
    now: str,
) -> None:
    for passage in passages:
        old = session.one(_PASSAGE, (passage.supersedes,)) if passage.supersedes else None
        if old is None:  # somebody forgot it meanwhile: what is true now is filed all the same
            passage = replace(passage, supersedes=None)
        (filed,) = file_passages(session, indexes, agent_id, [passage], [None], now)
        new = filed.passage
        told = {"content": new.content, "tags": list(new.tags)}
        note("passage", new.id, "refreshed" if filed.refreshed else "filed", None, told)
        if passage.supersedes and old and passage.supersedes != new.id:
            note("passage", passage.supersedes, "superseded", {"content": old[0]}, {"by": new.id})


def do_rewrite(
    session: Session, run_seq: int, agent_id: AgentId, told: Rewritten, now: str
) -> bool:
    """Put another text in place of a summary's, if it still reads as it did; whether it did."""
    row = session.one("SELECT text, made_by FROM summaries WHERE id = ?", (told.summary_id,))
    if row is None or redact(row[0]) != redact(told.before):
        return False
    model = session.value("SELECT model FROM runs WHERE seq = ?", (run_seq,))
    text = redact(told.text)
    _put_summary(session, agent_id, told.summary_id, text, model, now)
    _Notes(session, run_seq)(
        "summary",
        told.summary_id,
        "rewritten",
        {"text": row[0], "made_by": row[1]},
        {"text": text, "made_by": model},
    )
    return True


def _put_summary(
    session: Session, agent_id: str, summary_id: str, text: str, made_by: str, now: str
) -> None:
    session.run(
        "UPDATE summaries SET text = ?, made_by = ? WHERE id = ?", (text, made_by, summary_id)
    )
    record_change(session, now, "summary", summary_id, "rewritten", [agent_id], made_by=made_by)


class _Notes:
    """Enters a run's changes, in order."""

    def __init__(self, session: Session, run_seq: int) -> None:
        self._session = session
        self._run_seq = run_seq

    def __call__(
        self,
        noun: str,
        noun_id: str,
        operation: str,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        told = [json.dumps(each) if each is not None else None for each in (before, after)]
        self._session.run(_CHANGE, (self._run_seq, noun, noun_id, operation, *told))


# --- Undoing ---


def undo_changes(
    session: Session,
    indexes: Indexes,
    run_seq: int,
    agent_id: AgentId,
    changes: Sequence[RunChange],
    now: str,
    ended_at: datetime | None,
) -> Undone:
    """Put back what can be, the last change first; each is undone once."""
    put_back: list[str] = []
    left: list[str] = []
    for change in reversed(changes):
        if change.undone_at is not None:
            continue
        said, done = _undo(session, indexes, agent_id, change, now, ended_at)
        (put_back if done else left).append(said)
        if done:
            session.run(_UNDONE, (now, run_seq, change.number))
    return Undone(put_back=put_back, left=left)


def _undo(
    session: Session,
    indexes: Indexes,
    agent_id: AgentId,
    change: RunChange,
    now: str,
    ended_at: datetime | None,
) -> tuple[str, bool]:
    """What came of undoing one change, in words, and whether it was undone."""
    if change.before is None and change.after is None:
        return f"{change.noun_id}: what it was is no longer in the ledger (pruned)", False
    before: dict[str, Any] = change.before or {}
    after: dict[str, Any] = change.after or {}
    match change.noun, change.operation:
        case "block", _:
            return _undo_block(session, indexes, change.noun_id, before, after, now)
        case "summary", _:
            text = session.value("SELECT text FROM summaries WHERE id = ?", (change.noun_id,))
            if text != after["text"]:
                return "the summary: it has been written anew since", False
            _put_summary(session, agent_id, change.noun_id, before["text"], before["made_by"], now)
            return "the summary reads as before", True
        case "passage", "refreshed":
            return f"{change.noun_id} was there before the run, and stays", True
        case "passage", "filed":
            row = session.one(_PASSAGE, (change.noun_id,))
            if row is None:
                return f"{change.noun_id} is gone already", True
            if ended_at is not None and row[1] > to_iso(ended_at):
                return f"{change.noun_id}: somebody filed the same text again since", False
            removed = [PassageId(change.noun_id)]
            remove_passages(session, indexes, agent_id, removed, by=BY_UNDO, now=now)
            return f"{change.noun_id} is filed no more", True
        case "passage", "superseded" if _is_superseded(session, after.get("by", "")):
            return f"{change.noun_id}: what took its place was itself replaced since", False
        case _:
            if restore(session, indexes, [change.noun_id], now):
                return f"{change.noun_id} is back: {clip(before['content'], 60)!r}", True
            return f"{change.noun_id} can no longer be put back", False


def _is_superseded(session: Session, passage_id: str) -> bool:
    by = session.value("SELECT superseded_by FROM removed WHERE id = ?", (passage_id,))
    return by is not None


def _undo_block(
    session: Session,
    indexes: Indexes,
    block_id: str,
    before: dict[str, Any],
    after: dict[str, Any],
    now: str,
) -> tuple[str, bool]:
    label = before["label"]
    agent_id = session.value(_OWNER, (block_id,))
    if agent_id is None:
        return f"block {label!r}: it is gone", False
    block = next(each for each in blocks_of(session, AgentId(agent_id)) if each.id == block_id)
    if block.value != after["value"]:
        return f"block {label!r}: somebody changed it since", False
    back = replace(block, value=before["value"], version=block.version + 1)
    put_value(session, indexes, back, (), changed_by="undo", by="undo", now=now)
    return f"block {label!r} reads as before", True
