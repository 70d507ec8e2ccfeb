"""Migrations: in order, each whole, never without a copy of what was there."""

import json
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from memory_mcp.domain.errors import StoreTooNew
from memory_mcp.domain.passages import forgotten_digest, identity, text_digest
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.migrations import (
    APPLICATION_ID,
    Migration,
    known_migrations,
    migrate,
    split_statements,
)
from memory_mcp.storage.sqlite.session import Parameters, Session

FIRST = Migration(1, ["CREATE TABLE notes (text TEXT)", "INSERT INTO notes VALUES ('one')"])
SECOND = Migration(2, ["ALTER TABLE notes ADD COLUMN tag TEXT", "UPDATE notes SET tag = 'old'"])
FAILING = Migration(2, ["CREATE TABLE more (text TEXT)", "INSERT INTO nowhere VALUES (1)"])

TRIGGER = "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM b; DELETE FROM c;\nEND;"


@contextmanager
def session_on(path: Path, kind: type[Session] = Session) -> Iterator[Session]:
    connection = sqlite_module().connect(path, isolation_level=None, timeout=5)
    try:
        yield kind(connection)
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    """A session on a new, empty store."""
    with session_on(path) as session:
        yield session


def version(session: Session) -> int:
    return session.value("PRAGMA user_version")


def tables(session: Session) -> list[str]:
    return [name for (name,) in session.all("SELECT name FROM sqlite_schema ORDER BY name")]


def backups(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.glob("memory.db.*"))


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("", []),
        ("CREATE TABLE a (x);", ["CREATE TABLE a (x);"]),
        ("CREATE TABLE a (x);\n\n", ["CREATE TABLE a (x);"]),
        ("SELECT 1; SELECT 2", ["SELECT 1;", "SELECT 2;"]),
        ("SELECT ';', \"a;b\" /* ; */;SELECT 2;", ["SELECT ';', \"a;b\" /* ; */;", "SELECT 2;"]),
        ("-- one; two\nSELECT 1;", ["-- one; two\nSELECT 1;"]),
        (
            f"{TRIGGER}\nSELECT 1;\nCREATE TABLE b (x);",
            [TRIGGER, "SELECT 1;", "CREATE TABLE b (x);"],
        ),
    ],
    ids=[
        "empty",
        "one",
        "blank-lines-after",
        "no-last-semicolon",
        "in-quotes",
        "in-a-comment",
        "trigger",
    ],
)
def test_a_script_is_split_where_its_statements_end(script: str, statements: list[str]) -> None:
    # What follows the last statement may come as an empty one.
    assert [told for told in split_statements(script) if told != ";"] == statements


def test_the_migrations_we_carry_are_numbered_without_a_gap_and_apply() -> None:
    steps = known_migrations()

    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    with session_on(Path(":memory:")) as session:
        migrate(session, Path(":memory:"))
        assert version(session) == len(steps)
        assert session.value("PRAGMA application_id") == APPLICATION_ID


def test_the_passages_of_an_older_store_keep_all_they_have_and_are_known_by_text_date_and_source(
    session: Session, path: Path
) -> None:
    migrate(session, path, known_migrations()[:9])
    session.run("INSERT INTO agents (id, name, created_at) VALUES ('agent-1', 'a', '')")
    row = (
        "INSERT INTO passages (seq, id, agent_seq, content, content_hash, occurred_at, created_at, "
        "refreshed_at, origin, external_id) VALUES (?, ?, 1, ?, ?, ?, '', '', 'agent', ?)"
    )
    session.run(row, (4, "passage-4", "likes  tea\n", b"old", "2026-05-08T00:00:00.000Z", "e"))
    session.run(row, (7, "passage-7", "likes rye", b"older", None, None))
    session.run("INSERT INTO passage_tags VALUES (1, 'food', 4)")

    migrate(session, path)

    assert session.all("SELECT seq, id, content, identity, source FROM passages") == [
        (seq, f"passage-{seq}", text, identity(text_digest(text), at, None).encode(), None)
        for seq, text, at in [
            (4, "likes  tea\n", "2026-05-08T00:00:00.000Z"),
            (7, "likes rye", None),
        ]
    ]
    assert session.all("SELECT tag, passage_seq FROM passage_tags") == [("food", 4)]
    # An external id alone is in nobody's way any more.
    session.run(row.replace("content_hash", "identity"), (9, "p", "x", b"x", None, "e"))


