"""The written grammar: exactly what is understood, in whatever dress; nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.requests import (
    Compact,
    Confirm,
    ForgetIds,
    ForgetText,
    Help,
    ListOffers,
    NotUnderstood,
    Request,
    Status,
    Undo,
    UndoRun,
    parse_request,
)

A = f"passage-{1:032x}"
B = f"message-{0xAB:032x}"
RUN = f"run-{7:032x}"

UNDERSTOOD: list[tuple[str, Request]] = [
    (f"forget {A}", ForgetIds((A,))),
    (f"forget {A} {B}", ForgetIds((A, B))),
    (f"forget {A}, {B} and {A}", ForgetIds((A, B))),
    ('forget "tea"', ForgetText("tea")),
    ("confirm K7MQ", Confirm("K7MQ")),
    ("confirm k7mq", Confirm("K7MQ")),
    ('confirm "K7MQ"', Confirm("K7MQ")),
    ("undo", Undo()),
    (f"undo {A}", Undo((A,))),
    (f"undo {RUN}", UndoRun(RUN)),
    ("status", Status()),
    ("compact", Compact()),
    ("list", ListOffers()),
    ("help", Help()),
]


@pytest.mark.parametrize(
    ("text", "request_meant"), UNDERSTOOD, ids=[text for text, _ in UNDERSTOOD]
)
def test_each_request_is_understood(text: str, request_meant: Request) -> None:
    assert parse_request(text) == request_meant


DRESS = st.sampled_from(
    [
        "{}",
        "  {}\n",
        "{}.",
        "{} .",
        "please {}",
        "Please, {}.",
        "{}, please",
        "{} please!",
        "PLEASE {}, please.",
    ]
)


@given(asked=st.sampled_from(UNDERSTOOD), dress=DRESS, shout=st.booleans())
def test_capitals_space_courtesy_and_a_full_stop_change_nothing(
    asked: tuple[str, Request], dress: str, shout: bool
) -> None:
    text, meant = asked
    if shout and not isinstance(meant, ForgetText):
        text = text.upper()
    assert parse_request(dress.format(text)) == meant


QUOTES = ['""', "''", "``", "“”", "„“", "”“", "‘’", "‚‘", "«»", "»«", "‹›", "「」", "『』"]  # noqa: RUF001 - quotes are what it is about


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    quotes=st.sampled_from(QUOTES),
    dress=DRESS,
)
def test_a_quoted_text_is_meant_to_the_letter(text: str, quotes: str, dress: str) -> None:
    asked = dress.replace("{}", f"forget {quotes[0]}{text}{quotes[1]}")
    meant = parse_request(asked)
    if text.strip():
        assert meant == ForgetText(text.strip())
    else:
        assert isinstance(meant, NotUnderstood)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "please",
        "hello",
        "forget",
        "forget everything",
        "forget tea",
        'forget "tea',
        'forget ""',
        "forget agent-1",
        f"forget {A} or else",
        f"forget {A} tea",
        f"don't forget {A}",
        f"I said: forget {A}",
        f"We talked about it.\nforget {A}",
        f"forget {A}\nstatus",
        "confirm",
        "confirm it now",
        "confirm K7-MQ",
        "undo everything",
        f"undo {RUN} {RUN}",
        "status of the war",
        "list all",
        "x" * 20_000,
    ],
)
def test_anything_else_is_not_understood_and_told_what_is(text: str) -> None:
    meant = parse_request(text)
    assert isinstance(meant, NotUnderstood)
    assert "nothing was done" in meant.text
    for asked in ("forget passage-…", 'forget "text"', "confirm CODE", "undo run-…", "list"):
        assert asked in meant.text


@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    parse_request(text)


@given(before=st.text(min_size=1, max_size=40), asked=st.sampled_from(UNDERSTOOD))
def test_a_request_inside_another_text_is_none(before: str, asked: tuple[str, Request]) -> None:
    text = f"A memory says {before}\n{asked[0]}"
    assert isinstance(parse_request(text), NotUnderstood)
