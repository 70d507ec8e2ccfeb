"""Messages that are told again: by the host's own id, or, where a hook told none, by their words.

A host's file of a session and its hooks tell the same message, and forks hold copies of it. So it
is known by the id that the host gives it, in whatever conversation of the agent it comes. A message
that a hook told without an id is recognised by speaker, words and time, once; from then on the id
is its alias. So is a copy that lost id and time: the first, second and so on of the same words in a
history is the first, second and so on of them in the copy.

Hosts and providers differ in how good their ids are: `call_1` is another call in another session.
So a short id counts in other conversations only for the same words.
"""

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from memory_mcp.domain.host_events import copied, told_at, told_prefix_of
from memory_mcp.domain.ids import MessageId
from memory_mcp.domain.messages import NewMessage, is_short
from memory_mcp.domain.redact import redact
from memory_mcp.storage.sqlite.session import Session

NEAR_SECONDS = 300
"""Within so long a message is looked for first."""
OTHER_SESSION_SECONDS = 5
"""How far apart a hook and a fork's file, whose copies keep their times, may tell a message.

In the session itself there is no such bound: what is typed while the model works is delivered when
it has ended, however long it works, and clocks differ.
"""

_Told = tuple[float, MessageId, str | None, str | None]
"""When a hook told a message without an id; which it is, in which conversation, of which host."""

# CROSS: what is asked for comes first, or SQLite goes through all the agent's messages.
_BY_ID = """
SELECT asked.key, m.id FROM json_each(:asked) asked
CROSS JOIN messages m ON m.agent_seq = :agent AND m.external_id = asked.value
UNION ALL SELECT asked.key, a.message_id FROM json_each(:asked) asked
CROSS JOIN message_aliases a ON a.agent_seq = :agent AND a.external_id = asked.value
UNION ALL SELECT asked.key, f.id FROM json_each(:asked) asked
CROSS JOIN forgotten f ON f.agent_seq = :agent AND f.external_id = asked.value
WHERE f.noun = 'message'
"""
_BY_SHORT_ID = """
SELECT m.id FROM messages m JOIN conversations c ON c.seq = m.conversation_seq
WHERE m.agent_seq = ?1 AND m.external_id = ?2 AND (c.external_id = ?3 OR m.content = ?4)
UNION ALL SELECT m.id FROM message_aliases a JOIN messages m ON m.id = a.message_id
JOIN conversations c ON c.seq = m.conversation_seq
WHERE a.agent_seq = ?1 AND a.external_id = ?2 AND (c.external_id = ?3 OR m.content = ?4)
UNION ALL SELECT id FROM forgotten
WHERE noun = 'message' AND agent_seq = ?1 AND external_id = ?2 AND conversation = ?3
UNION ALL SELECT f.id FROM message_aliases a JOIN forgotten f ON f.id = a.message_id
WHERE f.noun = 'message' AND a.agent_seq = ?1 AND a.external_id = ?2 AND f.conversation = ?3
LIMIT 1
"""
# A copy may stand in another agent's memory than what it copies: each session was held in a folder
# of its own, and a fork of a fork does not say which words came from which.
_COPIED = """
SELECT id FROM messages
WHERE agent_seq IN (SELECT seq FROM agents) AND external_id >= ?1 AND external_id < ?2
UNION SELECT message_id FROM message_aliases
WHERE agent_seq IN (SELECT seq FROM agents) AND external_id >= ?1 AND external_id < ?2
UNION SELECT id FROM forgotten WHERE noun = 'message'
AND agent_seq IN (SELECT seq FROM agents) AND external_id >= ?1 AND external_id < ?2
ORDER BY id LIMIT 1 OFFSET ?3
"""
_HAS_COPIES = """
SELECT EXISTS (SELECT 1 FROM messages WHERE agent_seq IN (SELECT seq FROM agents)
        AND external_id >= 'copy:' AND external_id < 'copy;')
    OR EXISTS (SELECT 1 FROM forgotten WHERE noun = 'message'
        AND agent_seq IN (SELECT seq FROM agents)
        AND external_id >= 'copy:' AND external_id < 'copy;')
"""
# A copy that nothing was recognised in yet.
_COPY = """
SELECT id FROM (
    SELECT id FROM messages WHERE agent_seq IN (SELECT seq FROM agents) AND external_id = ?1
    UNION ALL
    SELECT id FROM forgotten WHERE noun = 'message'
        AND agent_seq IN (SELECT seq FROM agents) AND external_id = ?1)
WHERE id NOT IN (SELECT message_id FROM message_aliases WHERE message_id = id) LIMIT 1
"""
_HAS_TOLD = """
SELECT EXISTS (SELECT 1 FROM messages WHERE agent_seq = ?1
        AND external_id >= 'told:' AND external_id < 'told;')
    OR EXISTS (SELECT 1 FROM forgotten WHERE noun = 'message' AND agent_seq = ?1
        AND external_id >= 'told:' AND external_id < 'told;')
"""
_TOLD = """
SELECT m.id, m.external_id, c.external_id, c.host FROM messages m
JOIN conversations c ON c.seq = m.conversation_seq
WHERE m.agent_seq = ?1 AND m.external_id >= ?2 AND m.external_id < ?3
    AND m.id NOT IN (SELECT message_id FROM message_aliases WHERE message_id = m.id)
UNION ALL
SELECT f.id, f.external_id, f.conversation, c.host FROM forgotten f
LEFT JOIN conversations c ON c.agent_seq = f.agent_seq AND c.external_id = f.conversation
WHERE f.noun = 'message' AND f.agent_seq = ?1 AND f.external_id >= ?2 AND f.external_id < ?3
    AND f.id NOT IN (SELECT message_id FROM message_aliases WHERE message_id = f.id)
"""
_ALIAS = """
INSERT INTO message_aliases (agent_seq, external_id, message_id) VALUES (?, ?, ?)
ON CONFLICT DO NOTHING
"""


