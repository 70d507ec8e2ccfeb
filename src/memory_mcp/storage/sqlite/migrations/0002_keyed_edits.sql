-- A caller that did not learn the outcome of an edit asks again under the same key; the edit that
-- was made is recognised by it. (A message has its external id for that, a passage its text.)
ALTER TABLE block_history ADD COLUMN key TEXT;
CREATE UNIQUE INDEX block_history_key ON block_history (key) WHERE key IS NOT NULL;
