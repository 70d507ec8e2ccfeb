"""Finding what is to be forgotten: every noun of an agent's, by text, id, conversation and time."""

import json
import re
from collections.abc import Iterator
from typing import Any

from memory_mcp.domain.extract import without_fragments
from memory_mcp.domain.forgetting import (
    Found,
    Holder,
    Match,
    Wanted,
    holder_of,
    lines_holding,
    loose_holder_of,
)
from memory_mcp.domain.ids import AgentId
from memory_mcp.domain.times import Window
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.blocks import blocks_of
from memory_mcp.storage.sqlite.history import values_of
from memory_mcp.storage.sqlite.payloads import plain_part, texts_in
from memory_mcp.storage.sqlite.removed import without_forgotten
from memory_mcp.storage.sqlite.session import Session, as_key

BY_USER = "user"
SHOWN_CHARS = 400
"""So much of a thing is read where no text is looked for in it."""

# SQLite folds capitals of ASCII alone: what holds such a part is looked at more closely. A day that
# is stored as such is looked at more closely too; `holds` of the window knows which is meant.
_CONTENT = f"iif(:part = '', substr({{0}}, 1, {SHOWN_CHARS}), {{0}})"
_OF_TIME = "(:first IS NULL OR {0} >= :first) AND (:last IS NULL OR {0} < :last)"
_HOLDING = """
    (:part = '' OR instr(lower(content), :part) OR instr(lower(metadata), :plain))
    AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
"""
_PASSAGES = f"""
SELECT id, {_CONTENT.format("content")}, metadata, dated FROM passages
WHERE agent_seq = :agent AND :conversation IS NULL AND {_HOLDING} AND {_OF_TIME.format("dated")}
ORDER BY seq
"""
_MESSAGES = f"""
SELECT id, {_CONTENT.format("content")}, metadata, created_at FROM messages
WHERE agent_seq = :agent AND {_HOLDING} AND {_OF_TIME.format("created_at")}
    AND (:conversation IS NULL OR conversation_seq IN (SELECT seq FROM conversations
        WHERE agent_seq = :agent AND :conversation IN (id, external_id)))
ORDER BY seq
"""
_MAIL = f"""
SELECT id, {_CONTENT.format("text")}, NULL, sent_at FROM mail
WHERE :agent IN (sender_seq, recipient_seq) AND :conversation IS NULL
    AND (:part = '' OR instr(lower(text), :part))
    AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
    AND {_OF_TIME.format("sent_at")}
ORDER BY seq
"""
# What was forgotten before is of no more concern, but where nothing shall be left of it.
_KEPT = f"""
SELECT id, noun, row FROM removed
WHERE agent_seq = :agent AND (:at_once OR (receipt IS NULL AND removed_by <> '{BY_USER}'))
    AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
    AND (:part = '' OR instr(lower(row), :plain))
ORDER BY removed_at, id
"""
_PLACE = """
SELECT seq FROM conversations WHERE agent_seq = ?1 AND ?2 IN (id, external_id)
"""
_SETTINGS = "SELECT description, system_prompt FROM agents WHERE seq = ?"
_SUMMARIES = "SELECT id, text FROM summaries WHERE agent_seq = ? ORDER BY seq DESC"
_ASCII = re.compile(r"[\x01-\x7f]*")


def find(session: Session, agent_id: AgentId, wanted: Wanted) -> Found:
    """Everything of the agent's that is wanted gone."""
    agent_seq = seq_of(session, agent_id)
    holder = holder_of(wanted.text) if wanted.text is not None else None
    matches: list[Match] = []
    told = _told(agent_seq, wanted)
    looked_in: tuple[tuple[Holder, str], ...] = (("passage", _PASSAGES), ("message", _MESSAGES))
    for noun, sql in looked_in:
        matches += _rows(session, noun, sql, told, wanted, holder)
    read_only, settings, lines = _in_blocks(session, agent_id, wanted, holder)
    matches += lines
    if wanted.conversation is None and not wanted.ids:
        loose = loose_holder_of(wanted.text) if wanted.text is not None else None
        matches += _in_summaries(session, agent_seq, wanted, loose)
    matches += _rows(session, "mail", _MAIL, told, wanted, holder)
    matches += _kept(session, agent_seq, wanted, holder, told)
    description, prompt = session.one(_SETTINGS, (agent_seq,)) or ("", "")
    if holder and wanted.is_undated and holder.search(description):
        settings.append("the agent's description")
    if holder and wanted.is_undated and holder.search(prompt):
        settings.append("its system prompt")
    return Found(wanted=wanted, matches=matches, read_only=read_only, settings=settings)


