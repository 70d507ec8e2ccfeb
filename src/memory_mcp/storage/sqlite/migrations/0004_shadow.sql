-- The shadow agent's ledger. A run's progress is all its worker knows, kept after every step, so
-- that another worker can go on with it; what it changes is staged in there, and done at once, at
-- its end.
ALTER TABLE agents ADD COLUMN reflected_seq INTEGER NOT NULL DEFAULT 0;

CREATE TABLE leases (
    name       TEXT PRIMARY KEY,
    holder     TEXT NOT NULL,
    token      INTEGER NOT NULL,
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    agent_seq  INTEGER NOT NULL REFERENCES agents (seq),
    kind       TEXT NOT NULL,
    trigger    TEXT NOT NULL,
    model      TEXT NOT NULL,
    state      TEXT NOT NULL,
    outcome    TEXT NOT NULL DEFAULT '',
    first_seq  INTEGER,
    last_seq   INTEGER,
    messages   INTEGER NOT NULL DEFAULT 0,
    progress   TEXT,
    takeovers  INTEGER NOT NULL DEFAULT 0,
    started_at TEXT NOT NULL,
    ended_at   TEXT,
    pruned_at  TEXT
) STRICT;
CREATE INDEX runs_agent ON runs (agent_seq, seq);
CREATE INDEX runs_open ON runs (seq) WHERE ended_at IS NULL;

-- Each call of a model is entered before it is made, with the most it may cost; what it did cost
-- takes that place when the answer is there. So a worker that dies has charged too much, never too
-- little.
CREATE TABLE run_calls (
    run_seq     INTEGER NOT NULL REFERENCES runs (seq),
    number      INTEGER NOT NULL,
    asked_at    TEXT NOT NULL,
    answered_at TEXT,
    request     TEXT,
    response    TEXT,
    error       TEXT,
    tokens_in   INTEGER NOT NULL,
    tokens_out  INTEGER NOT NULL,
    cost_usd    REAL,
    PRIMARY KEY (run_seq, number)
) STRICT, WITHOUT ROWID;
-- Holds all that the day's caps ask for: rows hold payloads, and the lock is held meanwhile.
CREATE INDEX run_calls_day ON run_calls (asked_at, tokens_in, tokens_out, cost_usd);

-- What a run changed, each thing as it was before and after: for showing, and for undoing.
CREATE TABLE run_changes (
    run_seq   INTEGER NOT NULL REFERENCES runs (seq),
    number    INTEGER NOT NULL,
    noun      TEXT NOT NULL,
    noun_id   TEXT NOT NULL,
    operation TEXT NOT NULL,
    before    TEXT,
    after     TEXT,
    undone_at TEXT,
    PRIMARY KEY (run_seq, number)
) STRICT, WITHOUT ROWID;
