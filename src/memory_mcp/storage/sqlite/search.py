"""The legs of a search: by words (FTS5), by meaning (vectors), by what stands as it was typed."""

import heapq
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from memory_mcp.domain.exact import NOWHERE, Run, Standing, standing
from memory_mcp.domain.query import fold
from memory_mcp.domain.times import DAY_ENDING, Window
from memory_mcp.domain.vectors import cosine_int8, to_bits, to_int8
from memory_mcp.ports import Candidate, Vector
from memory_mcp.storage.sqlite.indexes import Indexes, VectorIndex
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.texts import PASSAGES, TextIndex, texts_at

LEG_ROWS = 100
"""Rows each leg brings up."""
NEAREST_BY_SIGNS = 800
"""Rows nearest by signs that are scored exactly: of 100,000, they hold nine of the true ten."""
NEAREST_IN_PYTHON = 200
"""The same where no extension can score them: 11 microseconds each instead of one."""
POSTINGS_MAX = 30_000
"""Rows a word search may weigh. BM25 costs a microsecond a row, so in a large store the commonest
of the words asked for are left out as long as rarer ones are left."""

HOLDERS_MAX = 20_000
"""Rows of a run's words in its order, the newest, among which those that may hold it are sought."""
COMPARED_MAX = 200
"""Rows, of these the likeliest and newest, whose texts are compared with the run."""

COUNT_ALL = "SELECT coalesce(sum(n), 0) FROM counts WHERE agent_seq = ? AND noun = ? AND tag = ''"


@dataclass(slots=True)
class Filter:
    """Conditions on the canonical table, under the alias `row`; values only as parameters."""

    agent_seq: int
    noun: str
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

    def add_window(self, column: str, window: Window) -> None:
        """Only what lies in it by this column, which holds moments and days in stored form."""
        sides = (
            (">=", "start", window.start, window.first_day, min),
            ("<", "end", window.end, window.end_day, max),
        )
        for sign, name, moment, day, outermost in sides:
            if moment is None or day is None:
                continue
            bounds = {name: moment}
            if day != moment:  # the index on times brings what may lie in it
                bound = f"iif(substr({column}, 11) = '{DAY_ENDING}', :{name}_day, :{name})"
                self.add(f"{column} {sign} {bound}", **bounds, **{f"{name}_day": day})
                bounds = {f"{name}_outermost": outermost(moment, day)}
            self.add(f"{column} {sign} :{next(iter(bounds))}", **bounds)

    def admits_all(self, session: Session) -> bool:
        """Whether every row of the store passes: no conditions, and no other agent has any."""
        others = "SELECT 1 FROM counts WHERE noun = ? AND tag = '' AND agent_seq <> ? AND n > 0"
        return not self.narrow and session.value(others, (self.noun, self.agent_seq)) is None


def lexical_leg(
    session: Session, index: TextIndex, terms: Sequence[str], rows: Filter
) -> dict[int, float]:
    """The best rows by BM25 (higher is better), of those the filter admits."""
    if not terms:
        return {}
    joined = f"JOIN {index.table} row ON row.seq = {index.fts}.rowid"
    everything = rows.admits_all(session)
    sql = f"""
        SELECT {index.fts}.rowid, -{index.score} AS score
        FROM {index.fts} {"" if everything else joined}
        WHERE {index.fts} MATCH :terms {"" if everything else f"AND {rows.sql}"}
        ORDER BY score DESC LIMIT :leg_rows
    """
    asked = {"terms": " OR ".join(_rarest(session, index, terms)), "leg_rows": LEG_ROWS}
    return dict(session.all(sql, {**rows.parameters, **asked}))


def _rarest(session: Session, index: TextIndex, terms: Sequence[str]) -> list[str]:
    """The terms to ask for: all in a small store, in a large one the rarest that fit the bound."""
    stored = session.value(f"SELECT coalesce(max(seq), 0) FROM {index.table}")
    if stored <= POSTINGS_MAX or len(terms) == 1:
        return list(terms)
    counted = f"SELECT count(*) FROM (SELECT 1 FROM {index.fts} WHERE {index.fts} MATCH ? LIMIT ?)"
    found = sorted((session.value(counted, (term, POSTINGS_MAX)), term) for term in terms)
    kept: list[str] = []
    weighed = 0
    for postings, term in found:
        weighed += postings
        if kept and weighed > POSTINGS_MAX:
            break
        if postings:
            kept.append(term)
    return kept or list(terms[:1])


def vector_leg(
    session: Session, indexes: Indexes, index: VectorIndex, vector: Vector | None, rows: Filter
) -> dict[int, float]:
    """The nearest rows by cosine, of those the filter admits."""
    if vector is None or not indexes.is_usable(session):
        return {}
    most = NEAREST_BY_SIGNS if indexes.has_vec else NEAREST_IN_PYTHON
    near: Sequence[int] | None = None
    admitted: set[int] | None = None
    if rows.narrow:
        sql = f"SELECT row.seq FROM {index.table} row WHERE {rows.sql}"
        admitted = {seq for (seq,) in session.all(sql, rows.parameters)}
        near = list(admitted) if len(admitted) <= most else None
    if near is None:
        signs = indexes.signs[index]
        near = signs.nearest(session, rows.agent_seq, to_bits(vector), most, admitted)
    score = _scored_by_vec if indexes.has_vec else _scored_in_python
    return score(session, index, to_int8(vector), near)


