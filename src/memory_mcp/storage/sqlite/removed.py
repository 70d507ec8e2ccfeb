"""What was forgotten or superseded: out of memory and its indexes, kept whole for some days."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.extract import shown_speaker, without_fragments
from memory_mcp.domain.host_events import told_turn
from memory_mcp.domain.ids import AgentId, ConversationId, MessageId, PassageId
from memory_mcp.domain.messages import Message, checksum
from memory_mcp.domain.passages import (
    DIGEST_CHARS,
    Passage,
    fitting,
    forgotten_digest,
    identity,
    text_digest,
)
from memory_mcp.domain.times import days_anywhere, from_iso
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.history import unpack
from memory_mcp.storage.sqlite.indexes import MESSAGES, PASSAGES, Indexes
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.session import Session, as_key
from memory_mcp.storage.sqlite.texts import PASSAGES as PASSAGE_TEXTS
from memory_mcp.storage.sqlite.texts import (
    Texts,
    add_texts,
    passage_texts,
    reindex_stretch,
    remove_texts,
    stretch_around,
)

BY_UNDO = "undo"

Kept = dict[str, Any]
"""A row as it was, by column."""

_PASSAGE = (
    *("seq", "id", "content", "occurred_at", "created_at", "refreshed_at", "origin"),
    *("supersedes", "source", "external_id", "metadata"),
)
_PASSAGES = f"""
SELECT {", ".join(_PASSAGE)},
    (SELECT json_group_array(t.tag) FROM passage_tags t WHERE t.passage_seq = p.seq)