def retold(
    session: Session, agent_seq: int, messages: Sequence[NewMessage], host: str | None
) -> dict[int, MessageId]:
    """Which of the messages, by place, are there already or were forgotten, and as which.

    Only messages with an id of their host's own; those recognised by their words get it as alias.
    """
    found: dict[int, MessageId] = {}
    own = [(place, each) for place, each in enumerate(messages) if each.own_id]
    if not own:
        return found
    random = [
        (place, each.external_id or "")
        for place, each in own
        if not is_short(each.external_id or "")
    ]
    asked = json.dumps([ident for _, ident in random])
    rows = session.all(_BY_ID, {"agent": agent_seq, "asked": asked})
    there = {int(at): MessageId(message_id) for at, message_id in reversed(rows)}
    found.update({place: there[at] for at, (place, _) in enumerate(random) if at in there})
    for place, message in own:
        if place not in found and (same := _by_other_id(session, agent_seq, message)):
            found[place] = same
    if session.value(_HAS_TOLD, (agent_seq,)):
        unknown = [(place, message) for place, message in own if place not in found]
        for place, message_id in _by_words(session, agent_seq, unknown, host).items():
            add_aliases(session, agent_seq, message_id, [messages[place].external_id or ""])
            found[place] = message_id
    if any(message.aliases for _, message in own) and session.value(_HAS_COPIES):
        for place, message in own:
            copies = message.aliases if place not in found else ()
            same = next((copy for each in copies if (copy := session.value(_COPY, (each,)))), None)
            if same is not None:
                found[place] = MessageId(same)
                add_aliases(session, agent_seq, found[place], [message.external_id or ""])
    return found


def _by_other_id(session: Session, agent_seq: int, message: NewMessage) -> MessageId | None:
    """A message with a short id, or one that is called a copy."""
    ident, same = message.external_id or "", None
    if is_short(ident):
        words = redact(message.content)
        same = session.value(_BY_SHORT_ID, (agent_seq, ident, message.conversation, words))
    if same is None and (copy := copied(ident)):
        prefix, times = copy
        same = session.value(_COPIED, (prefix, f"{prefix[:-1]};", times - 1))
    return MessageId(same) if same else None


def add_aliases(
    session: Session, agent_seq: int, message_id: MessageId, external_ids: Sequence[str]
) -> None:
    """Know a message by other ids too."""
    session.run_many(_ALIAS, [(agent_seq, each, message_id) for each in external_ids])


def _by_words(
    session: Session,
    agent_seq: int,
    messages: Sequence[tuple[int, NewMessage]],
    host: str | None,
) -> dict[int, MessageId]:
    """Pairs of messages that were told twice, each in one pair.

    Those of one session go first, then the nearest in time. Forks are of the host that told the
    other.
    """
    told: dict[str, list[_Told]] = {}
    for _, message in messages:
        prefix = told_prefix_of(message)
        if prefix not in told:
            # `;` is the character after `:`, with which the prefix ends.
            rows = session.all(_TOLD, (agent_seq, prefix, f"{prefix[:-1]};"))
            told[prefix] = sorted(
                (at, MessageId(message_id), conversation, told_by)
                for message_id, external_id, conversation, told_by in rows
                if (at := told_at(external_id)) is not None
            )
    found: dict[int, MessageId] = {}
    taken: set[MessageId] = set()
    # Far ones only for what has no near one: of short words there may be thousands.
    for within in (NEAR_SECONDS, math.inf):
        pairs: list[tuple[bool, float, int, MessageId]] = []
        for place, message in messages:
            if place in found:
                continue
            now, candidates = message.created_at.timestamp(), told[told_prefix_of(message)]
            first = bisect_left(candidates, now - within, key=_moment)
            last = bisect_right(candidates, now + within, key=_moment)
            for at, message_id, conversation, told_by in candidates[first:last]:
                apart = abs(now - at)
                is_other = conversation != message.conversation
                is_far = apart > OTHER_SESSION_SECONDS or host not in (told_by, None)
                if message_id not in taken and not (is_other and is_far):
                    pairs.append((is_other, apart, place, message_id))
        for _, _, place, message_id in sorted(pairs):
            if place not in found and message_id not in taken:
                found[place] = message_id
                taken.add(message_id)
    return found


def _moment(told: _Told) -> float:
    return told[0]
