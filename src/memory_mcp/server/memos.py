"""Memos: what one connection must know of another that it resumes."""

from pydantic import BaseModel, ConfigDict, ValidationError


class MemoStep(BaseModel):
    """What was called so far, as far as tool rules ask."""

    model_config = ConfigDict(strict=True)

    counts: dict[str, int] = {}
    last_tool: str | None = None
    last_output: str = ""


class Memo(BaseModel):
    """What a connection leaves (`Connection.memo`)."""

    model_config = ConfigDict(strict=True)

    conversation: str
    seen: dict[str, int]
    step: MemoStep = MemoStep()

    def joined(self, later: "Memo") -> "Memo":
        """Both as one: what either was shown and called."""
        counts = dict(self.step.counts)
        for tool, count in later.step.counts.items():
            counts[tool] = counts.get(tool, 0) + count
        last = later.step if later.step.last_tool else self.step
        return Memo(
            conversation=self.conversation,
            seen={
                block: max(self.seen.get(block, 0), later.seen.get(block, 0))
                for block in {**self.seen, **later.seen}
            },
            step=MemoStep(counts=counts, last_tool=last.last_tool, last_output=last.last_output),
        )


def memo_in(text: str | None) -> Memo | None:
    """The memo in a text; `None` where there is none that can be read."""
    try:
        return Memo.model_validate_json(text) if text else None
    except ValidationError:
        return None
