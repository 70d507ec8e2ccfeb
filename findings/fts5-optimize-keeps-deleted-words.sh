#!/usr/bin/env bash
# pysqlite3 0.6.1 (SQLite 3.53.4)
# Guess: once every row of a contentless FTS5 table was deleted and the index is merged ('optimize', or
#   'merge' with a negative number), nothing of their words is left in the file.
# Seen: so it is for an index that is merged once. One that is merged after each few deletions, and written to
#   in between, keeps the markers of deletions, with their words, for good: the more often, the more. No search
#   finds them, fts5vocab shows none, and 'optimize' leaves them; 'delete-all' does not.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

pip_packages pysqlite3==0.6.1
"$PYTHON" <<'PYTHON'
import random

from pysqlite3 import dbapi2 as sqlite

print("SQLite", sqlite.sqlite_version)
ROWS = 60


def left_after(merges):
    """The bytes and the words of an index whose rows all went, merged so many times on the way."""
    chance = random.Random(1)
    store = sqlite.connect(":memory:", isolation_level=None)
    store.execute("CREATE VIRTUAL TABLE notes USING fts5(x, content='')")
    put = "INSERT INTO notes (rowid, x) VALUES (?, ?)"
    take = "INSERT INTO notes (notes, rowid, x) VALUES ('delete', ?, ?)"
    rows = {
        number: " ".join("".join(chance.choices("abcdefgh", k=9)) for _ in range(6))
        for number in range(1, ROWS + 1)
    }
    words = {word for text in rows.values() for word in text.split()}
    for row in rows.items():
        store.execute(put, row)
    while rows:
        for number in list(rows)[: ROWS // merges]:
            store.execute(take, (number, rows.pop(number)))
        for row in list(rows.items())[:2]:  # others are written anew meanwhile
            store.execute(take, row)
            store.execute(put, row)
        store.execute("INSERT INTO notes (notes) VALUES ('optimize')")
    store.execute("INSERT INTO notes (notes) VALUES ('optimize')")
    store.execute("CREATE VIRTUAL TABLE temp.shown USING fts5vocab(main, notes, row)")
    shown = store.execute("SELECT count(*) FROM shown").fetchone()[0]
    held = b"".join(row[0] for row in store.execute("SELECT block FROM notes_data"))
    readable = sum(word.encode() in held for word in words)
    store.execute("INSERT INTO notes (notes) VALUES ('delete-all')")
    after = sum(len(row[0]) for row in store.execute("SELECT block FROM notes_data"))
    print(
        f"merged {merges} times: {len(held)} bytes, {readable} of {len(words)} words readable in them,"
        f" {shown} in fts5vocab; {after} bytes after delete-all"
    )
    return len(held), readable, shown, after


once, often = left_after(1), left_after(15)
assert once[:3] == (once[0], 0, 0) and once[0] < 50, once
assert often[0] > 1_000 and often[1] > 0 and often[2] == 0 and often[3] < 50, often
PYTHON