def _told(agent_seq: int, wanted: Wanted) -> dict[str, Any]:
    text, window = wanted.text or "", wanted.window
    starts = [each for each in (window.start, window.first_day) if each is not None]
    ends = [each for each in (window.end, window.end_day) if each is not None]
    return {
        "agent": agent_seq,
        "part": max(_ASCII.findall(text), key=len).lower(),
        "plain": plain_part(text),
        "ids": json.dumps([as_key(one) for one in wanted.ids]) if wanted.ids else None,
        "conversation": None if wanted.conversation is None else as_key(wanted.conversation),
        "first": min(starts, default=None),
        "last": max(ends, default=None),
        "at_once": wanted.at_once,
    }


def _rows(
    session: Session,
    noun: Holder,
    sql: str,
    told: dict[str, Any],
    wanted: Wanted,
    holder: re.Pattern[str] | None,
) -> Iterator[Match]:
    for row_id, content, metadata, at in session.all(sql, told):
        holds = holder is None or holder.search(content)
        if not holds and holder and metadata:
            holds = holder.search(texts_in(metadata))
        if holds and wanted.window.holds(at):
            yield Match(noun, row_id, content)


def _in_blocks(
    session: Session, agent_id: AgentId, wanted: Wanted, holder: re.Pattern[str] | None
) -> tuple[list[str], list[str], list[Match]]:
    """Blocks that nobody may edit, what a person has set, and the lines of the others.

    Lines have no date; versions of a block have.
    """
    read_only: list[str] = []
    settings: list[str] = []
    lines: list[Match] = []
    if wanted.conversation is not None or wanted.ids:
        return read_only, settings, lines
    for block in blocks_of(session, agent_id):
        if holder and wanted.is_undated and holder.search(block.description):
            settings.append(f"the description of block {block.label!r}")
        now = _lines(block.value, holder) if wanted.is_undated else []
        if block.read_only:
            read_only += [block.label] if now else []
            continue
        lines += [Match("block", block.id, line) for line in now]
        stands = set(block.value.split("\n"))
        past = dict.fromkeys(
            line
            for value, changed_at in values_of(session, block.id)
            if wanted.window.holds(changed_at)
            for line in _old_lines(session, block.id, value, holder)
        )
        lines += [Match("version", block.id, line) for line in past if line not in stands]
    return read_only, settings, lines


def _old_lines(
    session: Session, block_id: str, value: str, holder: re.Pattern[str] | None
) -> Iterator[str]:
    """Lines of an old value that are not forgotten yet; one in the midst of a text may be."""
    if found := _lines(value, holder):
        left = set(without_forgotten(session, value, [block_id])[0].split("\n"))
        yield from (line for line in found if line in left)


def _lines(value: str, holder: re.Pattern[str] | None) -> list[str]:
    if holder is None:
        return [line for line in value.split("\n") if line.strip()]
    return lines_holding(value, holder)


def told_by(wanted: Wanted, holder: re.Pattern[str] | None, day: str, fragment: str) -> bool:
    """Whether a fragment of a summary is wanted gone."""
    return (holder is None or holder.search(fragment) is not None) and _of_day(wanted.window, day)


def _of_day(window: Window, day: str) -> bool:
    if window.is_open:
        return True
    first, end = (window.first_day or "")[:10], (window.end_day or "9999-99")[:10]
    return bool(day) and first <= day < end


def _in_summaries(
    session: Session, agent_seq: int, wanted: Wanted, holder: re.Pattern[str] | None
) -> list[Match]:
    """Fragments that are wanted gone: of the summary in view, and those of older ones only."""
    matches: list[Match] = []
    seen: set[str] = set()
    noun: Holder = "summary"
    for summary_id, text in session.all(_SUMMARIES, (agent_seq,)):
        held: list[str] = []

        def holds(day: str, _: str, fragment: str, held: list[str] = held) -> bool:
            if told_by(wanted, holder, day, fragment):
                held.append(fragment)
            return False

        without_fragments(text, holds)
        if noun == "older":
            held = [one for one in dict.fromkeys(held) if one not in seen]
        matches += [Match(noun, summary_id, fragment) for fragment in held]
        seen.update(held)
        noun = "older"
    return matches


def _kept(
    session: Session,
    agent_seq: int,
    wanted: Wanted,
    holder: re.Pattern[str] | None,
    told: dict[str, Any],
) -> Iterator[Match]:
    """What is out of memory already, and could be put back."""
    place = None
    if wanted.conversation is not None:
        place = session.value(_PLACE, (agent_seq, told["conversation"]))
    for row_id, noun, row in session.all(_KEPT, told):
        kept: dict[str, Any] = json.loads(row)
        at = kept.get("occurred_at") or kept.get("created_at") or kept.get("sent_at")
        if wanted.conversation is not None and (
            noun != "message" or kept["conversation_seq"] != place
        ):
            continue
        if not wanted.window.is_open and not (at and wanted.window.holds(at)):
            continue
        texts = texts_in(row)
        if holder is None or holder.search(texts):
            shown = kept.get("content") or kept.get("text") or "\n".join(kept.get("lines", ()))
            yield Match("kept", row_id, shown[:SHOWN_CHARS])
