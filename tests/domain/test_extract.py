"""The extractive summary: within its budget, word for word, recursive, the same every time."""

import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.extract import Said, extract
from memory_mcp.domain.times import Zone

DAY_LINE = r"(?m)^\d{4}-\d\d-\d\d$"
START = datetime(2026, 11, 22, 9, tzinfo=UTC)


def words(text: str) -> int:
    return len(text.split())


def size(text: str) -> int:
    return len(text.encode("utf-8", "replace")) // 4


def said(*turns: str, first: int = 1, days_apart: int = 0) -> list[Said]:
    """Messages of "speaker: text", an hour or some days apart."""
    step = timedelta(days=days_apart) if days_apart else timedelta(hours=1)
    messages: list[Said] = []
    for seq, turn in enumerate(turns, first):
        speaker, _, text = turn.partition(": ")
        messages.append(Said(seq=seq, speaker=speaker, at=START + step * (seq - 1), text=text))
    return messages


def fragments(summary: str) -> Iterator[tuple[str, str, str]]:
    """Day, speaker and text of every fragment."""
    day = ""
    for line in summary.split("\n"):
        if re.fullmatch(DAY_LINE, line):
            day = line
        elif line:
            speaker, colon, text = line.partition(": ") if day else ("", "", line)
            for fragment in (text if colon else line).split("…"):
                yield day, speaker if colon else "", plain(fragment)


def plain(text: str) -> str:
    """A text with its white space evened out."""
    return " ".join(text.split())


WORK = said(
    "user: Hi! Can you look at why the tests fail on CI?",
    "assistant: Sure, I'd be happy to help! Let me have a look at it first.",
    "assistant: The root cause is that DATABASE_URL isn't set in `.github/workflows/ci.yml`.",
    "user: Right. We decided to move from Postgres 14 to 16 on 3 October. Great work, thanks!",
    "assistant: You're welcome! Let me know if there is anything else that I can do for you.",
    "user: Ask Priya Raman (priya@example.org), she owns the rounding rules of Acme.",
    "assistant: Fixed in commit 4f2a9bc: round_money() in src/billing/money.py takes 19.995 EUR.",
    "user: Perfect! The deadline for 2.8.0 is Friday. Talk to you soon!",
)

# Whatever may trip up a splitter of sentences or a reader of our own lines.
pieces = st.sampled_from(
    [
        "a", "I", "not ", "if ", "and she ", "but ", "Anna", " Rome. ", "3 May", "$1,200 ", "…",
        "2026-11-22", "\n2026-11-22\n", "user: ", "\n", "\r\n", "\u2028", "\t", " … ", '"Dune" ',
        "src/a.py ", "f() ", "?", "!", "。", "東京", "שלום ", "\u202e", "🎉", "e\u0301", "…\n",
        ", ", "yeah, ", "; ", " - ", "x" * 300,
    ]
) | st.text(max_size=5)  # fmt: skip
texts = st.lists(pieces, max_size=30).map("".join)
speakers = st.sampled_from(["user", "assistant", "Anna", "J: R", "2026-11-22", " a\nb ", ""])
messages = st.lists(
    st.builds(
        Said,
        seq=st.integers(1, 99),
        speaker=speakers,
        at=st.datetimes(timezones=st.just(UTC)),
        text=texts,
    ),
    max_size=6,
)
counters = st.sampled_from([words, size, len])


@given(st.none() | texts, messages, st.integers(0, 300), counters)
def test_a_summary_never_takes_more_than_its_budget(
    previous: str | None, leaving: list[Said], budget: int, count: Callable[[str], int]
) -> None:
    assert count(extract(previous, leaving, budget_tokens=budget, count=count)) <= budget


@given(messages, st.integers(20, 2_000))
def test_every_fragment_is_what_its_speaker_said_on_its_day(
    leaving: list[Said], budget: int
) -> None:
    heard: dict[tuple[str, str], str] = defaultdict(str)
    for each in leaving:
        speaker = plain(each.speaker).replace(": ", " ") or "unknown"
        heard[each.at.date().isoformat(), speaker] += f"{plain(each.text)}\0"

    summary = extract(None, leaving, budget_tokens=budget, count=len)

    for day, speaker, fragment in fragments(summary):
        assert fragment
        assert fragment in heard[day, speaker]


@given(texts, messages, st.integers(20, 2_000))
def test_a_summary_of_a_summary_only_repeats_it(
    previous: str, leaving: list[Said], budget: int
) -> None:
    once = extract(previous, leaving, budget_tokens=budget, count=len)

    twice = extract(once, [], budget_tokens=budget, count=len)

    assert re.findall(DAY_LINE, twice) == sorted({day for day, _, _ in fragments(twice) if day})
    for day, speaker, fragment in fragments(twice):
        assert any(
            (day, speaker) == (once_day, once_speaker) and fragment in whole
            for once_day, once_speaker, whole in fragments(once)
        )


