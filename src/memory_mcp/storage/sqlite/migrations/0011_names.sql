-- Two names that mean the same (domain/names.py) are one agent's: `name_key` is what they have in
-- common. Of agents that were made apart and fold to one name now, the oldest that is in use keeps
-- it, and the others get the end of their id behind theirs.
ALTER TABLE agents ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
UPDATE agents SET name_key = name_key(name);
UPDATE agents SET name = name || '-' || substr(id, -6),
    name_key = name_key(name || '-' || substr(id, -6))
WHERE EXISTS (SELECT 1 FROM agents o WHERE o.name_key = agents.name_key
    AND (o.deleted_at IS NOT NULL, o.seq) < (agents.deleted_at IS NOT NULL, agents.seq));
CREATE UNIQUE INDEX agents_name_key ON agents (name_key);

-- How long a memo waits differs: a client of a protocol without connections never says that it left.
DROP TABLE visits;
CREATE TABLE visits (
    agent_seq  INTEGER NOT NULL REFERENCES agents (seq),
    client     TEXT NOT NULL,
    memo       TEXT NOT NULL,
    kept_until TEXT NOT NULL,
    PRIMARY KEY (agent_seq, client)
) STRICT, WITHOUT ROWID;
CREATE INDEX visits_kept ON visits (kept_until);

-- The latest runs of a kind, without going through those of others that lie between.
CREATE INDEX runs_kind ON runs (agent_seq, kind, seq);
-- What a run changed and nobody put back, by which the latest that can be undone is found.
CREATE INDEX run_changes_standing ON run_changes (run_seq) WHERE undone_at IS NULL;
