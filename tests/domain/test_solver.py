"""The solver: what rules allow after any history of calls, and whether the loop goes on."""

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from tests.domain.rule_strategies import OUTPUTS, TOOLS, rules, tools

from memory_mcp.domain.errors import InvalidInput, ToolRuleViolation
from memory_mcp.domain.solver import (
    RULES_MAX,
    Ends,
    GoesOn,
    Step,
    check_rules,
    goes_on,
    solve,
)
from memory_mcp.domain.tool_rules import (
    OUTPUT_CHARS_MAX,
    ChildRule,
    ConditionalRule,
    InitRule,
    MaxCountPerStepRule,
    ParentRule,
    RequiredBeforeExitRule,
    ToolRule,
    parse_rule,
    rule_text,
)

Calls = Sequence[tuple[str, str, bool]]  # tool, output, failed

calls = st.lists(st.tuples(tools, st.sampled_from([*OUTPUTS, "other"]), st.booleans()), max_size=6)
rule_sets = st.lists(rules, max_size=5)


def written(*texts: str) -> list[ToolRule]:
    return [parse_rule(text) for text in texts]


def step_of(calls: Calls) -> Step:
    step = Step()
    for tool, output, failed in calls:
        step = step.after(tool, output, failed)
    return step


def called(*tools: str, output: str = "") -> Step:
    """The step after calls of `tools`; the last one answered `output`."""
    return step_of([(tool, output, False) for tool in tools])


@pytest.mark.parametrize(
    ("rule", "history", "allowed"),
    [
        # init: nothing else before the first call, no trace of it after
        ("init:a", "", "a"),
        ("init:a", "a", "abcd"),
        ("init:a", "ab", "abcd"),
        # child: right after the tool, and only there
        ("child:a>b,c", "", "abcd"),
        ("child:a>b,c", "a", "bc"),
        ("child:a>b,c", "ab", "abcd"),
        ("child:a>b,c", "aba", "bc"),
        # parent: at any time once it was called; others are free all along
        ("parent:a>b,c", "", "ad"),
        ("parent:a>b,c", "d", "ad"),
        ("parent:a>b,c", "a", "abcd"),
        ("parent:a>b,c", "ad", "abcd"),
        # conditional: right after the tool, by what it answered
        ("conditional:a>yes=b,no=c,*=d", "", "abcd"),
        ("conditional:a>yes=b,no=c,*=d", "a", "d"),
        ('conditional:a>""=b,no=c,*=d', "a", "b"),
        ("conditional:a>yes=b", "a", "abcd"),
        ('conditional:a>""=b', "ad", "abcd"),
        # max_count_per_step: that many times, wherever they were
        ("max_count_per_step:a=2", "a", "abcd"),
        ("max_count_per_step:a=2", "aa", "bcd"),
        ("max_count_per_step:a=2", "abcba", "bcd"),
        # the others speak of the loop, not of a call
        ("continue:a", "a", "abcd"),
        ("terminal:a", "a", "abcd"),
        ("required_before_exit:a", "b", "abcd"),
        ("requires_approval:a", "", "abcd"),
    ],
)
def test_a_rule_allows_what_its_kind_says(rule: str, history: str, allowed: str) -> None:
    assert solve(written(rule), TOOLS, called(*history)).allowed == tuple(allowed)


@pytest.mark.parametrize(
    ("texts", "history", "allowed"),
    [
        (["init:a", "init:b"], "", "ab"),  # either may be the first
        (["init:b", "parent:a>b"], "", "b"),  # an init rule settles the first call alone
        (["init:b", "parent:a>b"], "b", "acd"),
        (["child:a>b,c", "child:a>c,d"], "a", "c"),
        (["child:a>b,c", "parent:d>b"], "a", "c"),
        (["parent:a>d", "parent:b>d"], "a", "abc"),  # both parents must have been called
        (["parent:a>d", "parent:b>d"], "ab", "abcd"),
        (["max_count_per_step:a=3", "max_count_per_step:a=1"], "a", "bcd"),
        (["child:a>b,c", "max_count_per_step:b=1"], "ba", "c"),
    ],
)
def test_of_several_rules_each_must_allow_a_tool(
    texts: list[str], history: str, allowed: str
) -> None:
    assert solve(written(*texts), TOOLS, called(*history)).allowed == tuple(allowed)


