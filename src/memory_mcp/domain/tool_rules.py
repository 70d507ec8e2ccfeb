"""Tool rules: what may be called when. The kinds, and the forms they are written in.

The kinds are Letta's. `solver.py` follows them; here is what each says, as an object, on one line
for the command line, as JSON for the store, and in words for the prompt.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NoReturn, assert_never, cast

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.quoting import one_line, within_tags
from memory_mcp.domain.texts import check_text, clip, counted, each, either

RULE_CHARS_MAX = 100_000
ARGUMENTS_CHARS_MAX = 50_000
OUTPUT_CHARS_MAX = 200
CHILDREN_MAX = 50

Scope = Literal["step", "connection"]
"""What the calls are counted over, as the texts name it: in the loop a step, at the MCP surface the
life of a connection."""

_TOOL = re.compile(r"[A-Za-z0-9_./-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    kind: ClassVar[str]

    tool: str

    def __post_init__(self) -> None:
        for name in self.named:
            if not _TOOL.fullmatch(name):
                raise InvalidInput(
                    f"{clip(name, 40)!r} cannot be a tool's name: letters, digits and _ . / - "
                    "make one, at most 128 of them."
                )

    @property
    def named(self) -> tuple[str, ...]:
        """Every tool the rule speaks of."""
        return (self.tool,)


@dataclass(frozen=True, slots=True, kw_only=True)
class _RuleWithChildren(_Rule):
    children: tuple[str, ...]

    def __post_init__(self) -> None:
        _Rule.__post_init__(self)
        if not 1 <= len(self.children) <= CHILDREN_MAX:
            raise InvalidInput(
                f"the {self.kind} rule for {self.tool} has {len(self.children)} children. Name at "
                f"least one tool, and at most {CHILDREN_MAX}."
            )

    @property
    def named(self) -> tuple[str, ...]:
        """Every tool the rule speaks of."""
        return (self.tool, *self.children)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitRule(_Rule):
    """The tool may be called first; before the first call only tools with such a rule may."""

    kind = "init"

    arguments: dict[str, Any] | None = field(default=None, hash=False)
    """What that first call is made with, in place of the model's own arguments."""

    def __post_init__(self) -> None:
        _Rule.__post_init__(self)
        check_text(_json(self.arguments), f"the arguments of {self.tool}", ARGUMENTS_CHARS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRule(_RuleWithChildren):
    """Right after the tool one of its children must be called, and nothing else may."""

    kind = "child"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRule(_RuleWithChildren):
    """The children may only be called once the tool was."""

    kind = "parent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalRule(_Rule):
    """The tool's output decides which tool must be called next.

    Outputs are compared whole, without the space around them and without regard to case, since one
    tool answers `true` and another `True`. With no default, another output leaves the choice free.
    """

    kind = "conditional"

    cases: tuple[tuple[str, str], ...]
    """Pairs of an output and the tool it leads to."""
    default: str | None = None
    """The tool that every other output leads to."""

    def __post_init__(self) -> None:
        _Rule.__post_init__(self)
        of_it = f"the conditional rule for {self.tool}"
        if not 1 <= len(self.cases) <= CHILDREN_MAX:
            raise InvalidInput(
                f"{of_it} has {len(self.cases)} cases. Give it at least one, like "
                f"conditional:{self.tool}>yes=next_tool, and at most {CHILDREN_MAX}."
            )
        for output, _ in self.cases:
            check_text(output, f"an output in {of_it}", OUTPUT_CHARS_MAX)
            if output != output.strip():
                raise InvalidInput(
                    f"{of_it} has the output {output!r}. Outputs are compared without the space "
                    "around them: take it away."
                )
        if len({output.casefold() for output, _ in self.cases}) < len(self.cases):
            raise InvalidInput(f"{of_it} has one output twice (case does not count). Keep one.")

    @property
    def named(self) -> tuple[str, ...]:
        """Every tool the rule speaks of."""
        return (self.tool, *self.nexts)

    @property
    def nexts(self) -> tuple[str, ...]:
        """Every tool that some output leads to."""
        default = () if self.default is None else (self.default,)
        return (*(tool for _, tool in self.cases), *default)

    def next_after(self, output: str) -> str | None:
        """The one tool that `output` leads to; `None` when the choice is free."""
        told = output.strip().casefold()
        return next((tool for case, tool in self.cases if case.casefold() == told), self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueRule(_Rule):
    """After the tool the loop goes on, heartbeat or not."""

    kind = "continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalRule(_Rule):
    """The tool ends the loop, heartbeat or not."""

    kind = "terminal"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredBeforeExitRule(_Rule):
    """The loop does not end before the tool was called."""

    kind = "required_before_exit"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxCountPerStepRule(_Rule):
    """The tool may be called that many times in one step."""

    kind = "max_count_per_step"

    max_count: int

    def __post_init__(self) -> None:
        _Rule.__post_init__(self)
        if not 1 <= self.max_count < 10**9:
            raise InvalidInput(
                f"max_count_per_step for {self.tool} is {self.max_count}; it must be at least 1 "
                "and below a thousand million. To keep a tool from being called at all, don't "
                "offer it."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiresApprovalRule(_Rule):
    """A call of the tool waits until a person has approved it."""

    kind = "requires_approval"


ToolRule = (
    InitRule
    | ChildRule
    | ParentRule
    | ConditionalRule
    | ContinueRule
    | TerminalRule
    | RequiredBeforeExitRule
    | MaxCountPerStepRule
    | RequiresApprovalRule
)

# The kinds that have said all once they name the tool.
_ONLY_A_TOOL = {
    rule.kind: rule
    for rule in (ContinueRule, TerminalRule, RequiredBeforeExitRule, RequiresApprovalRule)
}


# --- On one line ---

_FORMS = {
    "init": 'init:archival_search or init:archival_search {"query": "open tasks"}',
    "child": "child:a>b,c",
    "parent": "parent:a>b,c",
    "conditional": "conditional:a>yes=b,no=c,*=d",
    "continue": "continue:a",
    "terminal": "terminal:a",
    "required_before_exit": "required_before_exit:a",
    "max_count_per_step": "max_count_per_step:a=3",
    "requires_approval": "requires_approval:a",
}
_CASE = re.compile(r'\s*+("(?:[^"\\]|\\.)*"\s*|[^",=][^,=]*)=([^,]*)(,|$)', re.DOTALL)
_PLAIN_OUTPUT = re.compile(r"[\w.!?-]+(?: [\w.!?-]+)*")


def rule_text(rule: ToolRule) -> str:
    """The rule on one line, as `parse_rule` reads it."""
    return f"{rule.kind}:{rule.tool}{_rest(rule)}"


def _rest(rule: ToolRule) -> str:
    match rule:
        case InitRule():
            return "" if rule.arguments is None else f" {_json(rule.arguments)}"
        case ChildRule() | ParentRule():
            return f">{','.join(rule.children)}"
        case ConditionalRule():
            outputs = [
                output if _PLAIN_OUTPUT.fullmatch(output) else _json(output)
                for output, _ in rule.cases
            ]
            ways = zip([*outputs, "*"], rule.nexts, strict=False)  # `*` only if there is a default
            return f">{','.join(f'{output}={tool}' for output, tool in ways)}"
        case MaxCountPerStepRule():
            return f"={rule.max_count}"
        case ContinueRule() | TerminalRule() | RequiredBeforeExitRule() | RequiresApprovalRule():
            return ""
        case _:
            assert_never(rule)


def parse_rule(text: str) -> ToolRule:
    """The rule that `text` writes: `init:archival_search`, `child:a>b,c`, `max_count_per_step:a=3`.

    An output with signs of its own stands in quotes, as in JSON: `conditional:a>"yes, all"=b`.

    Raises:
        InvalidInput: it is none; the text says how to write it.
    """
    check_text(text, "the tool rule", RULE_CHARS_MAX)
    kind, _, body = (part.strip() for part in text.partition(":"))
    if kind in _ONLY_A_TOOL:
        return _ONLY_A_TOOL[kind](tool=body)
    match kind:
        case "init":
            tool, brace, rest = body.partition("{")
            arguments = _arguments(text, brace + rest) if brace else None
            return InitRule(tool=tool.strip(), arguments=arguments)
        case "child" | "parent":
            tool, children = _parted(text, kind, body, ">")
            names = tuple(dict.fromkeys(child.strip() for child in children.split(",")))
            return (ChildRule if kind == "child" else ParentRule)(tool=tool, children=names)
        case "conditional":
            tool, cases = _parted(text, kind, body, ">")
            return _conditional(text, tool, cases)
        case "max_count_per_step":
            tool, count = _parted(text, kind, body, "=")
            if not re.fullmatch(r"-?[0-9]{1,12}", count):
                _refuse(text, kind)
            return MaxCountPerStepRule(tool=tool, max_count=int(count))
        case _:
            raise InvalidInput(
                f"{clip(text, 100)!r} is no tool rule. The kinds are: {'; '.join(_FORMS.values())}."
            )


def _parted(text: str, kind: str, body: str, sign: str) -> tuple[str, str]:
    tool, _, rest = (part.strip() for part in body.partition(sign))
    if not rest:
        _refuse(text, kind)
    return tool, rest


def _conditional(text: str, tool: str, written: str) -> ConditionalRule:
    cases: list[tuple[str, str]] = []
    default: str | None = None
    place, more = 0, ","
    while more:
        case = _CASE.match(written, place)
        if case is None:
            _refuse(text, "conditional")
        output, told, more = case[1].strip(), case[2].strip(), case[3]
        place = case.end()
        if output != "*":
            cases.append((_output(text, output), told))
        elif default is None:
            default = told
        else:
            _refuse(text, "conditional")
    return ConditionalRule(tool=tool, cases=tuple(cases), default=default)


def _output(text: str, written: str) -> str:
    if not written.startswith('"'):
        return written
    try:
        return str(json.loads(written))
    except ValueError:
        _refuse(text, "conditional")


def _arguments(text: str, written: str) -> dict[str, Any]:
    try:
        return json.loads(written, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        _refuse(text, "init")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse(text: str, kind: str) -> NoReturn:
    raise InvalidInput(
        f"{clip(text, 100)!r} is not written as {kind} rules are. Write it like {_FORMS[kind]}."
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- In the store ---

# What Letta's agent files call the kinds. Their fields are named as ours are.
_LETTA_KINDS = {
    "run_first": "init",
    "constrain_child_tools": "child",
    "parent_last_tool": "parent",
    "continue_loop": "continue",
    "exit_loop": "terminal",
}
_FIELDS = {
    "init": {"args"},
    "child": {"children"},
    "parent": {"children"},
    "conditional": {"child_output_mapping", "default_child"},
    "max_count_per_step": {"max_count_limit"},
}


def rules_to_json(rules: Sequence[ToolRule]) -> list[dict[str, Any]]:
    """The rules as `rules_from_json` reads them: what the store keeps."""
    return [{"type": rule.kind, "tool_name": rule.tool, **_own_fields(rule)} for rule in rules]


def _own_fields(rule: ToolRule) -> dict[str, Any]:
    match rule:
        case InitRule():
            return {} if rule.arguments is None else {"args": rule.arguments}
        case ChildRule() | ParentRule():
            return {"children": list(rule.children)}
        case ConditionalRule():
            return {"child_output_mapping": dict(rule.cases), "default_child": rule.default}
        case MaxCountPerStepRule():
            return {"max_count_limit": rule.max_count}
        case ContinueRule() | TerminalRule() | RequiredBeforeExitRule() | RequiresApprovalRule():
            return {}
        case _:
            assert_never(rule)


def rules_from_json(stored: Sequence[Any]) -> tuple[ToolRule, ...]:
    """The rules that were stored, or that stand in a Letta agent file.

    Raises:
        InvalidInput: one is no rule, or says more than we know how to keep.
    """
    for rule in stored:
        if not isinstance(rule, Mapping):
            raise InvalidInput(f"a stored tool rule is {clip(repr(rule), 60)}, not an object.")
    return tuple(_from_json(rule) for rule in stored)


def _from_json(stored: Mapping[str, Any]) -> ToolRule:
    told, tool = str(stored.get("type")), stored.get("tool_name")
    kind = _LETTA_KINDS.get(told, told)
    if kind not in _FORMS or not isinstance(tool, str):
        raise InvalidInput(
            f"a stored tool rule has the type {clip(told, 40)!r} and the tool "
            f"{clip(str(tool), 40)!r}. The types are {', '.join(_FORMS)}; the tool is a name."
        )
    # In Letta a rule may word its own part of the prompt; ours is worded by `compile_rules`.
    known = {"type", "tool_name", "prompt_template"} | _FIELDS.get(kind, set())
    if unknown := [name for name, value in stored.items() if value and name not in known]:
        raise InvalidInput(
            f"the stored {kind} rule for {clip(tool, 40)} has {clip(each(unknown), 100)}, which "
            "such a rule does not know. Take it out to keep the rest."
        )
    if kind in _ONLY_A_TOOL:
        return _ONLY_A_TOOL[kind](tool=tool)
    match kind:
        case "init":
            return InitRule(tool=tool, arguments=_field(stored, "args", dict, None))
        case "child" | "parent":
            children = _names(stored, _field(stored, "children", list, []))
            return (ChildRule if kind == "child" else ParentRule)(tool=tool, children=children)
        case "conditional":
            mapping = cast("dict[str, Any]", _field(stored, "child_output_mapping", dict, {}))
            tools = _names(stored, list(mapping.values()))
            return ConditionalRule(
                tool=tool,
                cases=tuple(zip((output.strip() for output in mapping), tools, strict=True)),
                default=_field(stored, "default_child", str, None),
            )
        case _:
            limit = _field(stored, "max_count_limit", int, 0)
            return MaxCountPerStepRule(tool=tool, max_count=limit)


def _field(stored: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = stored.get(name)
    if value is not None and not isinstance(value, kind):
        raise InvalidInput(
            f"{name} of the stored tool rule for {clip(stored['tool_name'], 40)} is "
            f"{clip(repr(value), 60)}, not a {kind.__name__}."
        )
    return default if value is None else value


def _names(stored: Mapping[str, Any], names: list[Any]) -> tuple[str, ...]:
    return tuple(_field({**stored, "a tool": name}, "a tool", str, "") for name in names)


# --- In the prompt ---


ARGUMENTS_SHOWN_CHARS = 300


def compile_rules(rules: Sequence[ToolRule], scope: Scope = "step") -> str:
    """The `<tool_usage_rules>` section: what the rules ask of a model; empty without rules.

    A connection is no loop, so there the rules about going on and ending say nothing.
    """
    init = [rule for rule in rules if isinstance(rule, InitRule)]
    lines = [_line_of_all(init)] if init else []
    lines += [line for rule in rules if (line := _line(rule, scope))]
    if not lines:
        return ""
    told = [f"- {within_tags(one_line(line))}" for line in dict.fromkeys(lines)]
    introduction = "A call that breaks one of these rules is refused."
    return "\n".join(["<tool_usage_rules>", introduction, *told, "</tool_usage_rules>"])


def _line_of_all(init: Sequence[InitRule]) -> str:
    ways = [
        rule.tool
        if rule.arguments is None
        else f"{rule.tool} with {clip(_json(rule.arguments), ARGUMENTS_SHOWN_CHARS)}"
        for rule in init
    ]
    return f"Before any other tool, call {either(dict.fromkeys(ways))}."


def _line(rule: ToolRule, scope: Scope) -> str | None:
    in_loop = scope == "step"
    match rule:
        case InitRule():
            return None  # all of them share one line
        case ChildRule():
            return f"Right after {rule.tool}, call only {either(rule.children)}."
        case ParentRule():
            return f"Call {either(rule.children)} only once {rule.tool} was called."
        case ConditionalRule():
            ways = [f"{tool} if it is {_json(output)}" for output, tool in rule.cases]
            other = rule.default or "any tool"
            told = f"{', '.join(ways)}, {other} otherwise"
            return f"Right after {rule.tool}, go by its answer: call {told}."
        case ContinueRule():
            return f"After {rule.tool}, go on with another call." if in_loop else None
        case TerminalRule():
            return f"{rule.tool} ends the step: call it last." if in_loop else None
        case RequiredBeforeExitRule():
            return f"Call {rule.tool} before you end the step." if in_loop else None
        case MaxCountPerStepRule():
            return f"Call {rule.tool} at most {counted(rule.max_count, 'time')} in one {scope}."
        case RequiresApprovalRule():
            return f"{rule.tool} waits until a person has approved the call." if in_loop else None
        case _:
            assert_never(rule)
