"""Drafts: what a run may put into one."""

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
