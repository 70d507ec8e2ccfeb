"""Drafts: what a shadow run means to change, before any of it is done.

A run edits its draft, not the memory. At its end everything in it is done in one transaction, so
nobody ever sees half a run, and a killed one leaves nothing behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from memory_mcp.domain.blocks import Block, Edit
from memory_mcp.domain.errors import BlockNotFound, InvalidInput
from memory_mcp.domain.ids import BlockId, PassageId
from memory_mcp.domain.passages import NewPassage
from memory_mcp.domain.texts import clip
from memory_mcp.domain.times import from_iso, to_iso


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Changes that wait for the end of their run."""

    blocks: Mapping[str, Block] = field(default_factory=dict[str, Block])
    """The agent's blocks as the run has seen them, by label."""
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    """What some of them shall read."""
    passages: tuple[NewPassage, ...] = ()
    """To be filed; one that `supersedes` another takes its place."""
    forgotten: tuple[str, ...] = ()
    """Ids of passages and messages to be forgotten."""

    @classmethod
    def on(cls, blocks: Sequence[Block]) -> "Draft":
        """An empty draft on blocks as they are now."""
        return cls(blocks={block.label: block for block in blocks})

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change."""
        return not (self.edited_labels or self.passages or self.forgotten)

    @property
    def edited_labels(self) -> list[str]:
        """Labels of blocks that shall read otherwise."""
        return [label for label, value in self.values.items() if value != self.blocks[label].value]

    def block(self, label: str) -> Block:
        """A block as the draft has it.

        Raises:
            BlockNotFound: there is none; the text lists the labels.
        """
        if label not in self.blocks:
            labels = ", ".join(self.blocks)
            raise BlockNotFound(f"there is no block {clip(label, 60)!r}. The blocks are: {labels}.")
        block = self.blocks[label]
        return replace(block, value=self.values.get(label, block.value))

    def with_edit(self, label: str, edit: Edit) -> "Draft":
        """The draft after an edit of a block.

        Raises:
            BlockNotFound, and what the edit raises: the draft is as it was.
        """
        return replace(self, values={**self.values, label: edit(self.block(label)).value})

    def with_passage(self, passage: NewPassage) -> "Draft":
        """The draft with one more passage to file.

        Raises:
            InvalidInput: the passage it supersedes is gone or replaced by this draft already.
        """
        if passage.supersedes in self.gone:
            raise InvalidInput(f"{passage.supersedes} was superseded or forgotten a moment ago.")
        return replace(self, passages=(*self.passages, passage))

    def with_forgotten(self, ids: Sequence[str]) -> "Draft":
        """The draft with more to forget."""
        more = tuple(each for each in dict.fromkeys(ids) if each not in self.gone)
        return replace(self, forgotten=(*self.forgotten, *more))

    @property
    def gone(self) -> set[str]:
        """Ids that will be gone."""
        superseded = {passage.supersedes for passage in self.passages if passage.supersedes}
        return {*self.forgotten, *superseded}

    def rebased(self, moved: Sequence[Block], drop: bool) -> "Draft":
        """On blocks that have moved on; with `drop`, without the edits of them."""
        labels = {block.label for block in moved}
        values = {k: v for k, v in self.values.items() if not (drop and k in labels)}
        return replace(
            self, blocks={**self.blocks, **{block.label: block for block in moved}}, values=values
        )

    def to_json(self) -> dict[str, Any]:
        """As a JSON value."""
        return {
            "blocks": [
                {**asdict(block), "updated_at": to_iso(block.updated_at)}
                for block in self.blocks.values()
            ],
            "values": dict(self.values),
            "passages": [
                {
                    **asdict(passage),
                    "occurred_at": to_iso(passage.occurred_at) if passage.occurred_at else None,
                }
                for passage in self.passages
            ],
            "forgotten": list(self.forgotten),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Draft":
        """The draft that `to_json` told."""
        blocks = [_block(each) for each in told["blocks"]]
        passages = [_passage(each) for each in told["passages"]]
        return cls(
            blocks={block.label: block for block in blocks},
            values=told["values"],
            passages=tuple(passages),
            forgotten=tuple(told["forgotten"]),
        )


def _block(told: dict[str, Any]) -> Block:
    given = dict(told)
    block_id, updated_at = BlockId(given.pop("id")), from_iso(given.pop("updated_at"))
    return Block(id=block_id, updated_at=updated_at, **given)


def _passage(told: dict[str, Any]) -> NewPassage:
    given = dict(told)
    tags, occurred_at = tuple(given.pop("tags")), given.pop("occurred_at")
    supersedes = given.pop("supersedes")
    return NewPassage(
        tags=tags,
        occurred_at=from_iso(occurred_at) if occurred_at else None,
        supersedes=PassageId(supersedes) if supersedes else None,
        **given,
    )
