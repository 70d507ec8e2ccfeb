"""Configurations as texts: what is not ours stays as it stands, comments and order with it."""

import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.errors import ConfigurationRefused
from memory_mcp.hosts.formats import json_text, toml_text, yaml_list, yaml_text

SERVER = {"command": "/opt/ü x/memory-mcp", "args": ["--tools", "capture"]}

ZED = """\
// Zed settings
{
  "theme": "One Dark", // dark
  /* servers */
  "context_servers": {
    "other": {
      "command": "other", // ours is not this
      "args": [],
    },
  },
  // the end
}
"""

keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
indents = st.sampled_from([None, 1, 2, 4, "\t"])


def plain(text: str) -> Any:
    """JSON with comments, read by somebody else's rules: comments and last commas taken out."""
    strings_or_comments = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
    bare = strings_or_comments.sub(lambda found: found[1] or "", text)
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", bare))


def test_comments_order_and_commas_of_others_stay() -> None:
    after = json_text.put(ZED, ["context_servers", "memory"], SERVER, comments=True)
    assert plain(after)["context_servers"]["memory"] == SERVER
    lines = iter(after.splitlines())
    assert all(line in lines for line in ZED.splitlines() if line.strip() not in ("}", "},"))
    assert json_text.remove(after, ["context_servers", "memory"], comments=True) == ZED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "{ }\n",
        '{"mcpServers": {}}',
        '{"mcpServers":{"other":{"command":"x"}},"theme":"dark"}',
        '{\r\n\t"mcpServers": {\r\n\t\t"other": {}\r\n\t}\r\n}\r\n',
        '{\n    "a": [1, 2],\n    "mcpServers": {\n        "other": {"command": "x"}\n    }\n}\n',
        '\ufeff{"a": 1}',
    ],
)
def test_a_server_comes_and_goes_in_any_layout(text: str) -> None:
    before = json.loads(text.lstrip("\ufeff") or "{}")
    after = json_text.put(text, ["mcpServers", "memory"], SERVER, comments=False)
    told = json.loads(after.lstrip("\ufeff"))
    assert told["mcpServers"].pop("memory") == SERVER
    assert told == before | {"mcpServers": before.get("mcpServers", {})}
    assert json_text.put(after, ["mcpServers", "memory"], SERVER, comments=False) == after
    assert after.count("\r\n") in (0, after.count("\n"))
    gone = json_text.remove(after, ["mcpServers", "memory"], comments=False)
    left = json.loads(gone.lstrip("\ufeff") or "{}")
    assert {"mcpServers": {}, **left} == {"mcpServers": {}, **before}


def test_what_somebody_added_to_our_server_stays() -> None:
    text = '{"mcpServers": {"memory": {"command": "old", "args": [], "disabled": true}}}'
    told = json.loads(json_text.put(text, ["mcpServers", "memory"], SERVER, comments=False))
    assert told == {"mcpServers": {"memory": {**SERVER, "disabled": True}}}


@given(told=st.dictionaries(keys, values, max_size=4), indent=indents, key=keys, value=values)
def test_a_value_is_put_in_and_taken_out_of_any_object(
    told: dict[str, Any], indent: int | str | None, key: str, value: Any
) -> None:
    text = json.dumps(told, indent=indent, ensure_ascii=False)
    if key in told:
        del told[key]
        assert json.loads(json_text.remove(text, [key], comments=False) or "{}") == told
        return
    after = json_text.put(text, [key], value, comments=False)
    assert json.loads(after) == {**told, key: value}
    assert list(json.loads(after)) == [*told, key]
    assert json.loads(json_text.remove(after, [key], comments=False)) == told


@given(items=st.lists(values, max_size=4), indent=indents, place=st.integers(0, 4))
def test_an_item_is_added_and_taken_out_of_any_list(
    items: list[Any], indent: int | str | None, place: int
) -> None:
    mark = {"ours": True}
    text = json.dumps({"list": items}, indent=indent)
    added = json_text.add(text, ["list"], mark, comments=False)
    assert json.loads(added)["list"] == [*items, mark]
    inside = json.dumps({"list": [*items[:place], mark, *items[place:]]}, indent=indent)
    gone = json_text.remove_items(inside, ["list"], lambda item: item == mark, comments=False)
    assert json.loads(gone).get("list", []) == items


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,}', "line 1, column 8"),
        ('{"a": 1 // no\n}', "line 1, column 9"),
        ('{"a": x}', "line 1, column 7"),
        ('{"a": 1', "the end"),
        ("{'a': 1}", "line 1, column 2"),
        ('{"a": 1} {}', "line 1, column 10"),
        ("[1, 2]", "the whole file is no object"),
        ('{"mcpServers": []}', "mcpServers is no object"),
        ("[" * 1000, "nested more than 200 deep"),
    ],
)
def test_what_is_not_valid_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(ConfigurationRefused, match=re.escape(said)):
        json_text.put(text, ["mcpServers", "memory"], SERVER, comments=False)


# TOML.

CODEX = """\
# Codex
model = "gpt-5.5"

[mcp_servers.other] # theirs
command = "other"
args = ["[x]"]

[mcp_servers.other.env]
A = "1"

[tui]
theme = "dark"
"""


@pytest.mark.parametrize("text", ["", CODEX, CODEX.rstrip("\n"), CODEX.replace("\n", "\r\n")])
def test_a_toml_table_comes_and_goes(text: str) -> None:
    after = toml_text.put(text, ["mcp_servers", "memory"], SERVER)
    told = tomllib.loads(after.replace("\r\n", "\n"))
    assert told["mcp_servers"].pop("memory") == SERVER
    assert after.startswith(text)
    assert toml_text.put(after, ["mcp_servers", "memory"], SERVER) == after
    assert toml_text.remove(after, ["mcp_servers", "memory"]).rstrip() == text.rstrip()
    assert after.count("\r\n") in (0, after.count("\n"))


