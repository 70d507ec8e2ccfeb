"""Tool rules: the kinds, and their forms on one line, in the store and in the prompt."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from tests.domain.rule_strategies import rules

from memory_mcp.domain.errors import InvalidInput
from memory_mcp.domain.tool_rules import (
    ChildRule,
    ConditionalRule,
    ContinueRule,
    InitRule,
    MaxCountPerStepRule,
    ParentRule,
    RequiredBeforeExitRule,
    RequiresApprovalRule,
    TerminalRule,
    ToolRule,
    compile_rules,
    parse_rule,
    rule_text,
    rules_from_json,
    rules_to_json,
)

WRITTEN: dict[str, ToolRule] = {
    "init:archival_search": InitRule(tool="archival_search"),
    'init:archival_search {"query": "open tasks", "limit": 3}': InitRule(
        tool="archival_search", arguments={"query": "open tasks", "limit": 3}
    ),
    "child:a>b,c": ChildRule(tool="a", children=("b", "c")),
    "parent:a>b,c": ParentRule(tool="a", children=("b", "c")),
    "conditional:a>yes=b,no=c,*=d": ConditionalRule(
        tool="a", cases=(("yes", "b"), ("no", "c")), default="d"
    ),
    "conditional:a>not found=b": ConditionalRule(tool="a", cases=(("not found", "b"),)),
    'conditional:a>"yes, all"=b,""=c,"*"=d': ConditionalRule(
        tool="a", cases=(("yes, all", "b"), ("", "c"), ("*", "d"))
    ),
    "continue:a": ContinueRule(tool="a"),
    "terminal:a": TerminalRule(tool="a"),
    "required_before_exit:a": RequiredBeforeExitRule(tool="a"),
    "max_count_per_step:a=3": MaxCountPerStepRule(tool="a", max_count=3),
    "requires_approval:send-mail/v2": RequiresApprovalRule(tool="send-mail/v2"),
}


@pytest.mark.parametrize(("text", "rule"), WRITTEN.items(), ids=WRITTEN)
def test_every_kind_is_written_on_one_line_and_read_back(text: str, rule: ToolRule) -> None:
    assert parse_rule(text) == rule
    assert rule_text(rule) == text


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("  child : a > b , c ", "child:a>b,c"),
        ("child:a>b,b", "child:a>b"),
        ('init:a{"k":1}', 'init:a {"k": 1}'),
        ("max_count_per_step: a = 3", "max_count_per_step:a=3"),
        ('conditional: a > "yes" = b, no way = c , * = d', "conditional:a>yes=b,no way=c,*=d"),
        ("conditional:a>*=d,yes=b", "conditional:a>yes=b,*=d"),
    ],
)
def test_space_and_repeats_make_no_difference(text: str, tidy: str) -> None:
    assert rule_text(parse_rule(text)) == tidy


@given(rule=rules)
def test_any_rule_comes_back_from_its_line(rule: ToolRule) -> None:
    assert parse_rule(rule_text(rule)) == rule
    assert "\n" not in rule_text(rule)


@given(several=st.lists(rules, max_size=5))
def test_any_rules_come_back_from_the_store(several: list[ToolRule]) -> None:
    stored = json.loads(json.dumps(rules_to_json(several)))

    assert rules_from_json(stored) == tuple(several)


@given(text=st.text('abinitchdparenlo:>,=*"\\{} 1', max_size=40))
def test_any_text_is_a_rule_that_comes_back_or_is_refused(text: str) -> None:
    with suppress(InvalidInput):
        rule = parse_rule(text)
        assert parse_rule(rule_text(rule)) == rule


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no tool rule. The kinds are: init:archival_search"),
        ("first:a", "'first:a' is no tool rule"),
        ("init:", "cannot be a tool's name"),
        ("init:a b", "'a b' cannot be a tool's name"),
        ("init:a {", "Write it like init:archival_search"),
        ('init:a {"k": NaN}', "not written as init rules are"),
        ('init:a {"k": ' + "[" * 90_000, "not written as init rules are"),
        ("child:a", "'child:a' is not written as child rules are. Write it like child:a>b,c"),
        ("child:a>", "Write it like child:a>b,c"),
        ("parent:a>b,,c", "'' cannot be a tool's name"),
        ("conditional:a>b", "Write it like conditional:a>yes=b,no=c"),
        ("conditional:a>*=b", "has 0 cases. Give it at least one"),
        ("conditional:a>yes=b,", "Write it like conditional:a>yes=b,no=c"),
        ("conditional:a>yes=b,*=c,*=d", "Write it like conditional:a>yes=b,no=c"),
        ("conditional:a>yes=b,YES=c", "has one output twice"),
        ('conditional:a>"yes ="=b,"no', "Write it like conditional:a>yes=b,no=c"),
        (r'conditional:a>"\x"=b', "Write it like conditional:a>yes=b,no=c"),
        (r'conditional:a>"\ud800"=b', "unpaired surrogate"),
        (r'init:a {"k": "\ud800"}', "the arguments of a holds an unpaired surrogate"),
        ('conditional:a>" yes"=b', "compared without the space around them"),
        ("conditional:a>" + "x" * 201 + "=b", "has 201 characters; the limit is 200"),
        ("max_count_per_step:a", "Write it like max_count_per_step:a=3"),
        ("max_count_per_step:a=many", "Write it like max_count_per_step:a=3"),
        ("max_count_per_step:a=0", "is 0; it must be at least 1"),
        ("max_count_per_step:a=-1", "is -1; it must be at least 1"),
        ("child:a>" + ",".join(f"t{n}" for n in range(51)), "has 51 children"),
        ("terminal:a\0", "NUL"),
    ],
    ids=lambda text: text[:24],
)
def test_a_text_that_is_no_rule_is_refused_with_how_to_write_one(text: str, complaint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_rule(text)

    assert complaint in str(refused.value)
    assert len(str(refused.value)) < 800


def test_a_long_text_that_is_no_rule_is_refused_at_once() -> None:
    for filling in (" ", '"', "\\", "x", '"\\', " ="):
        with pytest.raises(InvalidInput):
            parse_rule("conditional:a>" + filling * 40_000)


def test_a_rule_made_in_code_is_held_to_the_same() -> None:
    with pytest.raises(InvalidInput, match="the child rule for a has 0 children"):
        ChildRule(tool="a", children=())
    with pytest.raises(InvalidInput, match="has 0 cases"):
        ConditionalRule(tool="a", cases=())
    with pytest.raises(InvalidInput, match="'b,c' cannot be a tool's name"):
        ParentRule(tool="a", children=("b,c",))


@pytest.mark.parametrize(
    ("output", "following"),
    [("yes", "b"), (" YES\n", "b"), ("yes, it is", "d"), ("", "d"), ("No", "c")],
)
def test_an_output_is_compared_whole_without_space_and_case(output: str, following: str) -> None:
    rule = parse_rule("conditional:a>yes=b,no=c,*=d")

    assert isinstance(rule, ConditionalRule)
    assert rule.next_after(output) == following


def test_without_a_default_another_output_leaves_the_choice_free() -> None:
    assert ConditionalRule(tool="a", cases=(("yes", "b"),)).next_after("perhaps") is None


def test_the_rules_of_a_letta_agent_file_are_read_as_they_stand() -> None:
    letta = [
        {"type": "run_first", "tool_name": "a", "args": None, "prompt_template": None},
        {"type": "constrain_child_tools", "tool_name": "a", "children": ["b"], "args": None},
        {"type": "parent_last_tool", "tool_name": "a", "children": ["b"]},
        {
            "type": "conditional",
            "tool_name": "a",
            "default_child": "c",
            "child_output_mapping": {"True": "b"},
            "require_output_mapping": False,
        },
        {"type": "continue_loop", "tool_name": "a", "prompt_template": "<tool_rule>…</tool_rule>"},
        {"type": "exit_loop", "tool_name": "b"},
        {"type": "required_before_exit", "tool_name": "b"},
        {"type": "max_count_per_step", "tool_name": "b", "max_count_limit": 2},
        {"type": "requires_approval", "tool_name": "b"},
    ]

    assert [rule_text(rule) for rule in rules_from_json(letta)] == [
        "init:a",
        "child:a>b",
        "parent:a>b",
        "conditional:a>True=b,*=c",
        "continue:a",
        "terminal:b",
        "required_before_exit:b",
        "max_count_per_step:b=2",
        "requires_approval:b",
    ]


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        ("child:a>b", "a stored tool rule is 'child:a>b', not an object"),
        ({}, "has the type 'None' and the tool 'None'. The types are init, child"),
        ({"type": "first", "tool_name": "a"}, "has the type 'first'"),
        ({"type": "init", "tool_name": 3}, "the tool '3'"),
        ({"type": "init", "tool_name": "a", "args": []}, "args of the stored tool rule for a"),
        ({"type": "child", "tool_name": "a"}, "has 0 children"),
        ({"type": "child", "tool_name": "a", "children": "b"}, "is 'b', not a list"),
        ({"type": "child", "tool_name": "a", "children": [["b"]]}, "is ['b'], not a str"),
        ({"type": "terminal", "tool_name": "a", "args": {"k": 1}}, "has args, which such a rule"),
        (
            {
                "type": "conditional",
                "tool_name": "a",
                "child_output_mapping": {"yes": "b"},
                "require_output_mapping": True,
            },
            "has require_output_mapping, which such a rule does not know",
        ),
        ({"type": "max_count_per_step", "tool_name": "a"}, "is 0; it must be at least 1"),
    ],
    ids=str,
)
def test_a_stored_rule_that_says_what_we_do_not_keep_is_refused(
    stored: object, complaint: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        rules_from_json([stored])

    assert complaint in str(refused.value)


def test_the_prompt_says_in_short_sentences_what_the_rules_ask() -> None:
    assert compile_rules(list(WRITTEN.values())) == snapshot("""\