FROM passages p WHERE p.agent_seq = ? AND p.id IN (SELECT value FROM json_each(?)) ORDER BY p.seq
"""
_MESSAGE = (
    *("seq", "id", "conversation_seq", "role", "name", "content", "created_at"),
    *("external_id", "metadata"),
)
_MESSAGES = f"""
SELECT {", ".join(f"m.{column}" for column in _MESSAGE)}, c.id, c.external_id
FROM messages m JOIN conversations c ON c.seq = m.conversation_seq
WHERE m.agent_seq = ? AND m.id IN (SELECT value FROM json_each(?)) ORDER BY m.seq
"""
_KEEP = """
INSERT INTO removed (id, noun, agent_seq, row, superseded_by, removed_by, removed_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_FORGET = """
INSERT INTO forgotten (id, noun, agent_seq, external_id, forgotten_at, conversation)
VALUES (?, 'message', ?, ?, ?, ?)
"""
_FORGET_PASSAGE = """
INSERT OR REPLACE INTO forgotten
    (id, noun, agent_seq, external_id, forgotten_at, digest, source, superseded_by)
VALUES (?, 'passage', ?, ?, ?, ?, ?, ?)
"""
_FORGOTTEN = """
SELECT id FROM forgotten
WHERE noun = 'message' AND agent_seq = ? AND conversation = ? AND external_id = ?
"""
# What a hook tells without an id has the moment in its key, which is another one when the event is
# told again. Where it names the turn, the same words of the same turn are the same event.
_FORGOTTEN_TOLD = """
SELECT id FROM forgotten WHERE noun = 'message' AND agent_seq = ?1 AND conversation = ?2
    AND external_id >= ?3 AND external_id < ?4 AND substr(external_id, -length(?5)) = ?5 LIMIT 1
"""
_ANY_PASSAGE = """
SELECT 1 FROM forgotten WHERE agent_seq = ? AND digest IS NOT NULL AND noun = 'passage' LIMIT 1
"""
# By id; by external id, whose text may have changed only where it was superseded; by text, date and
# source, as far as they are known. A date that only one of them has tells them apart, unless they
# are of one source.
_GONE = f"""
SELECT asked.key, f.superseded_by FROM json_each(:asked) asked
CROSS JOIN forgotten f ON f.noun = 'passage' AND f.id = asked.value ->> 'id'
UNION ALL
SELECT asked.key, f.superseded_by FROM json_each(:asked) asked
CROSS JOIN forgotten f ON f.noun = 'passage' AND f.agent_seq = :agent
    AND f.external_id = asked.value ->> 'external_id'
WHERE f.superseded_by IS NULL
    OR substr(f.digest, 1, {DIGEST_CHARS}) = substr(asked.value ->> 'digest', 1, {DIGEST_CHARS})
UNION ALL
SELECT asked.key, f.superseded_by FROM json_each(:asked) asked
CROSS JOIN forgotten f ON f.noun = 'passage' AND f.agent_seq = :agent
    AND f.digest >= asked.value ->> 'text' AND f.digest < asked.value ->> 'text_end'
WHERE iif(f.source IS NULL OR asked.value ->> 'source' IS NULL,
    f.digest = asked.value ->> 'digest' OR asked.value ->> 'digest' = asked.value ->> 'text',
    f.source = asked.value ->> 'source' AND (f.digest = asked.value ->> 'digest'
        OR asked.value ->> 'text' IN (f.digest, asked.value ->> 'digest')))
"""
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
_MAIL = (
    *("seq", "id", "sender_seq", "recipient_seq", "text", "state", "in_reply_to", "hops", "root"),
    *("sent_at", "expires_at", "delivered_at", "answered_at", "awaited_until", "held_until"),
    *("told_expired", "told_key", "key"),
)
_MAILS = f"""
SELECT {", ".join(_MAIL)} FROM mail
WHERE ? IN (sender_seq, recipient_seq) AND id IN (SELECT value FROM json_each(?)) ORDER BY seq
"""
_OWNERS = "SELECT id FROM agents WHERE seq IN (?, ?) ORDER BY seq"
_FORGET_MAIL = """
INSERT OR REPLACE INTO forgotten (id, noun, agent_seq, forgotten_at) VALUES (?, 'mail', ?, ?)
"""
_PUT_MAIL = f"""
INSERT OR IGNORE INTO mail ({", ".join(_MAIL)}) VALUES ({", ".join(f":{each}" for each in _MAIL)})
RETURNING seq
"""
_TOLD_ANEW = """
UPDATE forgotten SET superseded_by = ? WHERE noun = 'passage' AND agent_seq = ?
    AND superseded_by IS NULL AND digest >= ? AND digest < ?
"""
_IS_KEPT = """
SELECT r.noun, r.agent_seq, a.id, r.row FROM removed r JOIN agents a ON a.seq = r.agent_seq
WHERE r.id = ?
"""
_FATE = """
SELECT superseded_by, removed_at FROM removed WHERE agent_seq = ? AND noun = 'passage' AND id = ?
"""
_PLACE_TAKEN = "SELECT 1 FROM passages WHERE seq = ?"
_FILED_IN = "SELECT 1 FROM passages WHERE agent_seq = ? AND identity >= ? AND identity < ? LIMIT 1"
_PUT_PASSAGE = """
INSERT INTO passages (seq, id, agent_seq, content, identity, occurred_at, created_at,
    refreshed_at, origin, supersedes, source, external_id, metadata)
VALUES (:seq, :id, :agent_seq, :content, :identity, :occurred_at, :created_at, :refreshed_at,
    :origin, :supersedes, :source, :external_id, :metadata)
RETURNING seq
"""
_PUT_MESSAGE = """
INSERT INTO messages (seq, id, agent_seq, conversation_seq, role, name, content, created_at,
    external_id, metadata, checksum)
VALUES (:seq, :id, :agent_seq, :conversation_seq, :role, :name, :content, :created_at,
    :external_id, :metadata, :checksum)
RETURNING seq
"""
# A summary's number of messages is of those that recall still has.
_COVER = """
UPDATE summaries SET covered = covered + ?1
WHERE seq = (SELECT max(seq) FROM summaries WHERE agent_seq = ?2) AND last_seq >= ?3
"""
_COMPARE_AGAIN = "UPDATE agents SET compared_seq = min(compared_seq, ?) WHERE seq = ?"
_HISTORY = """
SELECT h.block_seq, h.version, h.value FROM block_history h JOIN blocks b ON b.seq = h.block_seq
WHERE b.id = ? AND h.version < ?
"""
_EMPTIED = """
DELETE FROM conversations WHERE messages = 0 AND seq IN (SELECT value FROM json_each(?))
    AND NOT EXISTS (SELECT 1 FROM removed r WHERE r.noun = 'message'
        AND json_extract(r.row, '$.conversation_seq') = conversations.seq)
"""


def remove_passages(
    session: Session,
    indexes: Indexes,
    agent_id: str,
    passage_ids: Sequence[str],
    by: str,
    now: str,
    superseded_by: str | None = None,
) -> list[Passage]:
    """Take passages of an agent out of memory, and keep them; those that went, in their order.

    No file brings them back; those that an undo takes were never meant to be there, and a file may.
    Ids that are none of the agent's passages are passed over.
    """
    agent_seq = seq_of(session, AgentId(agent_id))
    operation = "superseded" if superseded_by else "forgotten"
    gone: list[Passage] = []
    for *columns, tags in session.all(_PASSAGES, (agent_seq, json.dumps(list(passage_ids)))):
        kept: Kept = {**dict(zip(_PASSAGE, columns, strict=True)), "tags": json.loads(tags)}
        keep(session, kept["id"], "passage", agent_seq, kept, by, now, superseded_by)
        if by != BY_UNDO:
            digest = forgotten_digest(text_digest(kept["content"]), kept["occurred_at"])
            came_from = (digest, kept["source"], superseded_by)
            told = (kept["id"], agent_seq, kept["external_id"], now, *came_from)
            session.run(_FORGET_PASSAGE, told)
        remove_texts(session, PASSAGE_TEXTS, [(kept["seq"], _passage_texts(kept))])
        indexes.remove_vectors(session, PASSAGES, kept["seq"])
        session.run("DELETE FROM passage_tags WHERE passage_seq = ?", (kept["seq"],))
        session.run("DELETE FROM passages WHERE seq = ?", (kept["seq"],))
        record_change(session, now, "passage", kept["id"], operation, [agent_id], by=by)
        gone.append(_passage(kept))
    return gone


def remove_messages(
    session: Session,
    indexes: Indexes,
    agent_id: str,
    message_ids: Sequence[str],
    by: str,
    now: str,
) -> list[Message]:
    """Take messages of an agent out of recall, and keep them; those that went, in their order.

    What their neighbours are found by changes with it, and what summaries tell in a message's own
    words goes. Ids that are none of the agent's messages are passed over.
    """
    agent_seq = seq_of(session, AgentId(agent_id))
    gone: list[Message] = []
    for *columns, conversation_id, conversation in session.all(
        _MESSAGES, (agent_seq, json.dumps(list(message_ids)))
    ):
        kept: Kept = dict(zip(_MESSAGE, columns, strict=True))
        seq, place = kept["seq"], kept["conversation_seq"]
        keep(session, kept["id"], "message", agent_seq, kept, by, now)
        told = (kept["id"], agent_seq, kept["external_id"], now, conversation)
        session.run(_FORGET, told)
        was = stretch_around(session, place, seq)
        session.run("DELETE FROM messages WHERE seq = ?", (seq,))
        reindex_stretch(session, was, [turn for turn in was if turn.seq != seq])
        indexes.remove_vectors(session, MESSAGES, seq)
        session.run(_COVER, (-1, agent_seq, seq))
        record_change(session, now, "message", kept["id"], "forgotten", [agent_id], by=by)
        gone.append(_message(kept, conversation_id, conversation))
    _take_from_summaries(session, agent_seq, gone)
    return gone


def remove_mail(
    session: Session, agent_id: str, mail_ids: Sequence[str], by: str, now: str
) -> list[str]:
    """Take mails that an agent sent or got from both sides, and keep them; those that went."""
    agent_seq = seq_of(session, AgentId(agent_id))
    gone: list[str] = []
    for columns in session.all(_MAILS, (agent_seq, json.dumps(list(mail_ids)))):
        kept: Kept = dict(zip(_MAIL, columns, strict=True))
        keep(session, kept["id"], "mail", agent_seq, kept, by, now)
        session.run(_FORGET_MAIL, (kept["id"], agent_seq, now))
        session.run("DELETE FROM mail WHERE seq = ?", (kept["seq"],))
        record_change(session, now, "mail", kept["id"], "forgotten", _owners(session, kept), by=by)
        gone.append(kept["id"])
    return gone


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


def _owners(session: Session, kept: Kept) -> list[str]:
    return [row[0] for row in session.all(_OWNERS, (kept["sender_seq"], kept["recipient_seq"]))]


def keep(
    session: Session,
    row_id: str,
    noun: str,
    agent_seq: int,
    kept: Kept,
    by: str,
    now: str,
    superseded_by: str | None = None,
) -> None:
    """Enter what goes among the removed."""
    row = json.dumps(kept, ensure_ascii=False)
    session.run(_KEEP, (row_id, noun, agent_seq, row, superseded_by, by, now))


def restore(session: Session, indexes: Indexes, ids: Sequence[str], now: str) -> list[str]:
    """Put passages, messages and mail back as they were; the ids of those that are back.

    A passage whose text was filed anew meanwhile is not doubled, and is kept no longer. Vectors
    follow. Other ids are passed over.
    """
    back: list[str] = []
    for row_id in dict.fromkeys(ids):
        found = session.one(_IS_KEPT, (as_key(row_id),))
        if found is None or found[0] not in _PUT:
            continue
        noun, agent_seq, agent_id, row = found
        is_back = _PUT[noun](session, indexes, agent_seq, json.loads(row))
        session.run("DELETE FROM removed WHERE id = ?", (row_id,))
        if is_back:
            record_change(session, now, noun, row_id, "restored", [agent_id])
            back.append(row_id)
    return back


def purge(session: Session, before: str) -> int:
    """Let go for good what was removed before that moment (in stored form); how much it was.

    Lines of blocks go from the blocks' history as well, and conversations that are left empty. That
    a message or a passage was forgotten stays known, lest it comes again: by its id, by where it
    came from, a passage by a digest too.
    """
    rows = session.all("SELECT noun, row FROM removed WHERE removed_at < ?", (before,))
    session.run("DELETE FROM removed WHERE removed_at < ?", (before,))
    emptied: set[int] = set()
    for noun, row in rows:
        kept: Kept = json.loads(row)
        if noun == "block":
            _take_from_history(session, kept)
        elif noun == "message":
            emptied.add(kept["conversation_seq"])
    session.run(_EMPTIED, (json.dumps(sorted(emptied)),))
    return len(rows)


def fate_of(session: Session, agent_seq: int, passage_id: str) -> tuple[str | None, str] | None:
    """What superseded a passage, if anything did, and when it was removed, in stored form."""
    row = session.one(_FATE, (agent_seq, as_key(passage_id)))
    return (row[0], row[1]) if row else None


def has_forgotten(session: Session, agent_seq: int) -> bool:
    """Whether any message of the agent's was ever forgotten."""
    sql = "SELECT 1 FROM forgotten WHERE noun = 'message' AND agent_seq = ? LIMIT 1"
    return session.value(sql, (agent_seq,)) is not None


def forgotten_id(
    session: Session,
    agent_seq: int,
    conversation: str,
    external_id: str | None,
    copied_id: MessageId | None = None,
) -> MessageId | None:
    """The id of the forgotten message that came from there or had that id, if one did."""
    if copied_id and session.value("SELECT 1 FROM forgotten WHERE id = ?", (copied_id,)):
        return copied_id
    if external_id is None:
        return None
    same = session.value(_FORGOTTEN, (agent_seq, conversation, external_id))
    if same is None and (turn := told_turn(external_id)):
        prefix, mark = turn
        told = (agent_seq, conversation, prefix, f"{prefix[:-1]};", f":{mark}")
        same = session.value(_FORGOTTEN_TOLD, told)
    return same


def forgotten_among(session: Session, message_ids: Sequence[MessageId]) -> set[MessageId]:
    """Those of the messages that were forgotten."""
    sql = "SELECT id FROM forgotten WHERE id IN (SELECT value FROM json_each(?))"
    return {MessageId(row[0]) for row in session.all(sql, (json.dumps(list(message_ids)),))}


@dataclass(frozen=True, slots=True)
class Brought:
    """What tells whether a passage that a file brings was forgotten; `text` is a digest."""

    text: str
    occurred_at: str | None
    source: str | None
    external_id: str | None
    id: str | None
    """Its id in the store it was copied from."""


def gone_passages(
    session: Session, agent_seq: int, brought: Iterable[Brought]
) -> dict[int, str | None]:
    """Those that are gone here, by place, with what holds now where something does."""
    if session.value(_ANY_PASSAGE, (agent_seq,)) is None:
        return {}
    asked = [
        {
            "id": one.id,
            "external_id": one.external_id,
            "source": one.source,
            "digest": forgotten_digest(one.text, one.occurred_at),
            "text": forgotten_digest(one.text, None),
            "text_end": f"{one.text}!",
        }
        for one in brought
    ]
    found: dict[int, str | None] = {}
    for place, superseded_by in session.all(
        _GONE, {"agent": agent_seq, "asked": json.dumps(asked)}
    ):
        found[place] = superseded_by and found.get(place, superseded_by)
    return found


def told_anew(session: Session, agent_seq: int, new: Sequence[tuple[str, str, str | None]]) -> None:
    """What somebody tells (id, text's digest, date) stands for what was forgotten of that text."""
    if not new or session.value(_ANY_PASSAGE, (agent_seq,)) is None:
        return
    session.run_many(
        _TOLD_ANEW,
        [
            (passage_id, agent_seq, first, end)
            for passage_id, text, occurred_at in new
            for first, end in _digests(text, occurred_at)
        ],
    )


def _digests(text: str, occurred_at: str | None) -> list[tuple[str, str]]:
    undated = forgotten_digest(text, None)
    if occurred_at is None:
        return [(undated, f"{text}!")]
    return [(one, f"{one}\1") for one in (undated, forgotten_digest(text, occurred_at))]


def _put_passage(session: Session, indexes: Indexes, agent_seq: int, kept: Kept) -> bool:
    seq, at, source = kept["seq"], kept["occurred_at"], kept.get("source")
    text = text_digest(kept["content"])
    # What may have come in its place: the very same, or one that somebody told anew.
    anew = [*fitting(text, at, source, "file"), *fitting(text, None, source, "file")]
    if source is None:
        anew += fitting(text, at, None, "told")
    if session.value(_PLACE_TAKEN, (seq,)) is not None or any(
        session.value(_FILED_IN, (agent_seq, first.encode(), end.encode())) for first, end in anew
    ):
        return False
    key = identity(text, at, source).encode()
    row = {**kept, "agent_seq": agent_seq, "identity": key, "source": source}
    seq = session.value(_PUT_PASSAGE, row)  # one copied from another store has no place yet
    tags = [(agent_seq, tag, seq) for tag in kept["tags"]]
    session.run_many("INSERT INTO passage_tags VALUES (?, ?, ?)", tags)
    add_texts(session, PASSAGE_TEXTS, [(seq, _passage_texts(kept))])
    indexes.add_vectors_to(session, PASSAGES, [(seq, agent_seq, None)])
    session.run(_COMPARE_AGAIN, (seq - 1, agent_seq))
    session.run("DELETE FROM forgotten WHERE id = ?", (kept["id"],))
    return True


def _put_message(session: Session, indexes: Indexes, agent_seq: int, kept: Kept) -> bool:
    # What the trigger on inserts refuses is there already, and nothing is put.
    seq = session.value(
        _PUT_MESSAGE, {**kept, "agent_seq": agent_seq, "checksum": checksum(kept["content"])}
    )
    if seq is None:
        return False
    now = stretch_around(session, kept["conversation_seq"], seq)
    reindex_stretch(session, [turn for turn in now if turn.seq != seq], now)
    indexes.add_vectors_to(session, MESSAGES, [(seq, agent_seq, None)])
    session.run(_COVER, (1, agent_seq, seq))
    session.run("DELETE FROM forgotten WHERE id = ?", (kept["id"],))
    return True


def _put_mail(session: Session, _: Indexes, __: int, kept: Kept) -> bool:
    # Whoever it is from or to may be gone for good.
    if len(_owners(session, kept)) < 2 or session.value(_PUT_MAIL, kept) is None:
        return False
    session.run("DELETE FROM forgotten WHERE id = ?", (kept["id"],))
    return True


_PUT: dict[str, Callable[[Session, Indexes, int, Kept], bool]] = {
    "passage": _put_passage,
    "message": _put_message,
    "mail": _put_mail,
}


def _take_from_summaries(session: Session, agent_seq: int, gone: Sequence[Message]) -> None:
    """Summaries that were extracted tell of a message in its own words; they no longer do."""
    if not gone:
        return
    told: dict[tuple[str, str], list[str]] = defaultdict(list)
    for message in gone:
        content = " ".join(message.content.split())
        for day in days_anywhere(message.created_at):  # a summary tells it by its person's day
            told[day.isoformat(), shown_speaker(message.speaker)].append(content)

    def tells(day: str, speaker: str, fragment: str) -> bool:
        words = " ".join(fragment.split())
        return any(words in content for content in told.get((day, speaker), ()))

    edit_summaries(session, agent_seq, tells, gone[0].seq)


def edit_summaries(
    session: Session, agent_seq: int, drop: Callable[[str, str, str], bool], from_seq: int = 0
) -> tuple[int, ...]:
    """Take fragments out of every summary that reaches to a message; how many, oldest first."""
    rows = session.all(
        "SELECT seq, text FROM summaries WHERE agent_seq = ? AND last_seq >= ? ORDER BY seq",
        (agent_seq, from_seq),
    )
    counts: list[int] = []
    for seq, text in rows:
        dropped = 0

        def counted_drop(day: str, speaker: str, fragment: str) -> bool:
            nonlocal dropped
            gone = drop(day, speaker, fragment)
            dropped += gone
            return gone

        left = without_fragments(text, counted_drop)
        counts.append(dropped)
        if dropped:
            session.run("UPDATE summaries SET text = ? WHERE seq = ?", (left, seq))
    return tuple(counts)


def _take_from_history(session: Session, kept: Kept) -> None:
    if (block := session.value("SELECT seq FROM blocks WHERE id = ?", (kept["block_id"],))) is None:
        return
    unpack(session, block)
    gone = {*kept["lines"], *kept.get("older", ())}
    for block_seq, version, value in session.all(_HISTORY, (kept["block_id"], kept["version"])):
        left = "\n".join(line for line in value.split("\n") if line not in gone)
        if left != value:
            session.run(
                "UPDATE block_history SET value = ? WHERE block_seq = ? AND version = ?",
                (left, block_seq, version),
            )


def _passage_texts(kept: Kept) -> Texts:
    occurred_at = from_iso(kept["occurred_at"]) if kept["occurred_at"] else None
    return passage_texts(kept["content"], kept["tags"], occurred_at)


def _passage(kept: Kept) -> Passage:
    return Passage(
        id=PassageId(kept["id"]),
        seq=kept["seq"],
        content=kept["content"],
        tags=tuple(kept["tags"]),
        occurred_at=from_iso(kept["occurred_at"]) if kept["occurred_at"] else None,
        created_at=from_iso(kept["created_at"]),
        refreshed_at=from_iso(kept["refreshed_at"]),
        origin=kept["origin"],
        external_id=kept["external_id"],
        supersedes=PassageId(kept["supersedes"]) if kept["supersedes"] else None,
        source=kept.get("source"),
    )


def _message(kept: Kept, conversation_id: str, conversation: str) -> Message:
    return Message(
        id=MessageId(kept["id"]),
        seq=kept["seq"],
        conversation_id=ConversationId(conversation_id),
        conversation=conversation,
        role=kept["role"],
        name=kept["name"],
        content=kept["content"],
        created_at=from_iso(kept["created_at"]),
        external_id=kept["external_id"],
    )
