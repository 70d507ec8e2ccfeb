"""Proof that a text is gone: every column of every table is read, and the word indexes are asked.

The files themselves are looked through by whoever has them; what is compressed is read here.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from memory_mcp.domain.query import index_form
from memory_mcp.domain.texts import counted
from memory_mcp.domain.traces import forms_of, trace_in
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.texts import TEXTS

_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
_COLUMNS = "SELECT name, type FROM pragma_table_xinfo(?)"
_UNPACKERS: tuple[Callable[[bytes], bytes], ...] = (
    zlib.decompress,
    lambda data: zlib.decompress(data, wbits=-15),
    gzip.decompress,
    bz2.decompress,
    lzma.decompress,
)


def places_of(session: Session, text: str) -> list[str]:
    """Where a text stands in the store, in words: table, column, and in how many rows."""
    found: list[str] = []
    for (table,) in session.all(_TABLES):
        if any(table.startswith(index.fts) for index in TEXTS):
            continue
        for column, kind in session.all(_COLUMNS, (table,)):
            if kind not in ("TEXT", "BLOB", ""):
                continue
            sql = f'SELECT "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL'
            held = sum(_holds(value, text) for (value,) in session.all(sql))
            if held:
                found.append(f"{table}.{column}: {counted(held, 'row')}")
    return found + _orphans(session, text)


def _holds(value: Any, text: str) -> bool:
    if isinstance(value, str):
        low = value.encode("utf-8", "surrogatepass").lower()
        return any(form.data in low for form in forms_of(text))
    if not isinstance(value, bytes):
        return False
    return any(trace_in(data, text) is not None for data in (value, *_unpacked(value)))


def _unpacked(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    for unpack in _UNPACKERS:
        try:
            found.append(unpack(data))
        except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError):
            continue
    return found


def _orphans(session: Session, text: str) -> list[str]:
    """Rows of the word indexes that are found by the text's words, and that are not there."""
    phrase = " ".join(index_form(text).replace('"', " ").split())
    found: list[str] = []
    for index in TEXTS if phrase else ():
        sql = (
            f"SELECT count(*) FROM {index.fts} f LEFT JOIN {index.table} t ON t.seq = f.rowid "
            f"WHERE {index.fts} MATCH ? AND t.seq IS NULL"
        )
        try:
            number = session.value(sql, (f'{{text}} : "{phrase}"',))
        except sqlite_module().OperationalError:  # no word is left of it that an index knows
            continue
        if number:
            found.append(f"the word index {index.fts}: {counted(number, 'row')}")
    return found
