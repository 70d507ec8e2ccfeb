"""The agent loop: ReAct (Yao et al., 2023) under tool rules.

The model is shown what there is, calls tools, reads what they answered, and so on, until a rule or
a bound ends it. Everything that the loop knows is its `Thread`, which can be kept and gone on with
by another process.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol, cast

from memory_mcp.domain.chat import ChatMessage, ChatReply, ToolCall
from memory_mcp.domain.errors import MemoryMCPError, StoreError, ToolRuleViolation
from memory_mcp.domain.redact import in_short
from memory_mcp.domain.solver import Ends, Step, goes_on, solve
from memory_mcp.domain.texts import counted, whole
from memory_mcp.domain.tool_rules import ToolRule

MISHAPS_MAX = 3
"""How often in a row a model may answer with nothing that can be done."""
STEPS_MAX = 20
CALLS_A_TURN_MAX = 20
HEARTBEAT = "request_heartbeat"


class Tools(Protocol):
    """What the model may call."""

    @property
    def schemas(self) -> Sequence[Mapping[str, Any]]:
        """The tools as a chat request takes them."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in the same order."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """What the tool answers.

        Raises:
            MemoryMCPError: it did nothing; the text is for the model.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """How far a loop has come."""

    messages: tuple[ChatMessage, ...]
    step: Step = field(default_factory=Step)
    turns: int = 0
    mishaps: int = 0
    """Turns in a row in which the model called nothing that there is."""

    def told(self, *messages: ChatMessage) -> "Thread":
        """The thread with more messages."""
        return replace(self, messages=(*self.messages, *messages))

    def to_json(self) -> dict[str, Any]:
        """As a JSON value."""
        return {**asdict(self), "messages": [dict(message) for message in self.messages]}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Thread":
        """The thread that `to_json` told."""
        return cls(
            messages=tuple(told["messages"]),
            step=Step(**told["step"]),
            turns=told["turns"],
            mishaps=told["mishaps"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a loop ended."""

    thread: Thread
    reason: str
    """`terminal`, `no_heartbeat`, `max_steps`, `dead_end`, or `mishaps`."""
    because: str


Ask = Callable[[Sequence[ChatMessage], Sequence[Mapping[str, Any]]], Awaitable[ChatReply]]
"""Asks the model, within the caps."""
Save = Callable[[Thread], Awaitable[None]]
"""Keeps how far the loop has come."""


async def react(
    thread: Thread, tools: Tools, rules: Sequence[ToolRule], *, ask: Ask, save: Save, at_once: bool
) -> Ending:
    """Run the loop to its end.

    `at_once`: what tools do is done at once, so that calls are kept before they are made.

    Raises:
        Whatever `ask` and `save` raise: the thread they last saved can be gone on with.
    """
    while True:
        called = _pending(thread)
        if not called:
            reply = await ask(thread.messages, tools.schemas)
            called = reply.tool_calls
            thread = thread.told(_as_message(reply))
            if called and at_once:  # not to be asked for again if this worker dies over them
                await save(thread)
        thread, heartbeat = await _act(thread, called, tools, rules)
        thread = replace(thread, turns=thread.turns + 1)
        if thread.mishaps >= MISHAPS_MAX:
            because = f"{MISHAPS_MAX} answers in a row called no tool that there is"
            return Ending(thread=thread, reason="mishaps", because=because)
        decision = goes_on(
            rules,
            tools.names,
            thread.step,
            request_heartbeat=heartbeat,
            steps_left=STEPS_MAX - thread.turns,
        )
        if isinstance(decision, Ends) and (thread.mishaps == 0 or decision.reason == "max_steps"):
            return Ending(thread=thread, reason=decision.reason, because=decision.because)
        if not called:
            thread = thread.told({"role": "user", "content": _corrected(tools, decision.because)})
        await save(thread)


