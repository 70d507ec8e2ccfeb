-- Mail between agents. `root` is the mail that began the exchange. `told_key` is the key of the call whose answer told of it last: a call that
-- is asked again after a break tells it again, and no other one does. An answer that its reader
-- waits for is kept for that call until `held_until`.
CREATE TABLE mail (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    sender_seq    INTEGER NOT NULL REFERENCES agents (seq),
    recipient_seq INTEGER NOT NULL REFERENCES agents (seq),
    text          TEXT NOT NULL,
    state         TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'delivered', 'answered', 'expired')),
    in_reply_to   TEXT,
    hops          INTEGER NOT NULL DEFAULT 0,
    root          TEXT NOT NULL,
    sent_at       TEXT NOT NULL,
    expires_at    TEXT NOT NULL,
    delivered_at  TEXT,
    answered_at   TEXT,
    awaited_until TEXT,
    held_until    TEXT,
    told_expired  INTEGER NOT NULL DEFAULT 0,
    told_key      TEXT,
    key           TEXT
) STRICT;
CREATE INDEX mail_queued ON mail (recipient_seq, seq) WHERE state = 'queued';
CREATE INDEX mail_recipient ON mail (recipient_seq, seq);
CREATE INDEX mail_sender ON mail (sender_seq, seq);
CREATE INDEX mail_unread ON mail (sender_seq, expires_at)
    WHERE delivered_at IS NULL AND told_expired = 0;
CREATE INDEX mail_answers ON mail (in_reply_to) WHERE in_reply_to IS NOT NULL;
CREATE INDEX mail_root ON mail (root);
CREATE INDEX mail_told ON mail (told_key) WHERE told_key IS NOT NULL;
CREATE UNIQUE INDEX mail_key ON mail (key, recipient_seq) WHERE key IS NOT NULL;

-- Which connections were there when. Whatever process serves one says so about every 20 seconds.
CREATE TABLE presence (
    connection TEXT PRIMARY KEY,
    agent_seq  INTEGER NOT NULL REFERENCES agents (seq),
    seen_at    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX presence_agent ON presence (agent_seq, seen_at);

-- A deleted agent keeps all it has for some days, so that it can be restored.
ALTER TABLE agents ADD COLUMN deleted_at TEXT;
-- The block of a group: whoever gets the tag gets the block.
ALTER TABLE blocks ADD COLUMN group_tag TEXT;
CREATE INDEX blocks_group ON blocks (group_tag) WHERE group_tag IS NOT NULL;
