"""Lines of core memory, forgotten and put back: edits, which whoever has the block sees."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.forgetting import (
    without_lines,
)
from memory_mcp.domain.ids import AgentId, new_id
from memory_mcp.domain.merge import MergeConflict, merge
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.blocks import blocks_of, put_value
from memory_mcp.storage.sqlite.finding import BY_USER
from memory_mcp.storage.sqlite.indexes import Indexes
from memory_mcp.storage.sqlite.removed import (
    forget_lines,
    keep,
    told_again,
)
from memory_mcp.storage.sqlite.session import Row, Session


def take_lines(
    session: Session,
    indexes: Indexes,
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
            after = _put(session, indexes, agent_id, block, without_lines(block.value, gone), now)
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


def put_lines(
    session: Session, indexes: Indexes, agent_id: AgentId, rows: Sequence[Row], now: str
) -> tuple[int, int, list[str]]:
    """Put lines back into their blocks, and show those of older versions again.

    How many of each, and the blocks that have no room for their lines.
    """
    back, shown, no_room = 0, 0, list[str]()
    for row_id, noun, row, *_ in reversed(rows):
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
            _put(session, indexes, agent_id, block, value, now)
        told_again(session, block.id, "\n".join([*kept["lines"], *kept.get("older", ())]))
        session.run("DELETE FROM removed WHERE id = ?", (row_id,))
        back += len(kept["lines"])
        shown += len(kept.get("older", ()))
    return back, shown, no_room


def _put(
    session: Session, indexes: Indexes, agent_id: AgentId, block: Block, value: str, now: str
) -> Block:
    after = replace(block, value=value, version=block.version + 1)
    put_value(session, indexes, after, (), changed_by=agent_id, by=agent_id, now=now)
    return after


def _with_lines(value: str, kept: dict[str, Any]) -> str:
    """A block's text with its lines back where they stood; at its end, if that place is gone."""
    merged = merge(kept["after"], kept["before"], value)
    if isinstance(merged, MergeConflict):
        return "\n".join([value, *kept["lines"]] if value else kept["lines"])
    return merged.text
