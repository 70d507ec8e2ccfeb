"""What a run is shown: blocks, messages, near-duplicates, each within its room."""

import json
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace

from memory_mcp.domain.blocks import Block
from memory_mcp.domain.compile import message_line
from memory_mcp.domain.messages import Message
from memory_mcp.domain.quoting import indented, one_line, tag_names, within_tags
from memory_mcp.domain.texts import counted
from memory_mcp.domain.times import Zone

MESSAGE_CHARS = 2_000
"""How much of one message is shown: its beginning and its end."""
TAIL_SHARE = 4

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that a run reads, as they are shown."""

    messages: Sequence[Message]
    text: str


def numbered_blocks(blocks: Sequence[Block]) -> str:
    """The blocks with line numbers, which are for display only."""
    tags = tag_names(block.label for block in blocks)
    return "\n\n".join(_block(block, tags) for block in blocks)


def _block(block: Block, tags: Set[str]) -> str:
    percent = len(block.value) * 100 // max(1, block.limit_chars)
    lines = block.value.split("\n") if block.value else []
    shown = (indented(within_tags(line, tags)) for line in lines)
    numbered = "\n".join(f"{number}→ {line}" for number, line in enumerate(shown, 1))
    label = json.dumps(one_line(block.label), ensure_ascii=False)
    description = indented(within_tags(block.description, tags))
    locked = " read_only" if block.read_only else ""
    return (
        f'<block label={label} chars="{len(block.value)}" limit="{block.limit_chars}" '
        f'full="{percent}%"{locked}>\n<description>{description}</description>\n'
        f"{numbered or '(empty)'}\n</block>"
    )


def batch_of(messages: Sequence[Message], tokens_max: int, count: Count, zone: Zone) -> Batch:
    """As many of the messages, from the first on, as there is room for; one at least."""
    lines: list[str] = []
    room = tokens_max
    for message in messages:
        line = message_line(replace(message, content=clamped(message.content)), zone)
        room -= count(line) + 1
        if lines and room < 0:
            break
        lines.append(line)
    text = "\n".join(lines)
    return Batch(messages[: len(lines)], f"<new_messages>\n{text}\n</new_messages>")


def clamped(text: str, chars: int = MESSAGE_CHARS) -> str:
    """A long text's beginning and end, with a word on how much is left out."""
    if len(text) <= chars:
        return text
    tail = chars // TAIL_SHARE
    head = chars - tail
    left_out = counted(len(text) - chars, "character")
    return f"{text[:head]}\n[… {left_out} left out …]\n{text[len(text) - tail :]}"
