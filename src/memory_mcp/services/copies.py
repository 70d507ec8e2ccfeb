"""Copies: everything a store holds, out of it and in again."""

import json
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast, get_args

from memory_mcp.domain.agents import require_agent_name
from memory_mcp.domain.blocks import LIMIT_CHARS_DEFAULT, fitting_label
from memory_mcp.domain.copies import (
    AgentCopy,
    BlockCopy,
    BlockVersionCopy,
    Copy,
    MailCopy,
    ReceiptCopy,
    RunCallCopy,
    RunChangeCopy,
    RunCopy,
    SummaryCopy,
    SupersededCopy,
    kind_of,
)
from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.receipts import Asked, AskedBy
from memory_mcp.domain.redact import redact, redacted, redacted_json
from memory_mcp.domain.runs import RunKind, RunState
from memory_mcp.domain.texts import PASSAGE_CHARS_MAX, check_text, require_name, require_text
from memory_mcp.domain.tool_rules import rules_from_json
from memory_mcp.ports import CopyKind, CopyReader, CopyStore, Put

PAGE_ROWS = 500
BLOCK_LIMIT_MOST = 10_000_000


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken out of a store."""

    kinds: Counter[str] = field(default_factory=Counter[str])
    """How many copies of each kind."""
    left_behind: Counter[str] = field(default_factory=Counter[str])
    """What stays on purpose, in words, and how much of it there is."""


class Copies:
    """Copies in the order in which another store can take them in."""

    def __init__(self, store: CopyStore) -> None:
        self._store = store

    async def heads(self, agents: Sequence[str] | None = None) -> list[Copy]:
        """The agents in use of these names, all by default, and their blocks.

        Raises:
            AgentNotFound: there is none of that name; the text lists the agents there are.
        """
        return await self._store.heads(agents)

    async def rows(
        self, kind: CopyKind, agents: Sequence[str] | None = None
    ) -> AsyncGenerator[Copy]:
        """All of one kind, read page by page: what is written meanwhile may be among them."""
        async for copy in _rows(self._store, kind, agents):
            yield copy

    async def all(
        self, agents: Sequence[str] | None = None, taken: Taken | None = None
    ) -> AsyncGenerator[Copy]:
        """Everything, as it is at one moment; of the whole store by default.

        `taken` counts what has come, and at the end what stays.

        Raises:
            AgentNotFound: there is none of that name; the text lists the agents there are.
        """
        async with self._store.snapshot() as store:
            for kind in get_args(CopyKind):
                async for copy in _rows(store, kind, agents):
                    if taken is not None:
                        taken.kinds[kind_of(copy)] += 1
                    yield copy
            if taken is not None:
                taken.left_behind.update(await store.left_behind(agents))

    async def put(self, copies: Sequence[Copy]) -> list[Put]:
        """Store copies that `checked_copy` made; messages and passages have services of their own.

        What cannot be stored is told of and passed over.
        """
        return await self._store.put(copies)


async def _rows(
    store: CopyReader, kind: CopyKind, agents: Sequence[str] | None
) -> AsyncGenerator[Copy]:
    after = ()
    while page := await store.page(kind, agents, after, PAGE_ROWS):
        for _, copy in page:
            yield copy
        after = page[-1][0]


def checked_copy(copy: Copy) -> Copy:
    """The copy as it may be stored: redacted.

    Raises:
        InvalidInput: it may not; the text says why.
    """
    match copy:
        case AgentCopy():
            require_agent_name(copy.name)
            check_text(copy.description, "description", LIMIT_CHARS_DEFAULT * 100)
            check_text(copy.system_prompt, "system_prompt", LIMIT_CHARS_DEFAULT * 1_000)
            rules_from_json(copy.tool_rules)
        case BlockCopy():
            require_name(copy.label, "label")
            check_text(copy.value, "value", BLOCK_LIMIT_MOST)
            check_text(copy.description, "description", LIMIT_CHARS_DEFAULT * 100)
            if copy.on_overflow not in ("evict", "error"):
                raise InvalidInput("on_overflow is evict or error.")
            if not 1 <= copy.limit <= BLOCK_LIMIT_MOST:
                raise InvalidInput(f"limit is {copy.limit:,}; it goes from 1 to 10,000,000.")
            places = [replace(each, label=fitting_label(each.label)) for each in copy.agents]
            copy = replace(copy, label=fitting_label(copy.label), agents=places)
        case SupersededCopy():
            require_text(copy.passage.content, "content", PASSAGE_CHARS_MAX)
        case MailCopy():
            if copy.state not in ("queued", "delivered", "answered", "expired"):
                raise InvalidInput("state is queued, delivered, answered or expired.")
        case RunCopy():
            if copy.run_kind not in get_args(RunKind) or copy.state not in get_args(RunState):
                raise InvalidInput("a run of a kind or in a state that is unknown here.")
            _check_json(copy.progress, "progress")
        case RunCallCopy():
            _check_json(copy.request, "request")
            _check_json(copy.response, "response")
            cost = None if copy.cost_usd is None else float(copy.cost_usd)
            copy = replace(copy, cost_usd=cost)
        case ReceiptCopy():
            if copy.asked not in get_args(Asked) or copy.asked_by not in get_args(AskedBy):
                raise InvalidInput("a receipt of a kind that is unknown here.")
            for line in copy.lines:
                if not _is_line(line):
                    raise InvalidInput("a line of a receipt has noun, place, number and ids.")
        case RunChangeCopy():
            _check_json(copy.before, "before")
            _check_json(copy.after, "after")
        case _:
            pass
    return _redacted(copy)


def _redacted(copy: Copy) -> Copy:
    """The same copy, if nothing of it is secret."""
    told: dict[str, Any]
    match copy:
        case AgentCopy():
            told = {
                "description": redact(copy.description),
                "tags": redacted(copy.tags),
                "system_prompt": redact(copy.system_prompt),
            }
        case BlockCopy():
            told = {
                "value": redact(copy.value),
                "description": redact(copy.description),
                "metadata": redacted(copy.metadata),
            }
        case BlockVersionCopy():
            told = {"value": redact(copy.value)}
        case SupersededCopy():
            passage = copy.passage
            plain = replace(
                passage,
                content=redact(passage.content),
                tags=redacted(passage.tags),
                source=redact(passage.source) if passage.source else passage.source,
                metadata=redacted(passage.metadata),
            )
            told = {"passage": plain}
        case SummaryCopy() | MailCopy():
            told = {"text": redact(copy.text)}
        case RunCopy():
            told = {"outcome": redact(copy.outcome), "progress": redacted_json(copy.progress)}
        case RunCallCopy():
            told = {
                "request": redacted_json(copy.request),
                "response": redacted_json(copy.response),
                "error": redact(copy.error) if copy.error else copy.error,
            }
        case RunChangeCopy():
            told = {"before": redacted_json(copy.before), "after": redacted_json(copy.after)}
        case _:
            return copy
    return (
        copy
        if all(getattr(copy, name) == now for name, now in told.items())
        else replace(copy, **told)
    )


def _is_line(line: dict[str, Any]) -> bool:
    texts, number, ids = [line.get("noun"), line.get("place")], line.get("number"), line.get("ids")
    told = isinstance(number, int) and isinstance(ids, list)
    return told and all(isinstance(each, str) for each in [*texts, *cast("list[Any]", ids)])


def _check_json(text: str | None, field: str) -> None:
    try:
        json.loads(text or "null")
    except (ValueError, RecursionError):
        raise InvalidInput(f"{field} is no JSON.") from None
