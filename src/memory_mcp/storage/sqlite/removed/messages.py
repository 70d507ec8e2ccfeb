"""Messages that were forgotten: out of recall, known again, and put back."""

import json
from collections.abc import Sequence

from memory_mcp.domain.host_events import told_turn
from memory_mcp.domain.ids import AgentId, ConversationId, MessageId
from memory_mcp.domain.messages import Message, checksum
from memory_mcp.domain.times import from_iso
from memory_mcp.storage.sqlite.agents import seq_of
from memory_mcp.storage.sqlite.indexes import MESSAGES, Indexes
from memory_mcp.storage.sqlite.outbox import record_change
from memory_mcp.storage.sqlite.removed.kept import Kept, keep
from memory_mcp.storage.sqlite.removed.summaries import take_from_summaries
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.texts import (
    reindex_stretch,
    stretch_around,
)

_MESSAGE = (
    *("seq", "id", "conversation_seq", "role", "name", "content", "created_at"),
    *("external_id", "metadata"),
)
_MESSAGES = f"""
SELECT {", ".join(f"m.{column}" for column in _MESSAGE)}, c.id, c.external_id
FROM messages m JOIN conversations c ON c.seq = m.conversation_seq
WHERE m.agent_seq = ? AND m.id IN (SELECT value FROM json_each(?)) ORDER BY m.seq
"""
_FORGET = """
INSERT INTO forgotten (id, noun, agent_seq, external_id, forgotten_at, conversation)
VALUES (?, 'message', ?, ?, ?, ?)
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
    take_from_summaries(session, agent_seq, gone)
    return gone


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


def put_message(session: Session, indexes: Indexes, agent_seq: int, kept: Kept) -> bool:
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
