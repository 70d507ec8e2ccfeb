"""What the indexes hold of a message: its date, its speaker, its neighbours."""

from datetime import UTC, datetime

import pytest

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.messages import (
    SHORT_TURN_CHARS,
    Turn,
    neighbours_of,
    require_roles,
    text_to_embed,
)

AT = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
RUN = [
    Turn(seq, speaker, AT, content)
    for seq, (speaker, content) in enumerate(
        [("Ada", "one"), ("user", "two"), ("Ada", "three"), ("user", "four"), ("Ada", "five")], 1
    )
]


@pytest.mark.parametrize(
    ("place", "neighbours"),
    [
        (0, "user: two"),
        (1, "Ada: one\nAda: three"),
        (2, "Ada: one\nuser: two\nuser: four"),
        (3, "user: two\nAda: three\nAda: five"),
        (4, "Ada: three\nuser: four"),
    ],
)
def test_the_neighbours_of_a_turn_are_two_before_it_and_one_after(
    place: int, neighbours: str
) -> None:
    assert neighbours_of(RUN, place) == neighbours


def test_a_turn_alone_has_no_neighbours() -> None:
    assert neighbours_of(RUN[:1], 0) == ""


def test_a_neighbour_is_known_by_its_head_only() -> None:
    long = Turn(1, "Ada", AT, "x" * 10_000)

    assert neighbours_of([long, RUN[1]], 1) == f"Ada: {'x' * 300}"


def test_a_turn_is_short_up_to_400_characters() -> None:
    assert Turn(1, "Ada", AT, "x" * SHORT_TURN_CHARS).is_short
    assert not Turn(1, "Ada", AT, "x" * (SHORT_TURN_CHARS + 1)).is_short


def test_a_message_is_embedded_with_its_date_in_words_and_its_speaker() -> None:
    assert text_to_embed("Caroline", AT, "Hi!") == "[8 May 2023] Caroline: Hi!"


def test_roles_are_told_once_and_a_wrong_one_is_refused_with_those_there_are() -> None:
    assert require_roles(None) == require_roles([]) == ()
    assert require_roles(["tool", "user", "tool"]) == ("tool", "user")
    with pytest.raises(InvalidInput, match="'human' is no role; the roles are user, assistant"):
        require_roles(["user", "human"])
