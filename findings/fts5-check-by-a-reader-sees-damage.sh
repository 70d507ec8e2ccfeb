#!/usr/bin/env bash
# pysqlite3 0.6.1 (SQLite 3.53.4)
# Guess: `PRAGMA integrity_check` says the same of one file in every connection.
# Seen: it checks FTS5 tables too, and a connection that has checked one before compares with what it
#   remembers of the index's structure: after another connection has written it reports "checksum mismatch"
#   or "corruption found", where a new connection finds nothing. Any search of the table in the old one
#   first, and it agrees.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

pip_packages pysqlite3==0.6.1
"$PYTHON" <<'PYTHON'
from pysqlite3 import dbapi2 as sqlite

print("SQLite", sqlite.sqlite_version)
path = "check.db"
OK = [("ok",)]


def check(connection):
    return connection.execute("PRAGMA integrity_check").fetchall()


writer = sqlite.connect(path, isolation_level=None)
writer.execute("PRAGMA journal_mode=WAL")
writer.execute("CREATE VIRTUAL TABLE notes USING fts5(x)")
plain, searching = (sqlite.connect(path, isolation_level=None) for _ in range(2))
told = {"plain": 0, "searching": 0, "new": 0}
for number in range(100):
    writer.execute("INSERT INTO notes VALUES (?)", (f"heron number {number} by the weir",))
    if number % 10 == 3:
        searching.execute("SELECT rowid FROM notes WHERE notes MATCH 'heron' LIMIT 1").fetchall()
        new = sqlite.connect(path)
        for name, connection in (("plain", plain), ("searching", searching), ("new", new)):
            found = check(connection)
            if found != OK:
                told[name] += 1
                print(f"after {number + 1} rows, {name}: {found[0][0]}")
        new.close()
print(told)
assert told["plain"] == 9 and told["searching"] == told["new"] == 0, told
PYTHON
