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
-- external id, or the digest of its text and its date, which is all that is kept of them.
ALTER TABLE forgotten ADD COLUMN digest TEXT;
ALTER TABLE forgotten ADD COLUMN source TEXT;
ALTER TABLE forgotten ADD COLUMN superseded_by TEXT;
CREATE INDEX forgotten_digest ON forgotten (agent_seq, digest) WHERE digest IS NOT NULL;
INSERT OR IGNORE INTO forgotten
    (id, noun, agent_seq, external_id, forgotten_at, digest, superseded_by)
SELECT id, 'passage', agent_seq, row ->> 'external_id', removed_at,
    forgotten_digest(row ->> 'content', row ->> 'occurred_at'), superseded_by
FROM removed WHERE noun = 'passage' AND removed_by <> 'undo';