def test_a_failed_call_counts_for_no_rule() -> None:
    init, child, once = (
        written("init:a", "child:a>b"),
        written("child:a>b"),
        written("max_count_per_step:b=1"),
    )

    assert solve(init, TOOLS, Step().after("a", failed=True)).allowed == ("a",)
    assert solve(child, TOOLS, called("a").after("b", failed=True)).allowed == ("b",)
    assert solve(once, TOOLS, Step().after("b", failed=True)).allowed == TOOLS


def test_a_refused_call_and_a_turn_without_one_count_for_no_rule() -> None:
    before = called("a", output="yes")

    for step in (before.after_refusal(), before.after_silence()):
        assert solve(written("conditional:a>yes=b"), TOOLS, step).allowed == ("b",)


def test_an_output_longer_than_any_case_is_none_of_them_and_is_not_kept_whole() -> None:
    long = "x" * OUTPUT_CHARS_MAX
    rule = ConditionalRule(tool="a", cases=((long, "b"),), default="c")

    assert solve([rule], TOOLS, called("a", output=f" {long} ")).allowed == ("b",)
    assert solve([rule], TOOLS, called("a", output=f"{long}x")).allowed == ("c",)
    assert len(called("a", output="x" * 10**6).last_output) <= OUTPUT_CHARS_MAX + 1


def test_a_step_stays_small_and_is_never_changed() -> None:
    first = Step()
    step = first
    for _ in range(1_000):
        step = step.after("a", "yes").after("b", failed=True)

    assert step.counts == {"a": 1_000}
    assert first == Step()


@given(rules=rule_sets, calls=calls)
def test_every_tool_is_allowed_or_refused_by_a_rule_that_says_why(
    rules: list[ToolRule], calls: Calls
) -> None:
    solution = solve(rules, TOOLS, step_of(calls))

    refused = {refusal.tool: refusal for refusal in solution.refusals}
    assert set(solution.allowed) | set(refused) == set(TOOLS)
    assert not set(solution.allowed) & set(refused)
    for refusal in refused.values():
        assert refusal.rule in rules
        assert f"(rule {rule_text(refusal.rule)})." in refusal.because


@given(rules=rule_sets, calls=calls)
def test_what_is_allowed_is_what_every_rule_allows(rules: list[ToolRule], calls: Calls) -> None:
    # Letta's solver, told once more in sets.
    done = [(tool, output) for tool, output, failed in calls if not failed]
    names = [tool for tool, _ in done]
    last, output = done[-1] if done else (None, "")
    allowed = set(TOOLS)
    init = {rule.tool for rule in rules if isinstance(rule, InitRule)}
    if init and not done:
        allowed = init
    else:
        for rule in rules:
            if isinstance(rule, ChildRule) and rule.tool == last:
                allowed &= set(rule.children)
            if isinstance(rule, ParentRule) and rule.tool not in names:
                allowed -= set(rule.children)
            if isinstance(rule, ConditionalRule) and rule.tool == last:
                told = dict(rule.cases).get(output, rule.default)
                allowed &= {told} if told else allowed
            if isinstance(rule, MaxCountPerStepRule) and names.count(rule.tool) >= rule.max_count:
                allowed -= {rule.tool}

    assert set(solve(rules, TOOLS, step_of(calls)).allowed) == allowed


@given(rules=rule_sets, calls=calls)
def test_when_nothing_is_allowed_it_is_said_and_the_loop_ends(
    rules: list[ToolRule], calls: Calls
) -> None:
    step = step_of(calls)
    solution = solve(rules, TOOLS, step)

    assert (solution.dead_end is None) == bool(solution.allowed)
    if solution.dead_end:
        assert any(refusal.because in solution.dead_end for refusal in solution.refusals)
        decision = goes_on(rules, TOOLS, step, request_heartbeat=True, steps_left=1)
        assert isinstance(decision, Ends)


