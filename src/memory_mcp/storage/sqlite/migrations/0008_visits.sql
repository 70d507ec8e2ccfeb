-- What a client that opens a connection for each call left at the end of its last one: where its
-- next one resumes. Short-lived: no memory, and no line of the outbox tells of it.
CREATE TABLE visits (
    agent_seq INTEGER NOT NULL REFERENCES agents (seq),
    client    TEXT NOT NULL,
    memo      TEXT NOT NULL,
    left_at   TEXT NOT NULL,
    PRIMARY KEY (agent_seq, client)
) STRICT, WITHOUT ROWID;
