"""Drafts: what a run may put into one, and that none of it is lost with its worker."""

import json
from datetime import UTC, datetime

import pytest

from memory_mcp.domain.drafts import Draft
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.ids import PassageId
from memory_mcp.domain.passages import NewPassage

VIM = PassageId("passage-vim")


def test_a_passage_is_superseded_once() -> None:
    draft = Draft().with_passage(NewPassage(content="Ana uses Helix.", supersedes=VIM))

    with pytest.raises(InvalidInput, match="passage-vim was superseded or forgotten"):
        draft.with_passage(NewPassage(content="Ana uses Emacs.", supersedes=VIM))

    assert draft.with_passage(NewPassage(content="Ana drinks tea.")).gone == {VIM}


def test_a_passage_that_is_to_be_forgotten_is_not_superseded() -> None:
    draft = Draft().with_forgotten([VIM])

    with pytest.raises(InvalidInput, match="passage-vim"):
        draft.with_passage(NewPassage(content="Ana uses Helix.", supersedes=VIM))
    assert draft.with_forgotten([VIM, "passage-tea", "passage-tea"]).forgotten == (
        VIM,
        "passage-tea",
    )


def test_a_draft_is_the_same_after_it_was_kept() -> None:
    moved = NewPassage(
        content="Ana moved to Porto.",
        tags=("home", "2019"),
        occurred_at=datetime(2019, 4, 3, tzinfo=UTC),
        supersedes=VIM,
    )
    draft = Draft().with_passage(moved).with_passage(NewPassage(content="Ana drinks tea."))
    draft = draft.with_forgotten(["passage-old", "message-old"])

    assert Draft.from_json(json.loads(json.dumps(draft.to_json()))) == draft
