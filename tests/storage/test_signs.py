"""The coarse stage of search by meaning: which rows have the signs nearest to a question's."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.vectors import hamming
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.storage.sqlite.session import Session
from memory_mcp.storage.sqlite.signs import Signs

OURS, THEIRS = 1, 2


@pytest.fixture(scope="module")
def connected() -> Iterator[Session]:
    connection = sqlite_module().connect(":memory:", isolation_level=None)
    yield Session(connection)
    connection.close()


@pytest.fixture
def session(connected: Session) -> Session:
    """A session on an empty table of signs, like the store's."""
    return emptied(connected)


def emptied(session: Session) -> Session:
    session.run("DROP TABLE IF EXISTS signs")
    session.run(
        "CREATE TABLE signs (stamp INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, "
        "agent_seq INTEGER NOT NULL, signs BLOB NOT NULL)"
    )
    return session


def put(session: Session, rows: Sequence[tuple[int, bytes]], agent: int = OURS) -> None:
    session.run_many(
        "INSERT INTO signs (seq, agent_seq, signs) VALUES (?, ?, ?)",
        [(seq, agent, signs) for seq, signs in rows],
    )


signs = st.sampled_from([b"\x00\x00", b"\x00\x0f", b"\xf0\x0f", b"\xff\xff"])


@given(
    batches=st.lists(st.lists(signs, max_size=8), max_size=4),
    asked=signs,
    count=st.integers(1, 10),
    among=st.none() | st.sets(st.integers(0, 30)),
)
def test_no_row_that_is_left_out_is_nearer_than_one_that_is_told(
    connected: Session,
    batches: list[list[bytes]],
    asked: bytes,
    count: int,
    among: set[int] | None,
) -> None:
    session, found, stored = emptied(connected), Signs("signs"), dict[int, bytes]()
    nearest: list[int] = []
    for batch in batches:
        new = dict(enumerate(batch, len(stored)))
        put(session, list(new.items()))
        stored |= new
        nearest = found.nearest(session, OURS, asked, count, among)

    distances = {
        seq: hamming(asked, told) for seq, told in stored.items() if among is None or seq in among
    }
    assert len(nearest) == len(set(nearest)) >= min(count, len(distances))
    furthest = max((distances[seq] for seq in nearest), default=0)
    assert all(seq in nearest for seq, distance in distances.items() if distance < furthest)


def test_many_rows_that_are_equally_far_do_not_keep_a_nearer_one_out(session: Session) -> None:
    put(session, [(seq, b"\xff\x00") for seq in range(100)])
    put(session, [(100, b"\x00\x00")])

    assert 100 in Signs("signs").nearest(session, OURS, b"\x00\x01", 10)


def test_rows_of_another_agent_are_not_told(session: Session) -> None:
    put(session, [(1, b"\x01")], THEIRS)
    put(session, [(2, b"\xff")])

    assert Signs("signs").nearest(session, OURS, b"\x01", 10) == [2]
    assert Signs("signs").nearest(session, 3, b"\x01", 10) == []


def test_signs_that_were_made_anew_replace_those_known_before(session: Session) -> None:
    put(session, [(seq, b"\x00") for seq in range(5)] + [(seq, b"\xff") for seq in range(5, 10)])
    known = Signs("signs")
    assert known.nearest(session, OURS, b"\x00", 5) == [0, 1, 2, 3, 4]

    session.run("DELETE FROM signs")
    put(session, [(seq, b"\xff") for seq in range(5)] + [(seq, b"\x00") for seq in range(5, 10)])

    assert known.nearest(session, OURS, b"\x00", 5) == [5, 6, 7, 8, 9]


def test_no_signs_are_near_once_all_are_gone(session: Session) -> None:
    put(session, [(1, b"\x01")])
    known = Signs("signs")
    assert known.nearest(session, OURS, b"\x01", 5) == [1]

    session.run("DELETE FROM signs")

    assert known.nearest(session, OURS, b"\x01", 5) == []


def test_signs_of_a_row_that_were_replaced_are_not_told_any_more(session: Session) -> None:
    put(session, [(1, b"\x00"), (2, b"\x00"), (3, b"\x0f")])
    known = Signs("signs")
    assert known.nearest(session, OURS, b"\x00", 2) == [1, 2]

    session.run("DELETE FROM signs WHERE seq = 2")
    put(session, [(2, b"\xff")])

    assert known.nearest(session, OURS, b"\x00", 2) == [1, 3]
    assert known.nearest(session, OURS, b"\x00", 3) == [1, 2, 3]