def test_a_violation_says_which_rule_refused_and_what_is_valid() -> None:
    solution = solve(
        written("init:archival_search"),
        ["archival_search", "core_memory_append"],
        Step(scope="connection"),
    )

    solution.require("archival_search")
    with pytest.raises(ToolRuleViolation) as refused:
        solution.require("core_memory_append")
    assert str(refused.value) == snapshot(
        "core_memory_append was not called. archival_search must be called first in this "
        "connection, and was not yet (rule init:archival_search). Valid now: archival_search."
    )


def test_a_dead_end_says_every_reason_and_who_can_change_it() -> None:
    solution = solve(written("child:a>b", "max_count_per_step:b=1"), TOOLS, called("b", "a"))

    with pytest.raises(ToolRuleViolation) as refused:
        solution.require("b")
    assert str(refused.value) == snapshot(
        "b was not called. No tool may be called any more in this step, as its tool rules leave "
        "none: Right after a only b may be called (rule child:a>b). b may be called 1 time in this "
        "step, and was called 1 time (rule max_count_per_step:b=1). "
        "Tell the user, who can change the rules."
    )


def test_a_dead_end_with_many_reasons_stays_short() -> None:
    many = [f"t{n}" for n in range(50)]
    rules: list[ToolRule] = [ParentRule(tool="t0", children=(tool,)) for tool in many]

    dead_end = solve(rules, many, Step()).dead_end

    assert dead_end is not None
    assert "(And 45 more.)" in dead_end
    assert len(dead_end) < 1_000


def test_a_tool_that_is_not_there_is_no_matter_of_rules() -> None:
    with pytest.raises(InvalidInput, match=r"there is no tool 'z'\. Valid now: a, b, c, d\."):
        solve([], TOOLS, Step()).require("z")
    with pytest.raises(InvalidInput, match=r"No tool may be called: there are none\."):
        solve([], [], Step()).require("z")


def test_an_init_rule_for_a_tool_that_is_not_there_is_a_dead_end_that_names_it() -> None:
    dead_end = solve(written("init:z"), TOOLS, Step()).dead_end

    assert dead_end is not None
    assert "z must be called first in this step, and was not yet (rule init:z)." in dead_end


def test_what_needs_approval_is_said_of_allowed_tools() -> None:
    rules = written("requires_approval:a", "requires_approval:b", "child:a>b,c")

    assert solve(rules, TOOLS, Step()).needs_approval == ("a", "b")
    assert solve(rules, TOOLS, called("a")).needs_approval == ("b",)


def test_fixed_arguments_are_those_of_the_first_call_only() -> None:
    rules = written('init:a {"query": "open tasks"}', "init:b")

    assert solve(rules, TOOLS, Step()).arguments == {"a": {"query": "open tasks"}}
    assert solve(rules, TOOLS, called("b")).arguments == {}


# --- Whether the loop goes on ---


