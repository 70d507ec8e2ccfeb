"""The legs of a search: by words (FTS5) and by meaning (vectors)."""

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from memory_mcp.domain.vectors import cosine_int8, to_bits, to_int8
from memory_mcp.ports import Candidate, Vector
from memory_mcp.storage.sqlite.database import Row, Session
from memory_mcp.storage.sqlite.indexes import Indexes, NounIndex, TextIndex

LEG_ROWS = 100
"""Rows each leg brings up."""
NEAREST_BY_SIGNS = 400
"""Rows nearest by signs that are scored exactly."""


@dataclass(slots=True)
class Filter:
    """Conditions on the canonical table, under the alias `row`; values only as parameters."""

    agent_seq: int
    sql: str = "row.agent_seq = :agent"
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    narrow: bool = False
    """Whether it asks for more than the agent."""

    def __post_init__(self) -> None:
        self.parameters["agent"] = self.agent_seq

    def add(self, condition: str, **parameters: Any) -> None:
        """One more condition."""
        self.sql += f" AND {condition}"
        self.parameters.update(parameters)
        self.narrow = True


def lexical_leg(
    session: Session, index: TextIndex, terms: Sequence[str], rows: Filter
) -> dict[int, float]:
    """The best rows by BM25 (higher is better), of those the filter admits."""
    if not terms:
        return {}
    sql = f"""
        SELECT row.seq, -bm25({index.fts}) AS score
        FROM {index.fts} JOIN {index.table} row ON row.seq = {index.fts}.rowid
        WHERE {index.fts} MATCH :terms AND {rows.sql}
        ORDER BY score DESC LIMIT :leg_rows
    """
    found = session.all(sql, {**rows.parameters, "terms": " OR ".join(terms), "leg_rows": LEG_ROWS})
    return dict(found)


def vector_leg(
    session: Session, indexes: Indexes, index: NounIndex, vector: Vector | None, rows: Filter
) -> dict[int, float]:
    """The nearest rows by cosine, of those the filter admits."""
    if vector is None or not indexes.vectors_usable:
        return {}
    if indexes.has_vec:
        return _nearest_by_vec(session, index, vector, rows)
    return _nearest_by_scan(session, index, vector, rows)


def _nearest_by_vec(
    session: Session, index: NounIndex, vector: Vector, rows: Filter
) -> dict[int, float]:
    admitted = f"AND seq IN (SELECT row.seq FROM {index.table} row WHERE {rows.sql})"
    sql = f"""
        SELECT v.seq, 1 - vec_distance_cosine(vec_int8(v.vector), vec_int8(:vector)) AS cosine
        FROM {index.vectors} v WHERE v.seq IN (
            SELECT seq FROM {index.vec}
            WHERE signs MATCH vec_bit(:signs) AND k = :nearest AND agent = :agent
                {admitted if rows.narrow else ""}
        )
        ORDER BY cosine DESC LIMIT :leg_rows
    """
    asked = {
        "vector": to_int8(vector),
        "signs": to_bits(vector),
        "nearest": NEAREST_BY_SIGNS,
        "leg_rows": LEG_ROWS,
    }
    return dict(session.all(sql, {**rows.parameters, **asked}))


def _nearest_by_scan(
    session: Session, index: NounIndex, vector: Vector, rows: Filter
) -> dict[int, float]:
    """The same without the extension: signs are compared in Python."""
    signs = session.all(
        f"SELECT v.seq, v.signs FROM {index.vectors} v JOIN {index.table} row ON row.seq = v.seq "
        f"WHERE {rows.sql}",
        rows.parameters,
    )
    nearest = _nearest_signs(signs, to_bits(vector))
    exact = session.all(
        f"SELECT seq, vector FROM {index.vectors} WHERE seq IN (SELECT value FROM json_each(?))",
        (json.dumps(nearest),),
    )
    asked = to_int8(vector)
    scored = {seq: cosine_int8(asked, found) for seq, found in exact}
    return dict(heapq.nlargest(LEG_ROWS, scored.items(), key=lambda item: item[1]))


def _nearest_signs(signs: Sequence[Row], asked: bytes) -> list[int]:
    wanted = int.from_bytes(asked)
    return [
        seq
        for _, seq in heapq.nsmallest(
            NEAREST_BY_SIGNS,
            (((int.from_bytes(found) ^ wanted).bit_count(), seq) for seq, found in signs),
        )
    ]


def merged(
    lexical: Mapping[int, float], context: Mapping[int, float], cosine: Mapping[int, float]
) -> list[Candidate]:
    """One candidate for each row that any leg brought up."""
    return [
        Candidate(seq, lexical.get(seq, 0.0), context.get(seq, 0.0), cosine.get(seq))
        for seq in {**lexical, **context, **cosine}
    ]