def test_what_was_forgotten_in_an_older_store_is_known_and_can_still_be_put_back(
    session: Session, path: Path
) -> None:
    migrate(session, path, known_migrations()[:9])
    session.run("INSERT INTO agents (id, name, created_at) VALUES ('agent-1', 'a', '')")
    removed = "INSERT INTO removed VALUES (?, ?, 1, ?, ?, ?, '2026-11-01')"
    passage = {"content": "likes tea", "occurred_at": None, "external_id": "e"}
    block = {"block_id": "block-1", "label": "human", "lines": ["likes jam", "likes rye"]}
    for row_id, noun, told, superseded_by, by in [
        ("passage-1", "passage", passage, None, "user"),
        ("passage-2", "passage", passage, "passage-3", "agent"),
        ("passage-4", "passage", passage, None, "undo"),
        ("block-1@2", "block", block, None, "user"),
    ]:
        session.run(removed, (row_id, noun, json.dumps(told), superseded_by, by))
    kept = session.all("SELECT * FROM removed")

    migrate(session, path)

    columns = "id, noun, external_id, digest, source, superseded_by"
    tea, jam, rye = (
        forgotten_digest(text_digest(text), None)
        for text in ("likes tea", "likes jam", "likes rye")
    )
    assert session.all(f"SELECT {columns} FROM forgotten ORDER BY noun DESC, id") == [
        ("passage-1", "passage", "e", tea, None, None),
        ("passage-2", "passage", "e", tea, None, "passage-3"),
        ("block-1@2/1", "line", "human", jam, "block-1", None),
        ("block-1@2/2", "line", "human", rye, "block-1", None),
    ]
    assert [row[:-1] for row in session.all("SELECT * FROM removed")] == kept


def test_steps_apply_in_order_and_only_once(session: Session, path: Path) -> None:
    migrate(session, path, [FIRST, SECOND])
    schema = session.all("SELECT * FROM sqlite_schema")
    session.run("INSERT INTO notes VALUES ('two', 'new')")

    migrate(session, path, [FIRST, SECOND])

    assert session.all("SELECT * FROM notes") == [("one", "old"), ("two", "new")]
    assert session.all("SELECT * FROM sqlite_schema") == schema
    assert version(session) == 2


def test_only_the_steps_that_are_missing_apply(session: Session, path: Path) -> None:
    migrate(session, path, [FIRST])
    migrate(session, path, [FIRST, SECOND])

    assert session.all("SELECT * FROM notes") == [("one", "old")]


def test_a_step_that_fails_leaves_the_store_as_the_last_whole_step_did(
    session: Session, path: Path
) -> None:
    migrate(session, path, [FIRST])

    with pytest.raises(sqlite_module().OperationalError, match="no such table: nowhere"):
        migrate(session, path, [FIRST, FAILING])

    assert tables(session) == ["notes"]
    assert version(session) == 1
    migrate(session, path, [FIRST, SECOND])
    assert version(session) == 2


def test_a_new_store_is_made_whole_or_not_at_all(session: Session, path: Path) -> None:
    with pytest.raises(sqlite_module().OperationalError):
        migrate(session, path, [FIRST, FAILING])

    assert (tables(session), version(session)) == ([], 0)