def _scored_by_vec(
    session: Session, index: VectorIndex, asked: bytes, near: Sequence[int]
) -> dict[int, float]:
    sql = f"""
        SELECT v.seq, 1 - vec_distance_cosine(vec_int8(v.vector), vec_int8(?)) AS cosine
        FROM json_each(?) near CROSS JOIN {index.vectors} v ON v.seq = near.value
        ORDER BY cosine DESC LIMIT ?
    """
    return dict(session.all(sql, (asked, json.dumps(near), LEG_ROWS)))


def _scored_in_python(
    session: Session, index: VectorIndex, asked: bytes, near: Sequence[int]
) -> dict[int, float]:
    """The same without the extension."""
    found = session.all(
        f"SELECT seq, vector FROM {index.vectors} WHERE seq IN (SELECT value FROM json_each(?))",
        (json.dumps(near),),
    )
    scored = {seq: cosine_int8(asked, vector) for seq, vector in found}
    return dict(heapq.nlargest(LEG_ROWS, scored.items(), key=lambda item: item[1]))


def exact_leg(
    session: Session,
    index: TextIndex,
    runs: Sequence[Run],
    rows: Filter,
    brought_up: Iterable[int],
) -> dict[int, Standing]:
    """The rows that hold runs of the question as they were typed, and how they stand there.

    All that other legs brought up, and the 100 best of those that none did.
    """
    if not runs:
        return {}
    found: dict[int, Standing] = {}
    known = set(brought_up)
    for run in runs:
        held_by = _holders(session, index, run, rows)
        if len(held_by) >= COMPARED_MAX:
            held_by = list(dict.fromkeys([*held_by, *known]))
        for seq, text, tags in texts_at(session, index, held_by):
            if stands := standing(run, text, tags):
                found[seq] = found.get(seq, NOWHERE) + stands
    more = heapq.nlargest(
        LEG_ROWS,
        found.keys() - known,
        key=lambda seq: (found[seq].exact, found[seq].bonus, seq),
    )
    return {seq: found[seq] for seq in {*more, *known} if seq in found}


def _holders(session: Session, index: TextIndex, run: Run, rows: Filter) -> list[int]:
    """Rows that may hold a run: they have its words in its order, or its tag."""
    typed = run.kind == "name"  # its capitals are what makes it one
    holds = f"instr({'row.content' if typed else 'lower(row.content)'}, :needle) > 0"
    if index.table == "messages" and typed:
        holds += " OR instr(coalesce(row.name, ''), :needle) > 0"
    # What is not ASCII may hold it in other signs, such as full-width ones.
    other_signs = "length(row.content) < length(CAST(row.content AS BLOB))"
    phrases = f"SELECT rowid AS seq FROM {index.fts} WHERE {index.fts} MATCH :phrases"
    # What the filter admits is what counts: other agents' rows and other days push out nothing.
    newest = (
        f"SELECT seq FROM ({phrases} ORDER BY rowid DESC LIMIT :holders)"
        if rows.admits_all(session)
        else f"SELECT found.seq FROM ({phrases}) found CROSS JOIN {index.table} row"
        f" ON row.seq = found.seq WHERE {rows.sql} ORDER BY found.seq DESC LIMIT :holders"
    )
    asked = {
        "phrases": f"text : ({' OR '.join(run.phrases)})",
        "needle": run.text if typed else run.needle,
        "holders": HOLDERS_MAX,
        "most": COMPARED_MAX,
    }
    sql = f"""
        SELECT row.seq FROM ({newest}) holder CROSS JOIN {index.table} row ON row.seq = holder.seq
        WHERE {rows.sql} AND ({holds} OR {other_signs})
        ORDER BY ({holds}) DESC, row.seq DESC LIMIT :most
    """
    found = [seq for (seq,) in session.all(sql, {**rows.parameters, **asked})]
    if run.tag is not None and index is PASSAGES:
        found += _tagged(session, run.tag, rows)
    return list(dict.fromkeys(found))


def _tagged(session: Session, asked: str, rows: Filter) -> list[int]:
    """The newest rows of a tag, whatever its case."""
    every = "SELECT tag FROM counts WHERE agent_seq = ? AND noun = 'tag'"
    spelled = [
        tag
        for (tag,) in session.all(every, (rows.agent_seq,))
        if fold(tag).removeprefix("#") == asked
    ]
    sql = f"""
        SELECT row.seq FROM passage_tags tagged JOIN passages row ON row.seq = tagged.passage_seq
        WHERE tagged.agent_seq = :agent AND tagged.tag IN (SELECT value FROM json_each(:spelled))
            AND {rows.sql} ORDER BY row.seq DESC LIMIT :most
    """
    told = {"spelled": json.dumps(spelled), "most": COMPARED_MAX}
    return [seq for (seq,) in session.all(sql, {**rows.parameters, **told})] if spelled else []


def merged(
    lexical: Mapping[int, float],
    cosine: Mapping[int, float],
    exact: Mapping[int, Standing],
) -> list[Candidate]:
    """One candidate for each row that a leg brought up."""
    rows = [
        Candidate(seq, lexical.get(seq, 0.0), cosine.get(seq))
        for seq in {**lexical, **cosine, **exact}
    ]
    for row in rows if exact else ():
        stands = exact.get(row.seq, NOWHERE)
        row.exact, row.bonus = stands.exact, stands.bonus
    return rows
