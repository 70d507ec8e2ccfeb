-- A store has an id, which its backups tell: whose they are.
CREATE TABLE store (
    id TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO store VALUES ('store-' || lower(hex(randomblob(16))));

-- Older versions of a block lie packed, many in one piece: each differs little from the one before.
-- `pack` is the first version of the pack that holds a version's value, which is '' here then.
CREATE TABLE block_packs (
    block_seq     INTEGER NOT NULL REFERENCES blocks (seq),
    first_version INTEGER NOT NULL,
    packed        BLOB NOT NULL,
    PRIMARY KEY (block_seq, first_version)
) STRICT, WITHOUT ROWID;
ALTER TABLE block_history ADD COLUMN pack INTEGER;
CREATE INDEX block_history_whole ON block_history (block_seq) WHERE pack IS NULL;

-- What a text was when it was stored: a bit that flipped on the disk since is found by it. Passages
-- have their identity, packs a checksum of their own.
DROP TRIGGER messages_never_change;
ALTER TABLE messages ADD COLUMN checksum INTEGER;
UPDATE messages SET checksum = checksum_of(content);
CREATE TRIGGER messages_never_change BEFORE UPDATE ON messages
BEGIN
    SELECT RAISE(ABORT, 'a message never changes');
END;