@pytest.mark.parametrize(
    ("texts", "step", "heartbeat", "expected"),
    [
        ([], called("a"), True, GoesOn),
        ([], called("a"), False, "no_heartbeat"),
        ([], Step().after("a", failed=True), False, GoesOn),
        ([], called("a").after_refusal(), False, GoesOn),
        ([], Step(), False, "no_heartbeat"),  # a turn that called nothing
        ([], called("a").after_silence(), False, "no_heartbeat"),
        (["continue:a"], called("a"), False, GoesOn),
        (["continue:a"], called("a", "b"), False, "no_heartbeat"),
        (["continue:a"], called("a").after_silence(), False, "no_heartbeat"),
        (["child:a>b"], called("a"), False, GoesOn),
        (["child:a>b"], called("a", "b"), False, "no_heartbeat"),
        (["conditional:a>yes=b"], called("a", output="yes"), False, GoesOn),
        (["conditional:a>yes=b"], called("a", output="no"), False, "no_heartbeat"),
        (["conditional:a>yes=b,*=c"], called("a", output="no"), False, GoesOn),
        (["terminal:a"], called("a"), True, "terminal"),
        (["terminal:a"], called("a", "b"), True, GoesOn),
        (["terminal:a"], Step().after("a", failed=True), False, GoesOn),  # it did not end it
        (["max_count_per_step:a=1"], called("a"), False, "no_heartbeat"),
        (["required_before_exit:b"], called("a"), False, GoesOn),
        (["required_before_exit:b"], Step(), False, GoesOn),
        (["required_before_exit:b"], called("b"), False, "no_heartbeat"),
        (["required_before_exit:b", "terminal:a"], called("a"), False, GoesOn),
        (["required_before_exit:b", "terminal:a"], called("b", "a"), True, "terminal"),
        (["required_before_exit:z"], called("a"), False, "no_heartbeat"),  # there is no z
        (["child:a>b", "child:a>c"], called("a"), False, "dead_end"),
        (["child:a>b", "child:a>c", "terminal:a"], called("a"), False, "terminal"),
    ],
    ids=str,
)
def test_the_loop_goes_on_or_ends_by_the_last_call(
    texts: list[str], step: Step, heartbeat: bool, expected: type[GoesOn] | str
) -> None:
    decision = goes_on(written(*texts), TOOLS, step, request_heartbeat=heartbeat, steps_left=1)

    assert decision.because
    assert (decision.reason if isinstance(decision, Ends) else GoesOn) == expected


def test_what_must_still_be_called_is_told_with_either_answer() -> None:
    rules = written("required_before_exit:b", "required_before_exit:c", "required_before_exit:a")

    on = goes_on(rules, TOOLS, called("a"), request_heartbeat=False, steps_left=1)
    over = goes_on(rules, TOOLS, called("a"), request_heartbeat=False, steps_left=0)

    assert on == GoesOn(because="Before you may end, call b and c.", missing=("b", "c"))
    assert isinstance(over, Ends)
    assert over.missing == ("b", "c")


@given(rules=rule_sets, calls=calls, heartbeat=st.booleans())
def test_with_no_steps_left_the_loop_ends_whatever_the_rules_say(
    rules: list[ToolRule], calls: Calls, heartbeat: bool
) -> None:
    decision = goes_on(rules, TOOLS, step_of(calls), request_heartbeat=heartbeat, steps_left=0)

    assert isinstance(decision, Ends)
    assert decision.reason == "max_steps"


@given(rules=rule_sets, calls=calls, heartbeat=st.booleans())
def test_the_loop_ends_of_itself_only_when_nothing_required_is_missing(
    rules: list[ToolRule], calls: Calls, heartbeat: bool
) -> None:
    decision = goes_on(rules, TOOLS, step_of(calls), request_heartbeat=heartbeat, steps_left=1)

    required = {rule.tool for rule in rules if isinstance(rule, RequiredBeforeExitRule)}
    assert set(decision.missing) == required - {tool for tool, _, failed in calls if not failed}
    if isinstance(decision, Ends) and decision.reason != "dead_end":
        assert not decision.missing


