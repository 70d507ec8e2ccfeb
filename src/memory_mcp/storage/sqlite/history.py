"""What blocks read once: the one place that packs, reads and rewrites older versions.

Every version is written whole, in the transaction of its edit. At rest, many older ones are packed
into one piece, where what they have in common stands once: thousands of versions of a block that
changes a line at a time take little more than their lines. All that reads versions asks `VERSIONS`,
which unpacks. What changes an older version has its block unpacked first.
"""

import json
import lzma
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from memory_mcp.storage.sqlite.session import Session

PACKED_MOST = 256
PACKED_LEAST = 64
WHOLE = 16
"""The newest versions of a block stay as they are: they are asked for most."""

VERSIONS = """(
    SELECT h.block_seq, h.version,
        unpacked(h.value, p.packed, h.version - p.first_version) AS value,
        h.changed_by, h.changed_at, h.key
    FROM block_history h LEFT JOIN block_packs p
        ON p.block_seq = h.block_seq AND p.first_version = h.pack
)"""
"""`block_history` with every value whole; a table for `FROM`."""

_VALUES = f"""
SELECT h.value, h.changed_at FROM {VERSIONS} h JOIN blocks b ON b.seq = h.block_seq
WHERE b.id = ? ORDER BY h.version DESC
"""
_BEFORE = "SELECT version, value FROM block_history WHERE block_seq = ? AND version < ?"
_REWRITE = "UPDATE block_history SET value = ? WHERE block_seq = ? AND version = ?"
_BUSY = """
SELECT block_seq FROM block_history WHERE pack IS NULL
GROUP BY block_seq HAVING count(*) >= ? ORDER BY count(*) DESC LIMIT 1
"""
_OLDEST = """
SELECT version, value FROM block_history WHERE block_seq = ?1 AND pack IS NULL AND version <= (
    SELECT max(version) FROM block_history WHERE block_seq = ?1) - ?2
ORDER BY version LIMIT ?3
"""
_POINT = """
UPDATE block_history SET value = '', pack = ?2 WHERE block_seq = ?1 AND version BETWEEN ?2 AND ?3
"""
_PACKED = f"""
SELECT version, value FROM {VERSIONS} WHERE block_seq = ?1 AND version IN (
    SELECT version FROM block_history WHERE block_seq = ?1 AND pack IS NOT NULL)
"""
_UNPACK = "UPDATE block_history SET value = ?, pack = NULL WHERE block_seq = ? AND version = ?"
_DROP = "DELETE FROM block_packs WHERE block_seq = ?"


def prepare(session: Session) -> None:
    """Let statements on this connection read versions."""
    session.define("unpacked", 3, unpacked)


def unpacked(value: str, packed: bytes | None, place: int | None) -> str:
    """A version's value, wherever it lies.

    Raises:
        ValueError: the pack is damaged.
    """
    if packed is None or place is None:
        return value
    return _values_of(packed)[place]


def values_of(session: Session, block_id: str) -> list[tuple[str, str]]:
    """Every value a block had, newest first, and when it came, in stored form."""
    return [(value, changed_at) for value, changed_at in session.all(_VALUES, (block_id,))]


def rewrite_values(
    session: Session, block_id: str, before: int, changed: Callable[[str], str]
) -> None:
    """Put other values in place of those that a block had before a version."""
    block_seq = session.value("SELECT seq FROM blocks WHERE id = ?", (block_id,))
    if block_seq is None:
        return
    unpack(session, block_seq)
    for version, value in session.all(_BEFORE, (block_seq, before)):
        left = changed(value)
        if left != value:
            session.run(_REWRITE, (left, block_seq, version))


def take_from_history(session: Session, kept: dict[str, Any]) -> None:
    """Take lines that were forgotten, as kept, out of all that their block read before."""
    gone = {*kept["lines"], *kept.get("older", ())}

    def without(value: str) -> str:
        return "\n".join(line for line in value.split("\n") if line not in gone)

    rewrite_values(session, kept["block_id"], kept["version"], without)


def pack_some(session: Session) -> int:
    """Pack the older versions of the block that has most of them; how many were packed."""
    block_seq = session.value(_BUSY, (PACKED_LEAST + WHOLE,))
    if block_seq is None:
        return 0
    rows = session.all(_OLDEST, (block_seq, WHOLE, PACKED_MOST))
    run = [row for place, row in enumerate(rows) if row[0] == rows[0][0] + place]
    if len(run) < PACKED_LEAST and len(run) == len(rows):
        return 0
    first, last = run[0][0], run[-1][0]
    packed = _packed([value for _, value in run])
    session.run("INSERT INTO block_packs VALUES (?, ?, ?)", (block_seq, first, packed))
    session.run(_POINT, (block_seq, first, last))
    return len(run)


def unpack(session: Session, block_seq: int) -> None:
    """Make every version of a block whole again, so that it can be changed."""
    rows = session.all(_PACKED, (block_seq,))
    session.run_many(_UNPACK, [(value, block_seq, version) for version, value in rows])
    session.run(_DROP, (block_seq,))


def damaged_packs(session: Session) -> list[tuple[str, int]]:
    """Packs that cannot be read any more: the block's id, the pack's first version."""
    rows = session.all(
        "SELECT b.id, p.first_version, p.packed FROM block_packs p "
        "JOIN blocks b ON b.seq = p.block_seq"
    )
    return [(block_id, first) for block_id, first, packed in rows if not _is_whole(packed)]


def _is_whole(packed: bytes) -> bool:
    try:
        return bool(_values_of(packed))
    except ValueError:
        return False


def _packed(values: list[str]) -> bytes:
    # With a checksum of what went in, and a memory that reaches over several long values.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 4, "dict_size": 1 << 22}]
    plain = json.dumps(values, ensure_ascii=False).encode()
    return lzma.compress(plain, check=lzma.CHECK_CRC64, filters=filters)


@lru_cache(maxsize=4)
def _values_of(packed: bytes) -> list[str]:
    try:
        return json.loads(lzma.decompress(packed))
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError("older versions of a block are damaged") from error
