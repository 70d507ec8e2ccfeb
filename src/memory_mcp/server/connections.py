"""Connections: for whom a request speaks, and what its peer has seen of core memory.

The transport says which connection a message came on (a context variable, which the SDK carries
from the transport to the handler), so nothing here depends on how the protocol counts sessions:
the 2026 era has none.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from memory_mcp.domain.agents import Agent, AgentChoice
from memory_mcp.domain.blocks import Block
from memory_mcp.domain.differences import BlockChange
from memory_mcp.domain.ids import UNMADE, new_id
from memory_mcp.domain.solver import Step
from memory_mcp.domain.times import UTC_ZONE, Zone
from memory_mcp.domain.tool_rules import ToolRule

ANSWERED_MAX = 1_000


@dataclass(slots=True, eq=False)
class Connection:
    """One peer: which agent it speaks for, and what it has seen."""

    choice: AgentChoice
    session: str | None = None
    """What the peer is known by when it comes back after a break; `None` for one that cannot."""
    resumed: bool = False
    """Whether the peer comes back after a break: it is greeted anew, and doesn't see it."""
    held: bool = False
    """Whether the transport knows when the peer has left: until then it is there."""
    place: str | None = None
    """Where the peer is, as far as like peers are told apart by it; `None` where the transport
    never says that the connection has ended, so that no other can resume it."""
    alike: str | None = None
    """What like clients have in common where the protocol has no connections: they count as one."""
    owner: str = ""
    """Whose it is: of which token, if any is asked for. Nobody else may go on with it."""
    structured: bool = False
    """Whether its tool results say the same for scripts: a host may show a model that instead of
    the text, so only who asks gets it."""
    hooks: str | None = None
    """The host whose hooks tell it core memory; `None` where there are none."""
    hooks_are_trusted: bool = False
    """Whether that host is known to run them, where its user has to trust them first."""
    host_session: str | None = None
    """Its host's id of the session, where the host tells its servers."""
    zone: Zone = UTC_ZONE
    """Where the person is that the peer serves."""
    agent: Agent | None = None
    host: str | None = None
    """What the peer's program calls itself, once it has said so."""
    id: str = field(default_factory=lambda: new_id("session"))
    """What presence knows it by."""
    conversation: str = ""
    """The conversation that captured messages go to when none is named."""
    visitor: str = ""
    """What it has in common with like peers; known once it has called a tool."""
    resumes_visit: bool = False
    """Whether it has resumed where the last connection of a like peer ended."""
    news: list[str] = field(default_factory=list[str])
    """What happened to its server or its store meanwhile, for its next answer."""
    calls: int = 0
    """How many tools it has called without failing."""
    step: Step = field(default_factory=lambda: Step(scope="connection"))
    """What was called so far, as far as tool rules ask."""
    turn: anyio.Lock = field(default_factory=anyio.Lock)
    """Held for a whole call where there are tool rules: the next one hangs on what it did."""
    view: anyio.Lock = field(default_factory=anyio.Lock)
    """Held from an edit to its note here, and from reading blocks to telling what changed, so that
    calls under way at once on one connection don't take each other's edits for somebody else's."""
    _seen: dict[str, Block] | None = None
    _in_part: dict[str, Block] = field(default_factory=dict[str, Block])
    """Blocks whose last change was too long to be shown whole, as they were shown whole last."""
    _answered: OrderedDict[str, int] = field(default_factory=OrderedDict[str, int])

    def __post_init__(self) -> None:
        """A connection is a conversation of its own, until it resumes another's."""
        self.conversation = self.conversation or self.id

    def key_of(self, request: Any, tool: str, arguments: Mapping[str, Any]) -> str | None:
        """What a call is known by when it is asked again; `None` where that cannot happen.

        A peer that comes back after a break asks again, in the same words, what was not answered.
        """
        if self.session is None:
            return None
        call = json.dumps([self.session, request, tool, arguments], sort_keys=True)
        key = hashlib.blake2b(call.encode(), digest_size=16).hexdigest()
        times = self._answered.get(key, 0)
        return f"{key}-{times}" if times else key

    def answered(self, key: str | None) -> None:
        """That call was answered. A peer that gives its id away again means another one."""
        if key is None:
            return
        key, _, times = key.partition("-")
        self._answered[key] = int(times or 0) + 1
        self._answered.move_to_end(key)
        if len(self._answered) > ANSWERED_MAX:
            self._answered.popitem(last=False)

    def called(self, tool: str, output: str) -> None:
        """A tool was called and has answered this."""
        self.step = self.step.after(tool, output)
        self.calls += 1

    def memo(self) -> str:
        """What the session's next connection must know of this one."""
        seen = {block.id: block.version for block in (self._seen or {}).values()}
        if self.agent is None or not self.agent.tool_rules:
            return json.dumps({"conversation": self.conversation, "seen": seen})
        step = {
            "counts": dict(self.step.counts),
            "last_tool": self.step.last_tool,
            "last_output": self.step.last_output,
        }
        return json.dumps({"conversation": self.conversation, "seen": seen, "step": step})

    def heed(self, rules: Sequence[ToolRule]) -> None:
        """From the next call on these tool rules hold."""
        if self.agent is not None and tuple(rules) != self.agent.tool_rules:
            self.agent = replace(self.agent, tool_rules=tuple(rules))

    def has_seen(self, blocks: Sequence[Block]) -> None:
        """The peer was shown these values whole."""
        self._seen = {block.id: block for block in blocks}
        self._in_part.clear()

    @property
    def has_seen_any(self) -> bool:
        """Whether it was shown any block, or started from what there was."""
        return self._seen is not None

    @property
    def has_to_meet(self) -> bool:
        """Whether it was shown blocks of an agent that wasn't there yet."""
        return any(block_id.startswith(UNMADE) for block_id in self._seen or ())

    def meet(self, blocks: Sequence[Block]) -> None:
        """The agent is there now, with these: what was shown as theirs was seen of them."""
        ids = {block.label: block.id for block in blocks}
        self._seen = {
            now.id: now
            for block in (self._seen or {}).values()
            if (now := replace(block, id=ids.get(block.label, block.id)))
            and not now.id.startswith(UNMADE)
        }

    def has_seen_block(self, label: str, blocks: Sequence[Block]) -> None:
        """The peer was shown the value of this one."""
        shown = {block.id: block for block in blocks if block.label == label}
        self._seen = {**(self._seen or {}), **shown}
        for block_id in shown:
            self._in_part.pop(block_id, None)

    def seen_block(self, label: str) -> Block | None:
        """A block as the peer has seen it; `None` when it was shown none."""
        blocks = (self._seen or {}).values()
        found = next((block for block in blocks if block.label == label), None)
        return self._in_part.get(found.id, found) if found else None

    def saw_half(self, change: "BlockChange") -> None:
        """That difference was too long to be shown whole: a rewrite is not based on it."""
        for block in (self._seen or {}).values():
            if block.label == change.label:
                before = replace(block, value=change.seen, version=change.seen_version)
                self._in_part.setdefault(block.id, before)

    def unseen(self, blocks: Sequence[Block]) -> list[BlockChange]:
        """What changed since the peer last saw it; from now on it has seen it.

        A peer that was never shown anything starts from what there is: it asks for it by itself.
        """
        if self._seen is None:
            self.has_seen(blocks)
            return []
        changes: list[BlockChange] = []
        for block in blocks:  # one it has never seen was attached meanwhile
            known = self._seen.get(block.id)
            value, version = (known.value, known.version) if known else ("", 0)
            if value != block.value:
                changes.append(BlockChange(block.label, value, block.value, block.version, version))
        self._seen = {block.id: block for block in blocks}
        return changes

    def edited(self, before: Block, after: Block) -> None:
        """The peer itself made `after` of `before`; what others did to `before` stays unseen."""
        if self._seen is None:
            return
        seen = self._seen.get(before.id)
        if seen is None or seen.version == before.version:
            self._seen[before.id] = after


CURRENT: ContextVar[Connection] = ContextVar("memory_mcp_connection")
"""The connection the present request came on; set by the transport."""
