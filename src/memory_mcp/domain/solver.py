"""The solver: which tools the rules allow now, and whether the loop goes on after a call.

It serves two places. In the loop a step is what an agent does on one occasion; at the MCP surface
the life of a connection takes the step's place. Two things differ from Letta. A failed call did
nothing, so no rule counts it: a first search that failed has not been made, and after a failed
child the same child is still due. And a parent rule asks that the parent was called at some time
before, not that it was the last call.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, assert_never

from memory_mcp.domain.errors import InvalidInput, ToolRuleViolation
from memory_mcp.domain.texts import clip, counted, each, either
from memory_mcp.domain.tool_rules import (
    OUTPUT_CHARS_MAX,
    ChildRule,
    ConditionalRule,
    ContinueRule,
    InitRule,
    MaxCountPerStepRule,
    ParentRule,
    RequiredBeforeExitRule,
    RequiresApprovalRule,
    Scope,
    TerminalRule,
    ToolRule,
    rule_text,
)

RULES_MAX = 100
_REASONS_MAX = 5
_STEPS_TRIED_MAX = 500
_OTHER_OUTPUT = "x" * (OUTPUT_CHARS_MAX + 1)  # longer than any case of a conditional rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What was called so far: only what rules ask about, so it stays small however long it runs."""

    scope: Scope = "step"
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """How often each tool was called without failing."""
    last_tool: str | None = None
    """The tool called last without failing."""
    last_output: str = ""
    """What it answered, as far as a conditional rule can tell outputs apart."""
    outcome: Literal["done", "failed", "refused"] | None = None
    """What came of the very last call; `None` when the last turn made none."""

    def after(self, tool: str, output: str = "", failed: bool = False) -> "Step":
        """The step once `tool` was called and answered `output`."""
        if failed:
            return replace(self, outcome="failed")
        return replace(
            self,
            counts={**self.counts, tool: self.counts.get(tool, 0) + 1},
            last_tool=tool,
            # One character more than any case has, so that cutting makes no two outputs equal.
            last_output=output.strip()[: OUTPUT_CHARS_MAX + 1],
            outcome="done",
        )

    def after_refusal(self) -> "Step":
        """The step once a rule has refused a call."""
        return replace(self, outcome="refused")

    def after_silence(self) -> "Step":
        """The step once a turn has passed without a call."""
        return replace(self, outcome=None)


