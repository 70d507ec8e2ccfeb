"""Letta's tools: which are ours under other names, which work on memory, and rules about them."""

from typing import Any, cast

from memory_mcp.domain.host_events import own_tool

OUR_TOOLS = {
    "archival_insert": "archival_memory_insert",
    "archival_search": "archival_memory_search",
    "conversation_search": "conversation_search",
    "core_memory_append": "core_memory_append",
    "core_memory_replace": "core_memory_replace",
    "send_message": "send_message",
    "send_to_agent": "send_message_to_agent_async",
}
"""Tools of ours that tool rules may be about, by what Letta calls them."""
_FROM_LETTA = {theirs: ours for ours, theirs in OUR_TOOLS.items()} | {
    "archival_insert": "archival_insert",
    "archival_search": "archival_search",
    "send_message_to_agent_and_wait_for_reply": "send_to_agent",
}
_OUT_KINDS = {
    "init": "run_first",
    "child": "constrain_child_tools",
    "parent": "parent_last_tool",
    "continue": "continue_loop",
    "terminal": "exit_loop",
}
_NAMES = ("tool_name", "children", "child_output_mapping", "default_child")

SPEECH = "send_message"
"""What is sent with it is what the agent says."""
_MEMORY_TOOLS = frozenset(
    {
        "archival_memory_insert",
        "archival_memory_search",
        "conversation_search",
        "core_memory_append",
        "core_memory_replace",
        "finish_rethinking_memory",
        "memory",
        "memory_apply_patch",
        "memory_finish_edits",
        "memory_insert",
        "memory_replace",
        "memory_rethink",
        "rethink_user_memory",
        "search_memory",
        "store_memories",
    }
)
BUILT_IN = ("letta_", "memgpt_")
"""How the types begin of tools that come with Letta."""
_TYPES = {
    "core_memory_append": "letta_memory_core",
    "core_memory_replace": "letta_memory_core",
    "send_message_to_agent_async": "letta_multi_agent_core",
}
_WORKS_WITH = (
    "archival_memory_insert",
    "archival_memory_search",
    "conversation_search",
    "core_memory_append",
    "core_memory_replace",
)
"""What an agent needs there to do with its memory what it does here."""


def is_memory_tool(name: str) -> bool:
    """Whether a tool only reads or writes memory: what it did is in memory already."""
    return name in _MEMORY_TOOLS or own_tool(name) is not None


def with_our_names(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule with our tools under our names."""
    return _renamed(rule, _FROM_LETTA)


def rule_out(rule: dict[str, Any]) -> dict[str, Any]:
    """A stored rule in Letta's words."""
    kind = _OUT_KINDS.get(rule["type"], rule["type"])
    return {**_renamed(rule, OUR_TOOLS), "type": kind, "prompt_template": None}


def tools_of(rules: list[dict[str, Any]]) -> list[str]:
    """The names of the tools that an agent with these rules needs there, in order."""
    names = {name for rule in rules for name in _named(rule_out(rule))}
    return sorted({*_WORKS_WITH, *names})


def tool_out(name: str, tool_id: str) -> dict[str, Any]:
    """One of Letta's own tools; code and schema are the server's own."""
    kind = _TYPES.get(name, "letta_core")
    return {
        "id": tool_id,
        "tool_type": kind,
        "description": None,
        "source_type": "python",
        "name": name,
        "tags": [kind],
        "source_code": None,
        "json_schema": None,
        "args_json_schema": None,
        "return_char_limit": 50_000,
        "pip_requirements": None,
        "npm_requirements": None,
        "default_requires_approval": None,
        "enable_parallel_execution": False,
        "created_by_id": None,
        "last_updated_by_id": None,
        "metadata_": {},
        "project_id": None,
    }


def _named(rule: dict[str, Any]) -> set[str]:
    found = {rule["tool_name"], *rule.get("children", ())}
    found |= set(rule.get("child_output_mapping", {}).values())
    return {name for name in (*found, rule.get("default_child")) if name}


def _renamed(rule: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    def told(value: Any) -> Any:
        if isinstance(value, str):
            return names.get(value, value)
        if isinstance(value, list):
            return [told(each) for each in cast("list[Any]", value)]
        if isinstance(value, dict):
            return {key: told(each) for key, each in cast("dict[str, Any]", value).items()}
        return value

    return {key: told(value) if key in _NAMES else value for key, value in rule.items()}
