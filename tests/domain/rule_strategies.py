"""Tool rules of every kind, for properties: over few tools, so that rules often meet."""

from typing import Any

from hypothesis import strategies as st

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
)

TOOLS = ("a", "b", "c", "d")
OUTPUTS = ("", "yes", "no", "3", 'say "yes", then = or > or *', "*", "two\nlines", "é ☕", "a\\")

tools = st.sampled_from(TOOLS)
children = st.lists(tools, min_size=1, max_size=3, unique=True).map(tuple)
cases = st.dictionaries(st.sampled_from(OUTPUTS), tools, min_size=1, max_size=3).map(
    lambda cases: tuple(cases.items())
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aé東\"\\{}>,=:\n ", max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=5,
)  # fmt: skip
arguments: st.SearchStrategy[dict[str, Any] | None] = st.none() | st.dictionaries(
    st.text("ab", min_size=1, max_size=2), json_values, max_size=2
)
rules: st.SearchStrategy[ToolRule] = st.one_of(
    st.builds(InitRule, tool=tools, arguments=arguments),
    st.builds(ChildRule, tool=tools, children=children),
    st.builds(ParentRule, tool=tools, children=children),
    st.builds(ConditionalRule, tool=tools, cases=cases, default=st.none() | tools),
    st.builds(ContinueRule, tool=tools),
    st.builds(TerminalRule, tool=tools),
    st.builds(RequiredBeforeExitRule, tool=tools),
    st.builds(MaxCountPerStepRule, tool=tools, max_count=st.integers(1, 3)),
    st.builds(RequiresApprovalRule, tool=tools),
)
