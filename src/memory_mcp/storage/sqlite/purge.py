"""A deleted agent's end: everything that was its alone leaves the store for good."""

import json

from memory_mcp.domain.times import from_iso
from memory_mcp.storage.sqlite.history import take_from_history
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.texts import (
    PASSAGES,
    passage_texts,
    remove_texts,
    unindex_conversation,
)

_PASSAGES = """
SELECT p.seq, p.content, p.occurred_at,
    (SELECT json_group_array(t.tag) FROM passage_tags t WHERE t.passage_seq = p.seq)
FROM passages p WHERE p.agent_seq = ?
"""
# Blocks that nobody else has. Those that others have too are theirs now, and a group's are kept for
# whoever joins it next.
_OWN_BLOCKS = """
SELECT block_seq FROM agent_blocks WHERE agent_seq = ?1 AND NOT EXISTS (
    SELECT 1 FROM agent_blocks other
    WHERE other.block_seq = agent_blocks.block_seq AND other.agent_seq <> ?1)
    AND (SELECT group_tag FROM blocks WHERE seq = block_seq) IS NULL
"""
# Recall lets a message go only after it was entered among the forgotten.
_FORGET = """
INSERT OR IGNORE INTO forgotten (id, noun, agent_seq, external_id, forgotten_at)
SELECT id, 'message', agent_seq, external_id, '' FROM messages WHERE agent_seq = ?
"""
# That it was deleted stays known: our own export must not bring it back.
_AGENT_IS_GONE = """
INSERT OR REPLACE INTO forgotten (id, noun, agent_seq, forgotten_at)
SELECT id, 'agent', seq, deleted_at FROM agents WHERE seq = ? AND deleted_at IS NOT NULL
"""
_FORGOTTEN_LINES = "SELECT row FROM removed WHERE noun = 'block' AND agent_seq = ?"
_RUNS = "SELECT seq FROM runs WHERE agent_seq = ?"
_GONE = (
    "DELETE FROM waiting WHERE noun = 'message'"
    " AND seq IN (SELECT seq FROM messages WHERE agent_seq = ?)",
    "DELETE FROM waiting WHERE noun = 'passage'"
    " AND seq IN (SELECT seq FROM passages WHERE agent_seq = ?)",
    "DELETE FROM message_vectors WHERE seq IN (SELECT seq FROM messages WHERE agent_seq = ?)",
    "DELETE FROM passage_vectors WHERE seq IN (SELECT seq FROM passages WHERE agent_seq = ?)",
    "DELETE FROM message_signs WHERE agent_seq = ?",
    "DELETE FROM passage_signs WHERE agent_seq = ?",
    "DELETE FROM near_duplicates WHERE agent_seq = ?",
    "DELETE FROM passage_tags WHERE agent_seq = ?",
    "DELETE FROM passages WHERE agent_seq = ?",
    "DELETE FROM summaries WHERE agent_seq = ?",
    # Another agent's session may be told as a copy that this one has.
    "DELETE FROM message_aliases WHERE message_id IN (SELECT id FROM messages WHERE agent_seq = ?)",
    "DELETE FROM messages WHERE agent_seq = ?",
    "DELETE FROM message_aliases WHERE agent_seq = ?",
    # Of a block that others have, files don't bring a forgotten line back either.
    "DELETE FROM forgotten WHERE agent_seq = ?"
    " AND NOT (noun = 'line' AND source IN (SELECT id FROM blocks))",
    "DELETE FROM conversations WHERE agent_seq = ?",
    "DELETE FROM counts WHERE agent_seq = ?",
    f"DELETE FROM run_changes WHERE run_seq IN ({_RUNS})",
    f"DELETE FROM run_calls WHERE run_seq IN ({_RUNS})",
    "DELETE FROM runs WHERE agent_seq = ?",
    "DELETE FROM mail WHERE ? IN (sender_seq, recipient_seq)",
    "DELETE FROM presence WHERE agent_seq = ?",
    "DELETE FROM visits WHERE agent_seq = ?",
    _AGENT_IS_GONE,
    "DELETE FROM agents WHERE seq = ?",
)


def purge_agent(session: Session, agent_id: str) -> None:
    """Remove the agent with every row it has, the derived ones too."""
    seq = session.value("SELECT seq FROM agents WHERE id = ?", (agent_id,))
    for (conversation,) in session.all("SELECT seq FROM conversations WHERE agent_seq = ?", (seq,)):
        unindex_conversation(session, conversation)
    passages = [
        (row, passage_texts(content, json.loads(tags), from_iso(at) if at else None))
        for row, content, at, tags in session.all(_PASSAGES, (seq,))
    ]
    remove_texts(session, PASSAGES, passages)
    # Blocks that others have stay, without what this one has had forgotten.
    for (kept,) in session.all(_FORGOTTEN_LINES, (seq,)):
        take_from_history(session, json.loads(kept))
    session.run("DELETE FROM removed WHERE agent_seq = ?", (seq,))
    own = session.all(_OWN_BLOCKS, (seq,))
    session.run("DELETE FROM agent_blocks WHERE agent_seq = ?", (seq,))
    session.run_many("DELETE FROM block_packs WHERE block_seq = ?", own)
    session.run_many("DELETE FROM block_history WHERE block_seq = ?", own)
    session.run_many("DELETE FROM blocks WHERE seq = ?", own)
    session.run(_FORGET, (seq,))
    for statement in _GONE:
        session.run(statement, (seq,))
