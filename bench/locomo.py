"""LoCoMo (snap-research/locomo): conversations, and questions that name the turns answering them.

The data is not part of this project; the suites that use it are told where it lies.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

#: LoCoMo numbers its categories and leaves their names to its paper.
CATEGORIES = {
    1: "multi-hop",
    2: "temporal",
    3: "open-domain",
    4: "single-hop",
    5: "adversarial",
}
SESSION = re.compile(r"session_(\d+)")
#: Mostly "D1:3"; also "D8:6; D9:17" and "D:11:26".
TURN_ID = re.compile(r"D:?(\d+):(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    text: str
    #: Empty where LoCoMo has none: most adversarial questions cannot be answered.
    answer: str
    category: str
    #: External ids of the turns that answer it, those that exist.
    evidence: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One conversation of two people over many sessions."""

    name: str
    #: One object a turn, as `memory-mcp import jsonl` reads them.
    turns: list[dict[str, Any]]
    #: Those with evidence.
    questions: list[Question]


def load(path: Path) -> list[Sample]:
    return [_sample(raw) for raw in json.loads(path.read_text())]


def session_start(text: str) -> datetime:
    """When a session began, from "1:56 pm on 8 May, 2023"; taken as UTC."""
    return datetime.strptime(text, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)


def evidence_ids(sample: str, evidence: list[str]) -> Iterator[str]:
    """The external ids in LoCoMo's evidence strings, each of which may hold several."""
    for text in evidence:
        for session, turn in TURN_ID.findall(text):
            yield f"{sample}/D{session}:{turn}"


def _sample(raw: Mapping[str, Any]) -> Sample:
    name = raw["sample_id"]
    turns = list(_turns(name, raw["conversation"]))
    known = frozenset(turn["external_id"] for turn in turns)
    questions = [
        Question(
            text=each["question"],
            answer=str(each.get("answer", "")),
            category=CATEGORIES[each["category"]],
            evidence=known.intersection(evidence_ids(name, each.get("evidence", []))),
        )
        for each in raw["qa"]
    ]
    return Sample(name=name, turns=turns, questions=[each for each in questions if each.evidence])


def _turns(sample: str, conversation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The turns of every session, a minute apart from the session's date on."""
    for key, said in conversation.items():
        if not (session := SESSION.fullmatch(key)):
            continue
        start = session_start(conversation[f"{key}_date_time"])
        for place, turn in enumerate(said):
            yield {
                "role": "user",
                "content": _content(turn),
                "created_at": (start + timedelta(minutes=place)).isoformat(timespec="milliseconds"),
                "conversation": f"{sample}/{key}",
                "name": turn["speaker"],
                "external_id": f"{sample}/{turn['dia_id']}",
                "metadata": {"session": int(session[1])},
            }


def _content(turn: Mapping[str, Any]) -> str:
    caption = turn.get("blip_caption")
    return f"{turn['text']} [shares a photo: {caption}]" if caption else turn["text"]
