"""Texts that are no longer what was stored: a bit flipped on the disk, where SQLite sees none.

A message has a checksum, a passage the digest in its identity, a block's value its double in the
history, older versions the checksum of their pack.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from memory_mcp.domain.messages import checksum
from memory_mcp.domain.passages import text_digest
from memory_mcp.storage.sqlite.database import Database
from memory_mcp.storage.sqlite.history import damaged_packs
from memory_mcp.storage.sqlite.session import Session

ROWS_AT_ONCE = 2_000
TOLD_MAX = 20
SHARE = 30
"""A daily look compares one row of so many, others each day."""

# Read as bytes: what is damaged may be no text any more.
_MESSAGES = """
SELECT seq, id, CAST(content AS BLOB), checksum FROM messages
WHERE seq > ?1 AND checksum IS NOT NULL AND seq % ?2 = ?3 ORDER BY seq LIMIT ?4
"""
_PASSAGES = """
SELECT seq, id, CAST(content AS BLOB), identity FROM passages
WHERE seq > ?1 AND seq % ?2 = ?3 ORDER BY seq LIMIT ?4
"""
# A value in its history is written at the same time, elsewhere in the file.
_BLOCKS = """
SELECT b.id FROM blocks b JOIN block_history h ON h.block_seq = b.seq AND h.version = b.version
WHERE h.pack IS NULL AND CAST(h.value AS BLOB) <> CAST(b.value AS BLOB)
"""


@dataclass(frozen=True, slots=True)
class Part:
    """Which rows are looked at: those whose number leaves `rest` when divided by `of`."""

    of: int = 1
    rest: int = 0


EVERY_ROW = Part()


async def flipped(database: Database, part: Part) -> list[str]:
    """What is not as it was stored, in words, with the id of each row."""
    found: list[str] = []
    for noun, sql, is_same in _NOUNS:
        ids = [row_id async for row_id in _differing(database, sql, is_same, part)]
        found += _told(noun, ids)
    found += _told("block", await database.read(lambda session: _column(session, _BLOCKS)))
    packs = await database.read(damaged_packs)
    found += [f"versions of {block_id} from {first} on are damaged" for block_id, first in packs]
    return found


async def _differing(
    database: Database, sql: str, is_same: Callable[[bytes, Any], bool], part: Part
) -> AsyncGenerator[str]:
    last = 0
    while True:
        asked = (last, part.of, part.rest, ROWS_AT_ONCE)

        def look(session: Session, asked: tuple[int, ...] = asked) -> tuple[list[str], int, int]:
            rows = session.all(sql, asked)
            ids = [row[1] for row in rows if not is_same(row[2], row[3])]
            return ids, len(rows), rows[-1][0] if rows else 0

        ids, number, last = await database.read(look)
        for row_id in ids:
            yield row_id
        if number < ROWS_AT_ONCE:
            return


def _message_is_same(content: bytes, known: int) -> bool:
    text = _decoded(content)
    return text is not None and checksum(text) == known


def _passage_is_same(content: bytes, known: bytes) -> bool:
    text = _decoded(content)
    return text is not None and known.startswith(text_digest(text).encode())


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


_NOUNS: tuple[tuple[str, str, Callable[[bytes, Any], bool]], ...] = (
    ("message", _MESSAGES, _message_is_same),
    ("passage", _PASSAGES, _passage_is_same),
)


def _column(session: Session, sql: str) -> list[str]:
    return [row[0] for row in session.all(sql)]


def _told(noun: str, ids: list[str]) -> list[str]:
    told = [f"the text of {row_id} is not what was stored" for row_id in ids[:TOLD_MAX]]
    if (more := len(ids) - TOLD_MAX) > 0:
        told.append(f"{more:,} more texts of {noun}s are not what was stored")
    return told
