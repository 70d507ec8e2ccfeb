"""What a model thought aloud stays out of what it says, however its family marks it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.reasoning import without_reasoning

PAIRS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<analysis>", "</analysis>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<seed:think>", "</seed:think>"),
    ("<THINK>", "</THINK>"),
    ('<think budget="7">', "</think >"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>thought\n", "<channel|>"),
]
WORDS = st.text(st.characters(exclude_characters="<>[]◁▷|`~"), min_size=1, max_size=40)
IDS = [opening.strip() for opening, _ in PAIRS]


@pytest.mark.parametrize(("opens", "closes"), PAIRS, ids=IDS)
@pytest.mark.parametrize(
    "shape",
    [
        "{o}Hm.{c}Yes.",
        "{o}\nHm.\n{c}\n\nYes.\n",
        "Hm.\n{c}\n\nYes.",
        "{c}Yes.",
        "{o}{c}Yes.",
        "{o}Hm.{o}No.{c}Hm.{c}Yes.",
        "{o}It wants {o} from me.{c}Yes.",
        "{o}Hm.{c}{o}Hm.{c}Yes.",
        "Hm.{c}No.{c}Yes.",
        "Yes.{o}Hm.",
        "Yes.{o}Hm.{c}",
        "{o}Hm.\n```\ncode {c}\nYes.",
    ],
)
def test_a_thought_is_not_said(shape: str, opens: str, closes: str) -> None:
    assert without_reasoning(shape.format(o=opens, c=closes)) == "Yes."


@pytest.mark.parametrize(("opens", "closes"), PAIRS, ids=IDS)
def test_a_thought_that_never_ends_says_nothing(opens: str, closes: str) -> None:
    assert without_reasoning(f"{opens}Hm.") == ""
    assert without_reasoning(f"{opens}Hm.{closes}\n{opens}Hm again.") == ""


@pytest.mark.parametrize(
    "text",
    [
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
        "<|channel|>analysis<|message|>Hm.<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}"
        "<|call|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
        "<|start|>assistant<|channel|>final<|message|>Yes.<|end|>",
        "final<|message|>Yes.<|return|>",
        "analysisHm. No.assistantfinalYes.",
        "Here is my thought process:\nHm.\n\nHere is my response:\nYes.",
        "<think>Hm.</think>\n<answer>\nYes.\n</answer>",
        "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>",
    ],
)
def test_the_channels_and_frames_of_some_families_are_known(text: str) -> None:
    assert without_reasoning(text) == "Yes."


def test_a_channel_of_thought_alone_says_nothing() -> None:
    assert without_reasoning("<|channel|>analysis<|message|>Hm.") == ""


@pytest.mark.parametrize(
    "text",
    [
        "Ana's parser trips over `</think>`, and over `<think>` too.",
        'Ana asked what "<think>" means.',
        "Ana thinks; her reasoning: <b>tea</b> > coffee, [THINK] about </thing>.",
        "It reads:\n```\n<think>\nHm.\n</think>\n```\nSo she keeps it.",
        "  Yes.  \n",
        "<answer>Yes.</answer>",
        "She noted what her assistantfinally said.",
        "",
    ],
)
def test_words_about_such_marks_and_all_other_text_stay(text: str) -> None:
    if "[THINK]" in text:
        text = text.replace("[THINK]", "`[THINK]`")
    assert without_reasoning(text) == text


@given(WORDS)
def test_text_without_marks_is_not_touched(text: str) -> None:
    if not text.startswith("analysis"):
        assert without_reasoning(text) == text


@given(st.sampled_from(PAIRS), WORDS, WORDS)
def test_no_word_of_a_thought_is_left(pair: tuple[str, str], thought: str, said: str) -> None:
    told = f"{pair[0]} 1{thought}1 {pair[1]} 2{said}2"
    assert without_reasoning(told) == f"2{said}2"


def test_a_long_text_of_marks_takes_no_time() -> None:
    assert without_reasoning("<think>" * 50_000 + "</think>" * 50_000 + "Yes.") == "Yes."
    assert without_reasoning("<think " * 50_000) == "<think " * 50_000
    assert without_reasoning("\n" * 200_000 + "<|message|>Yes.") == "Yes."