def test_an_existing_store_is_copied_before_it_is_changed(session: Session, path: Path) -> None:
    migrate(session, path, [FIRST])
    session.run("INSERT INTO notes VALUES ('mine')")
    assert backups(path) == []  # nothing to lose before the first step

    migrate(session, path, [FIRST, SECOND])

    assert backups(path) == ["memory.db.before-schema-2"]
    copy = path.with_name("memory.db.before-schema-2")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with session_on(copy) as old:
        assert old.all("SELECT * FROM notes") == [("one",), ("mine",)]
        assert version(old) == 1
        migrate(old, copy, [FIRST, SECOND])  # it is a store that can be gone back to
        assert version(old) == 2


def test_a_store_that_is_up_to_date_is_not_copied(session: Session, path: Path) -> None:
    migrate(session, path, [FIRST])
    migrate(session, path, [FIRST])

    assert backups(path) == []


def test_the_first_copy_is_kept_when_a_step_is_tried_again(session: Session, path: Path) -> None:
    migrate(session, path, [FIRST])
    for _ in range(2):
        with pytest.raises(sqlite_module().OperationalError):
            migrate(session, path, [FIRST, FAILING])
        session.run("INSERT INTO notes VALUES ('later')")

    with session_on(path.with_name("memory.db.before-schema-2")) as old:
        assert old.all("SELECT * FROM notes") == [("one",)]


def test_a_store_from_the_future_is_refused_and_left_alone(session: Session, path: Path) -> None:
    migrate(session, path, [FIRST, SECOND])
    before = path.read_bytes()

    with pytest.raises(StoreTooNew, match=r"schema 2; this one knows 1.*Upgrade memory-mcp"):
        migrate(session, path, [FIRST])

    assert path.read_bytes() == before
    assert backups(path) == []


class Meeting(Session):
    """A session that waits for another before it copies the store."""

    others = threading.Barrier(2)

    def run(self, sql: str, parameters: Parameters = ()) -> None:
        """Run one statement."""
        if sql.startswith("VACUUM"):
            with suppress(threading.BrokenBarrierError):  # the other may have found it done
                self.others.wait(1)
        super().run(sql, parameters)


def test_processes_that_start_at_once_migrate_a_store_once_and_keep_one_copy(path: Path) -> None:
    with session_on(path) as session:
        session.run("PRAGMA journal_mode=WAL")
        migrate(session, path, [FIRST])
        session.run("INSERT INTO notes VALUES (zeroblob(4000000))")  # takes a moment to copy

    def start() -> int:
        with session_on(path, Meeting) as session:
            migrate(session, path, [FIRST, SECOND])
            return version(session)

    with ThreadPoolExecutor(2) as pool:
        started = [pool.submit(start) for _ in range(2)]
        assert [one.result(10) for one in started] == [2, 2]

    assert backups(path) == ["memory.db.before-schema-2"]
    with session_on(path.with_name("memory.db.before-schema-2")) as old:
        assert version(old) == 1
        assert old.value("SELECT count(*) FROM notes") == 2


def test_of_agents_whose_names_mean_the_same_now_the_oldest_in_use_keeps_its_name(
    session: Session, path: Path
) -> None:
    migrate(session, path, known_migrations()[:10])
    row = "INSERT INTO agents (id, name, created_at, deleted_at) VALUES (?, ?, '', ?)"
    for agent_id, name, deleted_at in (
        ("agent-000001", "default", None),
        ("agent-000002", "Stra\u00dfe", "2026-11-01T00:00:00.000Z"),
        ("agent-000003", "STRASSE", None),
        ("agent-000004", "\uff33trasse", None),
        ("agent-000005", "Zo\u00eb", None),
    ):
        session.run(row, (agent_id, name, deleted_at))

    migrate(session, path)

    assert [name for (name,) in session.all("SELECT name FROM agents ORDER BY seq")] == [
        "default",
        "Stra\u00dfe-000002",
        "STRASSE",
        "\uff33trasse-000004",
        "Zo\u00eb",
    ]
    with pytest.raises(sqlite_module().IntegrityError, match="name_key"):
        session.run("UPDATE agents SET name_key = 'strasse' WHERE name = 'Zo\u00eb'")
