-- Passages and messages that were forgotten or superseded, and lines of blocks, whole, so that it can
-- be undone. After some days they go for good.
CREATE TABLE removed (
    id            TEXT PRIMARY KEY,
    noun          TEXT NOT NULL CHECK (noun IN ('block', 'message', 'passage')),
    agent_seq     INTEGER NOT NULL REFERENCES agents (seq),
    row           TEXT NOT NULL,
    superseded_by TEXT,
    removed_by    TEXT NOT NULL,
    removed_at    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX removed_time ON removed (removed_at);
CREATE INDEX removed_agent ON removed (agent_seq, removed_at);

-- A message that comes again after it was forgotten is known by where it came from.
ALTER TABLE forgotten ADD COLUMN conversation TEXT;
CREATE INDEX forgotten_external ON forgotten (agent_seq, conversation, external_id)
    WHERE external_id IS NOT NULL;

-- Pairs of passages that say nearly the same, to be looked at by somebody; never merged by rule.
CREATE TABLE near_duplicates (
    agent_seq   INTEGER NOT NULL REFERENCES agents (seq),
    passage_seq INTEGER NOT NULL REFERENCES passages (seq) ON DELETE CASCADE,
    other_seq   INTEGER NOT NULL REFERENCES passages (seq) ON DELETE CASCADE,
    similarity  REAL NOT NULL,
    PRIMARY KEY (passage_seq, other_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX near_duplicates_other ON near_duplicates (other_seq);
CREATE INDEX near_duplicates_agent ON near_duplicates (agent_seq, similarity);
ALTER TABLE agents ADD COLUMN compared_seq INTEGER NOT NULL DEFAULT 0;