def test_days_and_speakers_are_said_once_each() -> None:
    leaving = said(
        "Ana: I moved to Rome.", "Bob: I bought a boat.", "Ana: I sold my car.", days_apart=0
    ) + said("Ana: We went sailing in Ostia.", first=30)

    summary = extract(None, leaving, budget_tokens=100, count=words)

    assert summary == (
        "2026-11-22\n"
        "Ana: I moved to Rome … I sold my car\n"
        "Bob: I bought a boat\n"
        "2026-11-23\n"
        "Ana: We went sailing in Ostia"
    )


def test_names_numbers_dates_paths_and_decisions_are_kept_and_small_talk_is_not() -> None:
    summary = extract(None, WORK, budget_tokens=57, count=words)  # of 98

    for kept in (
        "DATABASE_URL", ".github/workflows/ci.yml", "We decided", "Postgres 14 to 16", "3 October",
        "Priya Raman", "priya@example.org", "Acme", "4f2a9bc", "round_money()",
        "src/billing/money.py", "19.995 EUR", "2.8.0", "Friday",
    ):  # fmt: skip
        assert kept in summary
    for lost in ("happy to help", "You're welcome", "Talk to you soon"):
        assert lost not in summary


def test_with_room_for_everything_nothing_that_says_something_is_left_out() -> None:
    summary = extract(None, said("user: I like tea. Thanks!"), budget_tokens=100, count=words)

    assert summary == "2026-11-22\nuser: I like tea. Thanks"


def test_what_the_last_summary_tells_stands_beside_what_leaves() -> None:
    summary = None
    for start in range(0, len(WORK), 2):
        summary = extract(summary, WORK[start : start + 2], budget_tokens=70, count=words)

    assert summary is not None
    assert summary.count("2026-11-22") == 1
    for kept in ("DATABASE_URL", "Postgres 14 to 16", "Priya Raman", "4f2a9bc", "2.8.0"):
        assert kept in summary


def test_a_summary_stays_as_it_is_when_nothing_leaves() -> None:
    summary = extract(None, WORK, budget_tokens=60, count=words)

    assert extract(summary, [], budget_tokens=60, count=words) == summary


def test_a_summary_that_a_model_wrote_is_carried_line_by_line_without_a_day() -> None:
    written = "## Goals\n- Ship billing 2.8.0 by 27 November\nNext step: ask Priya about money.py"

    summary = extract(written, WORK[5:6], budget_tokens=200, count=words)

    assert summary.startswith(f"{written}\n2026-11-22\nuser: Ask Priya Raman")


def test_a_fragment_that_looks_like_a_day_is_not_read_back_as_one() -> None:
    written = "The release:\n\n- 2026-11-20"  # of which the date alone may be shown
    clipped = extract("2026-11-20.", said("Ana: I moved to Rome."), budget_tokens=99, count=words)

    assert extract(written, [], budget_tokens=99, count=words).endswith("- 2026-11-20")
    assert clipped == "… 2026-11-20\n2026-11-22\nAna: I moved to Rome"
    assert extract(clipped, [], budget_tokens=99, count=words) == clipped


def test_a_question_is_shown_with_its_question_mark_or_not_at_all() -> None:
    leaving = said(
        "user: Did you hear that Bob moved to Rome last year, and that he bought a boat?"
    )

    assert extract(None, leaving, budget_tokens=30, count=words).endswith("bought a boat?")
    assert extract(None, leaving, budget_tokens=10, count=words) == ""


def test_one_long_listing_does_not_fill_the_summary() -> None:
    listing = "\n".join(f"-rw-r--r-- 1 root {n * 977} /srv/part_{n}.csv" for n in range(300))
    leaving = [*WORK, *said(f"tool: {listing}", first=9)]

    summary = extract(None, leaving, budget_tokens=100, count=words)

    assert summary.count("/srv/") <= 4
    assert "Priya Raman" in summary


def test_what_is_new_comes_before_what_is_said_again() -> None:
    leaving = said(
        "Ana: I moved to Rome in 2019.",
        "Bob: You moved to Rome in 2019.",
        "Ana: My cat Luna is from Ostia.",
    )

    summary = extract(None, leaving, budget_tokens=16, count=words)

    assert summary == "2026-11-22\nAna: I moved to Rome in 2019 … My cat Luna is from Ostia"