def test_a_toml_table_is_changed_where_it_stands() -> None:
    text = CODEX.replace("other", "memory") + "\n[last]\nx = 1\n"
    after = toml_text.put(text, ["mcp_servers", "memory"], {**SERVER, "args": []})
    told = tomllib.loads(after)
    assert told["mcp_servers"]["memory"] == {**SERVER, "args": [], "env": {"A": "1"}}
    assert "# theirs" in after
    assert "memory" not in toml_text.remove(after, ["mcp_servers", "memory"])


@pytest.mark.parametrize(
    "text",
    [
        "mcp_servers = { memory = { command = 'x' } }\n",
        "mcp_servers.memory.command = 'x'\n",
        "[mcp_servers]\nmemory = { command = 'x' }\n",
    ],
)
def test_toml_written_another_way_is_left_alone(text: str) -> None:
    with pytest.raises(ConfigurationRefused, match="cannot be changed safely"):
        toml_text.put(text, ["mcp_servers", "memory"], SERVER)


def test_toml_that_is_not_valid_is_refused() -> None:
    with pytest.raises(ConfigurationRefused, match="line 1"):
        toml_text.put("a = \n", ["mcp_servers", "memory"], SERVER)


@given(text=st.text(max_size=20))
def test_any_text_is_a_toml_value(text: str) -> None:
    after = toml_text.put("", ["a"], {"command": text, "args": [text]})
    assert tomllib.loads(after)["a"] == {"command": text, "args": [text]}


# YAML.

GOOSE = """\
# goose
GOOSE_MODEL: gpt-5.5
extensions:
  # built in
  developer:
    enabled: true
    type: builtin

    args: [a]
  memory2:
    enabled: false
GOOSE_MODE: auto
"""


@pytest.mark.parametrize("text", ["", GOOSE, "extensions:\n", GOOSE.replace("\n", "\r\n")])
def test_a_yaml_entry_comes_and_goes(text: str) -> None:
    after = yaml_text.put(text, "extensions", "memory", SERVER)
    assert '    args: ["--tools", "capture"]' in after.splitlines()
    assert yaml_text.put(after, "extensions", "memory", SERVER) == after
    gone = yaml_text.remove(after, "extensions", "memory")
    assert gone in (text, text.replace("extensions:\n", ""))
    assert after.count("\r\n") in (0, after.count("\n"))


def test_a_yaml_entry_stands_in_its_section_and_is_replaced_whole() -> None:
    after = yaml_text.put(GOOSE, "extensions", "memory", SERVER)
    assert after.index("memory2:") < after.index("  memory:") < after.index("GOOSE_MODE:")
    other = yaml_text.put(after, "extensions", "memory", {"cmd": "other"})
    assert other == after.replace(
        '    command: "/opt/ü x/memory-mcp"\n    args: ["--tools", "capture"]\n',
        '    cmd: "other"\n',
    )


@pytest.mark.parametrize(
    "text", ["extensions: {a: 1}\n", "a:\n\tb: 1\n", "a: 1\n---\nb: 2\n---\n", "{a: 1}\n", "just\n"]
)
def test_yaml_of_another_style_is_left_alone(text: str) -> None:
    with pytest.raises(ConfigurationRefused):
        yaml_text.put(text, "extensions", "memory", SERVER)


# A list of named items, as Continue's.

CONTINUE = """\
# mine
name: Lab
mcpServers:
  - name: other # not ours
    command: o
    env:
      name: memory
  # before the last
  - command: x
    name: "memory2"
models:
  - name: memory
"""
ITEM = {"name": "memory", **SERVER}


@pytest.mark.parametrize(
    "text",
    [
        "",
        CONTINUE,
        CONTINUE.replace("\n", "\r\n"),
        CONTINUE.replace("\n  ", "\n"),
        "name: x\nmcpServers:\nmodels: []\n",
    ],
)
def test_a_named_item_comes_and_goes(text: str) -> None:
    after = yaml_list.put(text, "mcpServers", ITEM)
    assert yaml_list.put(after, "mcpServers", ITEM) == after
    assert yaml_list.read_item(after, "mcpServers", "memory") == ITEM
    gone = yaml_list.remove(after, "mcpServers", "memory")
    assert gone in (text, text.replace("mcpServers:\n", ""))
    assert after.count("\r\n") in (0, after.count("\n"))


def test_a_named_item_is_replaced_whole_and_the_others_stay() -> None:
    after = yaml_list.put(CONTINUE, "mcpServers", ITEM)
    assert after.index("memory2") < after.index('- name: "memory"') < after.index("models:")
    other = yaml_list.put(after, "mcpServers", {"name": "memory", "command": "c"})
    assert '  - name: "memory"\n    command: "c"\nmodels:\n' in other
    assert yaml_list.remove(other, "mcpServers", "memory") == CONTINUE


def test_an_empty_list_on_one_line_becomes_a_block() -> None:
    after = yaml_list.put("mcpServers: []\nname: x\n", "mcpServers", ITEM)
    assert after.startswith('mcpServers:\n  - name: "memory"\n')
    assert after.endswith("name: x\n")


@pytest.mark.parametrize("text", ["mcpServers: [{name: a}]\n", "mcpServers:\n  a: 1\n", "{a: 1}\n"])
def test_a_list_of_another_style_is_left_alone(text: str) -> None:
    with pytest.raises(ConfigurationRefused):
        yaml_list.put(text, "mcpServers", ITEM)
