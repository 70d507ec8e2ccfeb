-- Two passages are the same if their text (letter by letter), their date and their source are; an
-- external id alone no longer makes them so. What is computed here is in domain/passages.py, and is
-- computed there for what is filed from now on.
ALTER TABLE passages ADD COLUMN source TEXT;
ALTER TABLE passages RENAME COLUMN content_hash TO identity;
UPDATE passages SET identity = CAST(passage_identity(content, occurred_at, source) AS BLOB);

DROP INDEX passages_external;
CREATE INDEX passages_external ON passages (agent_seq, external_id)
    WHERE external_id IS NOT NULL;

-- A passage that was forgotten or superseded is known when a file brings it again: by its id, its
-- external id, or the digest of its text and its date, which is all that is kept of them. Of a line of
-- a block a digest is kept, and which block it stood in (`source`, and its label as external id).
ALTER TABLE forgotten ADD COLUMN digest TEXT;
ALTER TABLE forgotten ADD COLUMN source TEXT;
ALTER TABLE forgotten ADD COLUMN superseded_by TEXT;
CREATE INDEX forgotten_digest ON forgotten (agent_seq, digest) WHERE digest IS NOT NULL;
CREATE INDEX forgotten_lines ON forgotten (source) WHERE noun = 'line';
INSERT OR IGNORE INTO forgotten
    (id, noun, agent_seq, external_id, forgotten_at, digest, superseded_by)
SELECT id, 'passage', agent_seq, row ->> 'external_id', removed_at,
    forgotten_digest(row ->> 'content', row ->> 'occurred_at'), superseded_by
FROM removed WHERE noun = 'passage' AND removed_by <> 'undo';
INSERT OR IGNORE INTO forgotten
    (id, noun, agent_seq, external_id, forgotten_at, digest, source)
SELECT r.id || '/' || (line.key + 1), 'line', r.agent_seq, r.row ->> 'label', r.removed_at,
    forgotten_digest(line.value, NULL), r.row ->> 'block_id'
FROM removed r, json_each(r.row, '$.lines') line WHERE r.noun = 'block';

-- Mail can be forgotten, too.
CREATE TABLE removed_new (
    id            TEXT PRIMARY KEY,
    noun          TEXT NOT NULL CHECK (noun IN ('block', 'mail', 'message', 'passage')),
    agent_seq     INTEGER NOT NULL REFERENCES agents (seq),
    row           TEXT NOT NULL,
    superseded_by TEXT,
    removed_by    TEXT NOT NULL,
    removed_at    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO removed_new SELECT * FROM removed;
DROP TABLE removed;
ALTER TABLE removed_new RENAME TO removed;
CREATE INDEX removed_time ON removed (removed_at);
CREATE INDEX removed_agent ON removed (agent_seq, removed_at);
