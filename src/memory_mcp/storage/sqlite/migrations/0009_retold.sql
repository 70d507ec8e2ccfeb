-- Hosts tell a message through two doors, and copy it into forks: it is known by the host's own id
-- in whatever conversation it stands, and a message that a hook told without an id keeps the id
-- under which the host's file tells it again.
DROP INDEX messages_external;
CREATE UNIQUE INDEX messages_external ON messages (agent_seq, external_id, conversation_seq)
    WHERE external_id IS NOT NULL;

CREATE TABLE message_aliases (
    agent_seq   INTEGER NOT NULL REFERENCES agents (seq),
    external_id TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    PRIMARY KEY (agent_seq, external_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_aliases_message ON message_aliases (message_id);

-- What was forgotten under an id stays so in every conversation.
DROP INDEX forgotten_external;
CREATE INDEX forgotten_external ON forgotten (agent_seq, external_id, conversation)
    WHERE external_id IS NOT NULL;

-- `null`: the session's history holds nothing of core memory. last_sign: see domain/host_sessions.
UPDATE host_sessions SET seen = 'null' WHERE seen = '{}';
ALTER TABLE host_sessions ADD COLUMN last_sign TEXT;
