-- What was forgotten, by whom and from where: ids and numbers, nothing of what it said. A receipt
-- outlives its agent, so it names it by id.
CREATE TABLE receipts (
    id        TEXT PRIMARY KEY,
    agent_id  TEXT NOT NULL,
    asked     TEXT NOT NULL CHECK (asked IN ('agent', 'conversation', 'id', 'text', 'time')),
    asked_by  TEXT NOT NULL CHECK (asked_by IN ('command', 'request')),
    asked_at  TEXT NOT NULL,
    undone_at TEXT,
    gone_at   TEXT,
    erased_at TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX receipts_time ON receipts (asked_at);
CREATE TABLE receipt_lines (
    receipt_id TEXT NOT NULL REFERENCES receipts (id),
    noun       TEXT NOT NULL,
    place      TEXT NOT NULL,
    number     INTEGER NOT NULL,
    ids        TEXT NOT NULL,
    PRIMARY KEY (receipt_id, noun, place)
) STRICT, WITHOUT ROWID;

-- Calls of hooks that nobody could make sense of can be forgotten, too; and what was removed says
-- which receipt it stands on.
CREATE TABLE removed_new (
    id            TEXT PRIMARY KEY,
    noun          TEXT NOT NULL CHECK (noun IN ('block', 'hook', 'mail', 'message', 'passage')),
    agent_seq     INTEGER NOT NULL REFERENCES agents (seq),
    row           TEXT NOT NULL,
    superseded_by TEXT,
    removed_by    TEXT NOT NULL,
    removed_at    TEXT NOT NULL,
    receipt       TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO removed_new SELECT *, NULL FROM removed;
DROP TABLE removed;
ALTER TABLE removed_new RENAME TO removed;
CREATE INDEX removed_time ON removed (removed_at);
CREATE INDEX removed_agent ON removed (agent_seq, removed_at);
CREATE INDEX removed_receipt ON removed (receipt) WHERE receipt IS NOT NULL;