# --- What may be called now ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A tool that may not be called now, a rule that refuses it, and why, in a sentence."""

    tool: str
    rule: ToolRule
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Which tools are allowed now. Every tool there is stands in `allowed` or in `refusals`."""

    scope: Scope
    allowed: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    needs_approval: tuple[str, ...]
    """Those of the allowed tools that a person must approve first."""
    arguments: Mapping[str, dict[str, Any]]
    """The arguments that a call of an allowed tool must be made with, where a rule fixes them."""

    @property
    def dead_end(self) -> str | None:
        """Why no tool at all may be called, for the model to read; `None` when one may."""
        if self.allowed:
            return None
        if not self.refusals:
            return "No tool may be called: there are none."
        reasons = list(dict.fromkeys(refusal.because for refusal in self.refusals))
        more = len(reasons) - _REASONS_MAX
        told = reasons[:_REASONS_MAX] + ([f"(And {more} more.)"] if more > 0 else [])
        return (
            f"No tool may be called any more in this {self.scope}, as its tool rules leave none: "
            f"{' '.join(told)} Tell the user, who can change the rules."
        )

    def require(self, tool: str) -> None:
        """Let a call of `tool` pass.

        Raises:
            ToolRuleViolation: a rule refuses it; the text says which, and which tools are valid.
            InvalidInput: there is no such tool.
        """
        if tool in self.allowed:
            return
        because = next((told.because for told in self.refusals if told.tool == tool), None)
        valid = f"Valid now: {', '.join(self.allowed)}."
        if because is None:
            raise InvalidInput(f"there is no tool {clip(tool, 40)!r}. {self.dead_end or valid}")
        raise ToolRuleViolation(f"{tool} was not called. {self.dead_end or f'{because} {valid}'}")


def solve(rules: Sequence[ToolRule], tools: Sequence[str], step: Step) -> Solution:
    """Which of `tools` may be called now, and which rule refuses each of the others.

    Before the first call an init rule settles it alone, whatever else is said of its tool; from
    then on a tool is allowed when no rule refuses it.
    """
    first = [] if step.counts else [rule for rule in rules if isinstance(rule, InitRule)]
    refusals = {
        tool: refusal
        for tool in tools
        if (refusal := _not_first(first, tool, step) if first else _refused(rules, tool, step))
    }
    allowed = tuple(tool for tool in dict.fromkeys(tools) if tool not in refusals)
    approved = {rule.tool for rule in rules if isinstance(rule, RequiresApprovalRule)}
    return Solution(
        scope=step.scope,
        allowed=allowed,
        refusals=tuple(refusals.values()),
        needs_approval=tuple(tool for tool in allowed if tool in approved),
        arguments={
            rule.tool: rule.arguments
            for rule in first
            if rule.tool in allowed and rule.arguments is not None
        },
    )


def _not_first(first: Sequence[InitRule], tool: str, step: Step) -> Refusal | None:
    names = dict.fromkeys(rule.tool for rule in first)
    if tool in names:
        return None
    objection = f"{either(names)} must be called first in this {step.scope}, and was not yet"
    return _refusal(tool, first[0], objection)


def _refused(rules: Sequence[ToolRule], tool: str, step: Step) -> Refusal | None:
    for rule in rules:
        if objection := _objection(rule, tool, step):
            return _refusal(tool, rule, objection)
    return None


def _refusal(tool: str, rule: ToolRule, objection: str) -> Refusal:
    return Refusal(
        tool=tool, rule=rule, because=f"{objection} (rule {clip(rule_text(rule), 200)})."
    )


def _objection(rule: ToolRule, tool: str, step: Step) -> str | None:
    """What `rule` has against calling `tool` now; `None` when nothing."""
    match rule:
        case ChildRule():
            if step.last_tool == rule.tool and tool not in rule.children:
                return f"Right after {rule.tool} only {either(rule.children)} may be called"
        case ParentRule():
            if tool in rule.children and not step.counts.get(rule.tool):
                return (
                    f"{tool} may only be called once {rule.tool} was, and in this {step.scope} "
                    "it was not yet"
                )
        case ConditionalRule():
            told = _told_next(rule, step)
            if told not in (None, tool):
                output = clip(step.last_output, 60)
                return f"After {rule.tool} answered {output!r} only {told} may be called"
        case MaxCountPerStepRule():
            if tool == rule.tool and step.counts.get(tool, 0) >= rule.max_count:
                return (
                    f"{tool} may be called {counted(rule.max_count, 'time')} in this {step.scope}, "
                    f"and was called {counted(step.counts[tool], 'time')}"
                )
        case (
            InitRule()
            | ContinueRule()
            | TerminalRule()
            | RequiredBeforeExitRule()
            | RequiresApprovalRule()
        ):
            pass
        case _:
            assert_never(rule)
    return None


def _told_next(rule: ConditionalRule, step: Step) -> str | None:
    return rule.next_after(step.last_output) if step.last_tool == rule.tool else None


# --- Whether the loop goes on ---


@dataclass(frozen=True, slots=True, kw_only=True)
class GoesOn:
    """The loop goes on."""

    because: str
    """What the model is told with its next turn."""
    missing: tuple[str, ...] = ()
    """Tools that must be called before the step may end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The loop ends here."""

    reason: Literal["no_heartbeat", "terminal", "max_steps", "dead_end"]
    because: str
    missing: tuple[str, ...] = ()
    """Tools that should have been called, where the end could not wait for them."""


def goes_on(
    rules: Sequence[ToolRule],
    tools: Sequence[str],
    step: Step,
    *,
    request_heartbeat: bool,
    steps_left: int,
) -> GoesOn | Ends:
    """Whether the loop goes on after the last turn of `step`.

    `steps_left` is how many turns of whatever kind the loop may still take; with none left it ends,
    whatever the rules say. A required tool that is not among `tools` is not waited for.
    """
    missing = tuple(
        dict.fromkeys(
            rule.tool
            for rule in rules
            if isinstance(rule, RequiredBeforeExitRule)
            and rule.tool in tools
            and not step.counts.get(rule.tool)
        )
    )
    if steps_left <= 0:
        because = "The loop has taken as many steps as it may."
        return Ends(reason="max_steps", because=because, missing=missing)
    decision = _by_last_call(rules, step, request_heartbeat)
    if isinstance(decision, Ends):
        if not missing:
            return decision
        decision = GoesOn(because=f"Before you may end, call {each(missing)}.")
    if dead_end := solve(rules, tools, step).dead_end:
        return Ends(reason="dead_end", because=dead_end, missing=missing)
    return replace(decision, missing=missing)


def _by_last_call(rules: Sequence[ToolRule], step: Step, request_heartbeat: bool) -> GoesOn | Ends:
    if step.outcome == "refused":
        return GoesOn(because="A rule refused the last call: make one that is valid.")
    if step.outcome == "failed":
        return GoesOn(because="The last call failed: mend it, or go another way.")
    tool = step.last_tool
    own = [rule for rule in rules if rule.tool == tool] if step.outcome == "done" else []
    if any(isinstance(rule, TerminalRule) for rule in own):
        return Ends(reason="terminal", because=f"{tool} ends the step.")
    for rule in own:
        if isinstance(rule, ChildRule):
            return GoesOn(because=f"Right after {tool}, call {either(rule.children)}.")
        if isinstance(rule, ConditionalRule) and (told := _told_next(rule, step)):
            return GoesOn(because=f"After what {tool} answered, call {told}.")
        if isinstance(rule, ContinueRule):
            return GoesOn(because=f"After {tool}, go on with another call.")
    if request_heartbeat:
        return GoesOn(because="You asked for a heartbeat.")
    return Ends(reason="no_heartbeat", because="No heartbeat was asked for.")


# --- Whether rules can be kept at all ---


def check_rules(rules: Sequence[ToolRule], tools: Collection[str]) -> None:
    """Refuse rules that cannot be kept where these are the tools.

    Orders of calls are tried, up to a bound; what only counts lead to is left to `solve`, which
    says so when it comes to it.

    Raises:
        InvalidInput: a tool that is not there, rules that exclude one another, a tool that no order
            of calls leads to, or calls after which nothing could be called.
    """
    if len(rules) > RULES_MAX:
        raise InvalidInput(f"{len(rules)} tool rules are too many; the limit is {RULES_MAX}.")
    problems = (
        list(_unknown_tools(rules, tools))
        or list(_contradictions(rules))
        or list(_found_by_trying(rules, tools))
    )
    if problems:
        raise InvalidInput(
            f"These tool rules cannot be kept: {'; '.join(problems[:_REASONS_MAX])}. "
            f"The tools are {', '.join(sorted(tools))}."
        )


def _unknown_tools(rules: Sequence[ToolRule], tools: Collection[str]) -> Iterator[str]:
    for rule in rules:
        if unknown := [tool for tool in dict.fromkeys(rule.named) if tool not in tools]:
            yield f"{_texts([rule])} names {each(unknown)}, which is not there"


def _contradictions(rules: Sequence[ToolRule]) -> Iterator[str]:
    for tool in dict.fromkeys(rule.tool for rule in rules):
        own = [rule for rule in rules if rule.tool == tool]
        for kind in (InitRule, ConditionalRule):
            alike = [rule for rule in own if isinstance(rule, kind)]
            if any(rule != alike[0] for rule in alike):
                yield f"{tool} can have only one of {_texts(alike)}"
        ending = [rule for rule in own if isinstance(rule, TerminalRule)]
        going_on = [
            rule for rule in own if isinstance(rule, ChildRule | ConditionalRule | ContinueRule)
        ]
        if ending and going_on:
            yield f"{tool} cannot both end the step and go on: {_texts(ending + going_on)}"


def _found_by_trying(rules: Sequence[ToolRule], tools: Collection[str]) -> Iterator[str]:
    solutions, complete = _tried(rules, tools)
    reached = {tool for _, solution in solutions for tool in solution.allowed}
    yield from dict.fromkeys(
        _blocked(step, solution)
        for step, solution in solutions
        if solution.refusals and not solution.allowed
    )
    for tool in dict.fromkeys(name for rule in rules for name in rule.named):
        if complete and tool not in reached:
            naming = [rule for rule in rules if tool in rule.named]
            yield f"no order of calls leads to {tool}: {_texts(naming)}"


def _tried(
    rules: Sequence[ToolRule], tools: Collection[str]
) -> tuple[list[tuple[Step, Solution]], bool]:
    """What is allowed in each step that calls can lead to, and whether these are all the steps.

    Steps in which the rules, but for those on counts, say the same are one.
    """
    names = sorted(tools)
    rules = [rule for rule in rules if not isinstance(rule, MaxCountPerStepRule)]
    parents = {rule.tool for rule in rules if isinstance(rule, ParentRule)}
    deciding = {rule.tool for rule in rules if isinstance(rule, ChildRule | ConditionalRule)}
    outputs = {
        rule.tool: [*(output for output, _ in rule.cases), _OTHER_OUTPUT]
        for rule in rules
        if isinstance(rule, ConditionalRule)
    }
    found: list[tuple[Step, Solution]] = []
    seen: set[object] = set()
    waiting = [Step()]
    while waiting and len(found) < _STEPS_TRIED_MAX:
        step = waiting.pop()
        last = step.last_tool if step.last_tool in deciding else None
        says = bool(step.counts), frozenset(parents.intersection(step.counts)), last
        if (*says, step.last_output) in seen:
            continue
        seen.add((*says, step.last_output))
        solution = solve(rules, names, step)
        found.append((step, solution))
        for tool in solution.allowed:
            waiting += [step.after(tool, output) for output in outputs.get(tool, [""])]
    return found, not waiting


def _blocked(step: Step, solution: Solution) -> str:
    blocking = _texts([refusal.rule for refusal in solution.refusals])
    if step.last_tool is None:
        return f"nothing could be called first: {blocking}"
    told = step.last_output not in ("", _OTHER_OUTPUT)
    answered = f" and has answered {step.last_output!r}" if told else ""
    return f"once {step.last_tool} was called{answered}, nothing more could be: {blocking}"


def _texts(rules: Sequence[ToolRule]) -> str:
    return each(dict.fromkeys(clip(rule_text(rule), 100) for rule in rules))