def _pending(thread: Thread) -> tuple[ToolCall, ...]:
    """Calls that were asked for and not made yet: a worker died over them."""
    calls = thread.messages[-1].get("tool_calls", ())
    return tuple(
        ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in calls
    )


def _as_message(reply: ChatReply) -> ChatMessage:
    message: dict[str, Any] = {"role": "assistant"}
    if reply.text or not reply.tool_calls:
        message["content"] = whole(reply.text) or "(nothing)"
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": whole(call.id),
                "type": "function",
                # A provider would refuse its own broken JSON when it is sent back.
                "function": {"name": whole(call.name), "arguments": _sendable(call.arguments)},
            }
            for call in reply.tool_calls[:CALLS_A_TURN_MAX]
        ]
    return message


def _sendable(arguments: str) -> str:
    try:
        json.loads(arguments)
    except ValueError:
        return json.dumps({"not_json": in_short(arguments, 500)})
    return whole(arguments)


def _corrected(tools: Tools, because: str) -> str:
    return (
        "That called no tool, and text alone does nothing here. "
        f"Answer with a tool call: {', '.join(tools.names)}. {because}"
    )


async def _act(
    thread: Thread, called: Sequence[ToolCall], tools: Tools, rules: Sequence[ToolRule]
) -> tuple[Thread, bool]:
    """Do what the model asked for, call by call; whether it asked for a heartbeat."""
    if not called:
        thread = replace(thread, step=thread.step.after_silence(), mishaps=thread.mishaps + 1)
        return thread, False
    heartbeat = understood = False
    step = thread.step
    answer = ""
    answers: list[ChatMessage] = []
    for call in called[:CALLS_A_TURN_MAX]:
        answer, step, known, wants = await _one(call, step, tools, rules)
        understood = understood or known
        heartbeat = heartbeat or wants
        answers.append({"role": "tool", "tool_call_id": whole(call.id), "content": whole(answer)})
    # Those past the bound are not sent back either: there may be a hundred thousand.
    if (more := len(called) - CALLS_A_TURN_MAX) > 0:
        told = f"{answer}\n{counted(more, 'more call')} of this turn: not made, as "
        told += f"{CALLS_A_TURN_MAX} is the most."
        answers[-1] = {**answers[-1], "content": whole(told)}
    thread = thread.told(*answers)
    mishaps = 0 if understood else thread.mishaps + 1
    return replace(thread, step=step, mishaps=mishaps), heartbeat


async def _one(
    call: ToolCall, step: Step, tools: Tools, rules: Sequence[ToolRule]
) -> tuple[str, Step, bool, bool]:
    """One call: its answer, the step after it, whether it was a call at all, and a heartbeat."""
    solution = solve(rules, tools.names, step)
    try:
        solution.require(call.name)
    except ToolRuleViolation as refusal:
        return str(refusal), step.after_refusal(), True, False
    except MemoryMCPError as error:
        return str(error), step.after(call.name, failed=True), False, False
    if call.name in solution.needs_approval:
        answer = (
            f"{call.name} was not called: it needs a person's approval, and nobody is here. "
            "It is noted for them. Go on without it."
        )
        return answer, step.after_refusal(), True, False
    try:
        read: Any = json.loads(call.arguments or "{}")
    except ValueError as error:
        answer = f"{call.name} was not called: its arguments are no JSON ({error}). Send it again."
        return answer, step.after(call.name, failed=True), False, False
    if not isinstance(read, dict):
        answer = f"{call.name} was not called: its arguments must be a JSON object. Send it again."
        return answer, step.after(call.name, failed=True), False, False
    arguments = {**cast("dict[str, Any]", read), **solution.arguments.get(call.name, {})}
    wants = arguments.pop(HEARTBEAT, False) is True
    try:
        answer = await tools.call(call.name, arguments)
    except StoreError:
        raise
    except MemoryMCPError as error:
        return str(error), step.after(call.name, failed=True), True, wants
    return answer, step.after(call.name, answer), True, wants