# --- Whether rules can be kept at all ---


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (["init:z"], "init:z names z, which is not there"),
        (["child:a>y,b,z"], "child:a>y,b,z names y and z, which is not there"),
        (["conditional:a>yes=b,*=z"], "names z"),
        (["parent:a>a"], "no order of calls leads to a: parent:a>a"),
        (["parent:a>a,b,c,d"], "nothing could be called first: parent:a>a,b,c,d"),
        (["parent:a>b", "parent:b>a"], "no order of calls leads to a: parent:a>b and parent:b>a"),
        (["parent:a>b", "parent:b>c", "parent:c>a"], "no order of calls leads to a"),
        (["init:a", "child:a>b", "child:b>a", "terminal:c"], "leads to c: terminal:c"),
        (["init:a", "conditional:a>yes=a,*=a", "terminal:c"], "leads to c: terminal:c"),
        (
            ["child:a>b", "child:a>c"],
            "once a was called, nothing more could be: child:a>b and child:a>c",
        ),
        (
            ["conditional:a>yes=b", "child:a>c"],
            "once a was called and has answered 'yes', nothing more could be: conditional:a>yes=b",
        ),
        (["child:a>b", "parent:c>b"], "nothing more could be: child:a>b and parent:c>b"),
        (["child:a>a", "parent:a>b"], "no order of calls leads to b: parent:a>b"),
        (["conditional:a>yes=b", "conditional:a>no=c"], "a can have only one of conditional:a>yes"),
        (["init:a", 'init:a {"k": 1}'], 'a can have only one of init:a and init:a {"k": 1}'),
        (["terminal:a", "continue:a"], "a cannot both end the step and go on"),
        (["terminal:a", "child:a>b"], "a cannot both end the step and go on"),
        (["requires_approval:a"] * (RULES_MAX + 1), "101 tool rules are too many; the limit is"),
    ],
    ids=str,
)
def test_rules_that_can_never_be_kept_are_refused(texts: list[str], complaint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_rules(written(*texts), TOOLS)

    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["init:a", "init:b", "requires_approval:c", "requires_approval:c"],
        ["child:a>b", "parent:c>b,a"],  # where a may be called, b may be too
        ["child:a>b", "parent:c>b", "init:c"],
        ["init:a", "parent:b>a"],  # a is the first, and then waits for b
        ["init:a", "parent:a>b", "parent:b>c", "terminal:c"],
        ["child:a>b,c", "child:a>c,d", "conditional:a>yes=c"],
        ["conditional:a>yes=b", "conditional:a>yes=b"],
        ["init:a", "conditional:a>yes=a", "terminal:c"],  # without a default the choice is free
        ["terminal:a", "required_before_exit:a", "max_count_per_step:a=1"],
    ],
    ids=str,
)
def test_rules_that_can_be_kept_pass(texts: list[str]) -> None:
    check_rules(written(*texts), TOOLS)


def test_no_rules_are_always_kept() -> None:
    check_rules([], [])


def test_all_problems_of_a_kind_are_told_together() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_rules(written("init:x", "child:a>b", "terminal:y"), TOOLS)

    assert str(refused.value) == snapshot(
        "These tool rules cannot be kept: init:x names x, which is not there; terminal:y names y, "
        "which is not there. The tools are a, b, c, d."
    )


def test_rules_with_more_orders_of_calls_than_can_be_tried_pass_at_once() -> None:
    many = [f"t{n}" for n in range(90)]
    ring = [ParentRule(tool=one, children=(f"u{one}",)) for one in many]

    check_rules(ring, [*many, *(f"u{one}" for one in many)])


uncounted = rules.filter(lambda rule: not isinstance(rule, MaxCountPerStepRule))


@given(rules=st.lists(uncounted, max_size=4))
def test_rules_pass_exactly_when_calls_lead_to_every_tool_and_into_no_dead_end(
    rules: list[ToolRule],
) -> None:
    refused = ""
    try:
        check_rules(rules, TOOLS)
    except InvalidInput as error:
        refused = str(error)
        assume("no order of calls" in refused or "nothing " in refused)

    reached, dead_end = _tried_by_hand(rules)

    out_of_reach = {name for rule in rules for name in rule.named} - reached
    assert bool(refused) == bool(out_of_reach or dead_end)
    for tool in () if dead_end else out_of_reach:
        assert f"no order of calls leads to {tool}:" in refused


def _tried_by_hand(rules: list[ToolRule]) -> tuple[set[str], bool]:
    """Every tool that calls can lead to, and whether they can lead into a dead end."""
    outputs = {"something else"}
    for rule in rules:
        if isinstance(rule, ConditionalRule):
            outputs |= {output for output, _ in rule.cases}
    waiting, seen, reached, dead_end = [Step()], set[object](), set[str](), False
    while waiting:
        step = waiting.pop()
        state = (frozenset(step.counts), step.last_tool, step.last_output)
        if state not in seen:
            seen.add(state)
            allowed = solve(rules, TOOLS, step).allowed
            reached.update(allowed)
            dead_end |= not allowed
            waiting += [step.after(tool, output) for tool, output in product(allowed, outputs)]
    return reached, dead_end
