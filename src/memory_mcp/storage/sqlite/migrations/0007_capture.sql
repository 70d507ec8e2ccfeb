-- What hosts tell through their hooks: when a conversation ended, and for each of their sessions
-- which blocks it was shown at which version and how far its transcript was read.
ALTER TABLE conversations ADD COLUMN ended_at TEXT;

CREATE TABLE host_sessions (
    conversation_seq INTEGER PRIMARY KEY REFERENCES conversations (seq) ON DELETE CASCADE,
    seen             TEXT NOT NULL DEFAULT '{}',
    transcript       TEXT,
    offset           INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What is said after the end is said in a conversation that goes on.
CREATE TRIGGER message_after_end AFTER INSERT ON messages BEGIN
    UPDATE conversations SET ended_at = NULL
        WHERE seq = NEW.conversation_seq AND ended_at < NEW.created_at;
END;