<tool_usage_rules>
A call that breaks one of these rules is refused.
- Before any other tool, call archival_search or archival_search with {"query": "open tasks", "limit": 3}.
- Right after a, call only b or c.
- Call b or c only once a was called.
- Right after a, go by its answer: call b if it is "yes", c if it is "no", d otherwise.
- Right after a, go by its answer: call b if it is "not found", any tool otherwise.
- Right after a, go by its answer: call b if it is "yes, all", c if it is "", d if it is "*", any tool otherwise.
- After a, go on with another call.
- a ends the step: call it last.
- Call a before you end the step.
- Call a at most 3 times in one step.
- send-mail/v2 waits until a person has approved the call.
</tool_usage_rules>\
""")  # noqa: E501 (its sentences are one line each)


def test_for_a_connection_the_prompt_says_nothing_of_a_loop() -> None:
    told = compile_rules(list(WRITTEN.values()), "connection")

    assert "in one connection" in told
    assert "step" not in told
    assert "go on" not in told


def test_without_rules_the_prompt_says_nothing() -> None:
    assert compile_rules([]) == ""
    assert compile_rules([TerminalRule(tool="a")], "connection") == ""


@given(rule=rules)
def test_every_rule_has_its_line_in_the_prompt(rule: ToolRule) -> None:
    _, _, *lines, _ = compile_rules([rule, rule]).split("\n")

    assert len(lines) == 1
    assert all(tool in lines[0] for tool in rule.named)