def test_the_same_input_gives_the_same_summary_in_every_process() -> None:
    program = (
        "from datetime import UTC, datetime\n"
        "from memory_mcp.domain.extract import Said, extract\n"
        "at = datetime(2026, 11, 22, tzinfo=UTC)\n"
        "texts = [f'Anna {n} met Bob in Rome, and she paid {n % 7} EUR' for n in range(200)]\n"
        "said = [Said(seq=n, speaker='user', at=at, text=text) for n, text in enumerate(texts)]\n"
        "print(extract(None, said, budget_tokens=300, count=len))"
    )
    summaries = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2", "3")
    }

    (summary,) = summaries
    assert b"Anna" in summary


@pytest.mark.parametrize(
    "leaving",
    [
        [],
        said("user: "),
        said("user:  \n\t … 🎉 ?!"),
        said("user: " + "x" * 500_000),
        said("user: " + "-" * 500_000),
    ],
    ids=["nothing", "empty", "signs only", "one giant word", "one giant rule"],
)
@pytest.mark.parametrize("previous", [None, "", "\n \n", "2026-11-22", "…"])
def test_nothing_said_gives_an_empty_summary(previous: str | None, leaving: list[Said]) -> None:
    assert extract(previous, leaving, budget_tokens=100, count=size) == ""


@pytest.mark.parametrize("budget", [-1, 0, 1])
def test_no_budget_gives_an_empty_summary(budget: int) -> None:
    assert extract(None, WORK, budget_tokens=budget, count=words) == ""


@pytest.mark.parametrize(
    "text",
    [
        "彼女は東京都に住んでいます",
        "שלום עולם, גרתי בתל אביב",
        "السلام عليكم يا صديقي",
        "Мы решили перейти на PostgreSQL 16",
        "family 👩\u200d👩\u200d👧 of three",
        "Cafe\u0301 in Orle\u0301ans",
        "half a character \ud83d here",
    ],
)
def test_every_script_is_shown_as_it_was_written(text: str) -> None:
    summary = extract(None, said(f"user: {text}"), budget_tokens=100, count=size)

    assert summary == f"2026-11-22\nuser: {text}"


def test_a_long_message_is_told_from_its_beginning_and_its_end_in_whole_sentences() -> None:
    filling = "We did not move to Rome and we did not sell the house in any way. "
    text = f"Anna lives in Oslo. {filling * 2_000}Bob lives in Lima."

    summary = extract(None, said(f"user: {text}"), budget_tokens=1_000, count=size)

    assert "Anna lives in Oslo" in summary
    assert "Bob lives in Lima" in summary
    assert {
        plain(fragment) for _, _, line in fragments(summary) for fragment in line.split(". ")
    } == {
        "Anna lives in Oslo",
        "We did not move to Rome and we did not sell the house in any way",
        "Bob lives in Lima",
    }


def test_a_speakers_name_cannot_pass_for_the_name_of_another() -> None:
    leaving = [Said(seq=1, speaker="Ana: Bob", at=START, text="I moved to Rome")]

    assert extract(None, leaving, budget_tokens=99, count=words) == (
        "2026-11-22\nAna Bob: I moved to Rome"
    )


def test_days_are_those_of_the_person() -> None:
    evening = datetime.fromisoformat("2026-11-22T18:00:00Z")
    leaving = [Said(seq=1, speaker="Ana", at=evening, text="I moved to Rome")]
    tokyo = Zone(ZoneInfo("Asia/Tokyo"), "Asia/Tokyo")

    assert extract(None, leaving, budget_tokens=99, count=words).startswith("2026-11-22\n")
    told = extract(None, leaving, budget_tokens=99, count=words, zone=tokyo)
    assert told.startswith("2026-11-23\n")


@pytest.mark.parametrize(
    "unit",
    [
        *"""not |a. |?) |1,|a/|_a|`a|"A |' A|--a|a@|東京。|yeah, |and I |a b\n|…""".split("|"),
        "a" + " " * 999,
        "\n" * 99 + "b",
    ],
)
def test_a_message_of_a_million_characters_takes_no_long_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    began = time.perf_counter()

    extract(None, said(f"user: {text}"), budget_tokens=1_000, count=size)

    assert time.perf_counter() - began < 2


def test_a_thousand_messages_take_no_long_time() -> None:
    turns = [
        f"user: Well, Anna and I paid {n} EUR for module_{n}.py last Friday, and she liked it. "
        f"It was so much fun that we decided to go to Town{n % 97} again, weren't we lucky?"
        for n in range(1_000)
    ]
    began = time.perf_counter()

    extract(None, said(*turns), budget_tokens=1_000, count=size)

    assert time.perf_counter() - began < 2
