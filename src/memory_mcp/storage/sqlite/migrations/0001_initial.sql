-- Canonical text. What is searched through is derived: FTS5 tables (indexes.py), vectors.
-- Times are UTC, ISO 8601 with milliseconds. `seq` is a row's place; ids are what others see.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agents (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL UNIQUE COLLATE NOCASE,
    description   TEXT NOT NULL DEFAULT '',
    tags          TEXT NOT NULL DEFAULT '[]',
    system_prompt TEXT NOT NULL DEFAULT '',
    project       TEXT UNIQUE,
    context_limit INTEGER,
    model         TEXT,
    tool_rules    TEXT NOT NULL DEFAULT '[]',
    created_at    TEXT NOT NULL
) STRICT;

CREATE TABLE blocks (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    label       TEXT NOT NULL,
    value       TEXT NOT NULL,
    description TEXT NOT NULL,
    limit_chars INTEGER NOT NULL,
    read_only   INTEGER NOT NULL DEFAULT 0,
    on_overflow TEXT NOT NULL DEFAULT 'evict' CHECK (on_overflow IN ('evict', 'error')),
    version     INTEGER NOT NULL DEFAULT 1,
    metadata    TEXT NOT NULL DEFAULT '{}',
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL
) STRICT;

-- A block attached to several agents is shared. Labels are unique within one agent.
CREATE TABLE agent_blocks (
    agent_seq INTEGER NOT NULL REFERENCES agents (seq),
    label     TEXT NOT NULL,
    block_seq INTEGER NOT NULL REFERENCES blocks (seq),
    position  INTEGER NOT NULL,
    PRIMARY KEY (agent_seq, label)
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_blocks_block ON agent_blocks (block_seq);

-- Every value a block ever had, and who gave it.
CREATE TABLE block_history (
    block_seq  INTEGER NOT NULL REFERENCES blocks (seq),
    version    INTEGER NOT NULL,
    value      TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (block_seq, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE conversations (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    agent_seq   INTEGER NOT NULL REFERENCES agents (seq),
    external_id TEXT NOT NULL,
    host        TEXT,
    project     TEXT,
    messages    INTEGER NOT NULL DEFAULT 0,
    started_at  TEXT NOT NULL,
    last_at     TEXT NOT NULL,
    UNIQUE (agent_seq, external_id)
) STRICT;
CREATE INDEX conversations_latest ON conversations (agent_seq, last_at);

CREATE TABLE messages (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    agent_seq        INTEGER NOT NULL REFERENCES agents (seq),
    conversation_seq INTEGER NOT NULL REFERENCES conversations (seq),
    role             TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'tool', 'system')),
    name             TEXT,
    content          TEXT NOT NULL,
    created_at       TEXT NOT NULL,
    external_id      TEXT,
    metadata         TEXT
) STRICT;
CREATE INDEX messages_conversation ON messages (conversation_seq, seq);
CREATE INDEX messages_time ON messages (agent_seq, created_at);
CREATE UNIQUE INDEX messages_external ON messages (agent_seq, conversation_seq, external_id)
    WHERE external_id IS NOT NULL;

-- Recall is append-only: the store itself refuses changing a message, and lets one go only after
-- it was entered among the forgotten.
CREATE TABLE forgotten (
    id           TEXT PRIMARY KEY,
    noun         TEXT NOT NULL,
    agent_seq    INTEGER NOT NULL,
    external_id  TEXT,
    forgotten_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER messages_never_change BEFORE UPDATE ON messages
BEGIN
    SELECT RAISE(ABORT, 'a message never changes');
END;
-- REPLACE would delete the old row without asking the trigger below.
CREATE TRIGGER messages_never_replaced BEFORE INSERT ON messages
WHEN EXISTS (SELECT 1 FROM messages WHERE seq = NEW.seq OR id = NEW.id)
    OR EXISTS (SELECT 1 FROM messages WHERE NEW.external_id IS NOT NULL
        AND agent_seq = NEW.agent_seq AND conversation_seq = NEW.conversation_seq
        AND external_id = NEW.external_id)
BEGIN
    SELECT RAISE(IGNORE);
END;
CREATE TRIGGER messages_only_forgotten BEFORE DELETE ON messages
WHEN NOT EXISTS (SELECT 1 FROM forgotten WHERE id = OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'a message is only removed by forgetting it');
END;

CREATE TABLE passages (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    agent_seq    INTEGER NOT NULL REFERENCES agents (seq),
    content      TEXT NOT NULL,
    content_hash BLOB NOT NULL,
    occurred_at  TEXT,
    created_at   TEXT NOT NULL,
    refreshed_at TEXT NOT NULL,
    dated        TEXT NOT NULL GENERATED ALWAYS AS (coalesce(occurred_at, created_at)) STORED,
    origin       TEXT NOT NULL,
    supersedes   TEXT,
    external_id  TEXT,
    metadata     TEXT,
    UNIQUE (agent_seq, content_hash)
) STRICT;
CREATE INDEX passages_time ON passages (agent_seq, dated);
CREATE UNIQUE INDEX passages_external ON passages (agent_seq, external_id)
    WHERE external_id IS NOT NULL;

CREATE TABLE passage_tags (
    agent_seq   INTEGER NOT NULL REFERENCES agents (seq),
    tag         TEXT NOT NULL,
    passage_seq INTEGER NOT NULL REFERENCES passages (seq) ON DELETE CASCADE,
    PRIMARY KEY (agent_seq, tag, passage_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX passage_tags_passage ON passage_tags (passage_seq);

-- Exact vectors (int8, unit length times 127) by row, and their signs (one bit a dimension) in the
-- order they came, so that a process that holds signs in memory reads only what is new.
CREATE TABLE message_vectors (
    seq    INTEGER PRIMARY KEY,
    vector BLOB NOT NULL
) STRICT;
CREATE TABLE message_signs (
    stamp     INTEGER PRIMARY KEY AUTOINCREMENT,
    seq       INTEGER NOT NULL,
    agent_seq INTEGER NOT NULL,
    signs     BLOB NOT NULL
) STRICT;
CREATE INDEX message_signs_seq ON message_signs (seq);
CREATE TABLE passage_vectors (
    seq    INTEGER PRIMARY KEY,
    vector BLOB NOT NULL
) STRICT;
CREATE TABLE passage_signs (
    stamp     INTEGER PRIMARY KEY AUTOINCREMENT,
    seq       INTEGER NOT NULL,
    agent_seq INTEGER NOT NULL,
    signs     BLOB NOT NULL
) STRICT;

CREATE INDEX passage_signs_seq ON passage_signs (seq);

-- Rows that have no vector yet: finding them must not mean looking at all.
CREATE TABLE waiting (
    noun TEXT NOT NULL CHECK (noun IN ('message', 'passage')),
    seq  INTEGER NOT NULL,
    PRIMARY KEY (noun, seq)
) STRICT, WITHOUT ROWID;

-- Counts that every answer shows, kept as rows come and go: counting 100,000 rows takes longer
-- than searching them.
CREATE TABLE counts (
    agent_seq INTEGER NOT NULL,
    noun      TEXT NOT NULL,
    tag       TEXT NOT NULL DEFAULT '',
    n         INTEGER NOT NULL,
    PRIMARY KEY (agent_seq, noun, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX counts_most ON counts (agent_seq, noun, n);

CREATE TRIGGER count_message AFTER INSERT ON messages BEGIN
    INSERT INTO counts VALUES (NEW.agent_seq, 'message', '', 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
    UPDATE conversations SET messages = messages + 1,
        started_at = min(started_at, NEW.created_at), last_at = max(last_at, NEW.created_at)
        WHERE seq = NEW.conversation_seq;
END;
CREATE TRIGGER uncount_message AFTER DELETE ON messages BEGIN
    UPDATE counts SET n = n - 1 WHERE agent_seq = OLD.agent_seq AND noun = 'message' AND tag = '';
    UPDATE conversations SET messages = messages - 1 WHERE seq = OLD.conversation_seq;
END;
CREATE TRIGGER count_passage AFTER INSERT ON passages BEGIN
    INSERT INTO counts VALUES (NEW.agent_seq, 'passage', '', 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER uncount_passage AFTER DELETE ON passages BEGIN
    UPDATE counts SET n = n - 1 WHERE agent_seq = OLD.agent_seq AND noun = 'passage' AND tag = '';
END;
CREATE TRIGGER count_tag AFTER INSERT ON passage_tags BEGIN
    INSERT INTO counts VALUES (NEW.agent_seq, 'tag', NEW.tag, 1)
        ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER uncount_tag AFTER DELETE ON passage_tags BEGIN
    UPDATE counts SET n = n - 1 WHERE agent_seq = OLD.agent_seq AND noun = 'tag' AND tag = OLD.tag;
    DELETE FROM counts
        WHERE agent_seq = OLD.agent_seq AND noun = 'tag' AND tag = OLD.tag AND n <= 0;
END;

-- The outbox: one line for each thing that happened, in the transaction in which it happened.
CREATE TABLE changes (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    noun      TEXT NOT NULL,
    noun_id   TEXT NOT NULL,
    operation TEXT NOT NULL,
    agent_ids TEXT NOT NULL,
    details   TEXT NOT NULL DEFAULT '{}'
) STRICT;
