"""Lines of blocks that were forgotten: known by a digest, hidden in history, gone in the end."""

from collections.abc import Iterable, Sequence

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.passages import (
    forgotten_digest,
    text_digest,
)
from memory_mcp.storage.sqlite.session import Session

_FORGET_LINE = """
INSERT INTO forgotten (id, noun, agent_seq, external_id, forgotten_at, digest, source)
VALUES (?, 'line', ?, ?, ?, ?, ?)
"""
_LINES_OF = "SELECT digest FROM forgotten WHERE noun = 'line' AND source = ?"
_LINES_IN_PLACE = """
SELECT digest FROM forgotten WHERE noun = 'line' AND digest IS NOT NULL
    AND agent_seq = ? AND external_id = ?
"""
_LINE_AGAIN = "DELETE FROM forgotten WHERE noun = 'line' AND source = ? AND digest = ?"


def forget_lines(
    session: Session, agent_seq: int, row_id: str, block: Block, lines: Iterable[str], now: str
) -> None:
    """Know lines of a block as forgotten; files don't bring them back, its history hides them."""
    digests = dict.fromkeys(_line_digest(line) for line in lines)
    session.run_many(
        _FORGET_LINE,
        [
            (f"{row_id}/{number}", agent_seq, block.label, now, digest, block.id)
            for number, digest in enumerate(digests, 1)
        ],
    )


def told_again(session: Session, block_id: str, value: str) -> None:
    """What stands in a block again is no longer forgotten."""
    gone = _hidden(session, [block_id])
    again = gone.intersection(map(_line_digest, value.split("\n"))) if gone else ()
    session.run_many(_LINE_AGAIN, [(block_id, digest) for digest in again])


def without_forgotten(
    session: Session, value: str, block_ids: Sequence[str], places: Sequence[tuple[int, str]] = ()
) -> tuple[str, int]:
    """A block's text without the lines that were forgotten in it, and how many those are.

    `places` are agents with the label under which they have or had it.
    """
    gone = _hidden(session, block_ids)
    for place in places:
        gone.update(row[0] for row in session.all(_LINES_IN_PLACE, place))
    if not gone:
        return value, 0
    lines = value.split("\n")
    left = [line for line in lines if _line_digest(line) not in gone]
    return "\n".join(left), len(lines) - len(left)


def _hidden(session: Session, block_ids: Sequence[str]) -> set[str]:
    return {row[0] for each in block_ids for row in session.all(_LINES_OF, (each,))}


def _line_digest(line: str) -> str:
    return forgotten_digest(text_digest(line), None)
