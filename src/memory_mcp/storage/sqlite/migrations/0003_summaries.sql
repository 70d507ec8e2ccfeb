-- What stands in view for messages that left it. Each summary is made from the one before and the
-- messages from first_seq to last_seq; what comes after the last one's last_seq is in view.
CREATE TABLE summaries (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    agent_seq  INTEGER NOT NULL REFERENCES agents (seq),
    text       TEXT NOT NULL,
    first_seq  INTEGER NOT NULL,
    last_seq   INTEGER NOT NULL,
    messages   INTEGER NOT NULL,
    covered    INTEGER NOT NULL,
    last_at    TEXT NOT NULL,
    made_by    TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX summaries_latest ON summaries (agent_seq, seq);
CREATE INDEX messages_arrival ON messages (agent_seq, seq);
