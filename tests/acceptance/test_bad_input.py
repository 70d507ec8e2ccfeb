"""Bad input, at every tool and below them: a clear answer each time, and nothing changed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import CLIENT, MODERN, Answer, Server, text_of

from memory_mcp.storage.sqlite.driver import sqlite_module

ANSWER_CHARS_MAX = 8_000
"""An answer to bad input must not fill the context of the model that sent it."""

HALF = "\ud800"
BIG = "x" * 10_000_000

# What works at every tool; each test spoils one argument.
GOOD: dict[str, dict[str, Any]] = {
    "core_memory_append": {"label": "human", "content": "Another line."},
    "core_memory_replace": {"label": "human", "new_content": "B.", "old_content": "Name: Ana."},
    "conversation_search": {
        "query": "tides",
        "roles": ["user"],
        "start_date": "2026-01-01",
        "end_date": "2026-12-31",
        "limit": 5,
        "cursor": None,
    },
    "archival_insert": {
        "content": "Another passage.",
        "tags": ["one"],
        "occurred_at": "2026-11-18",
    },
    "archival_search": {
        "query": "tides",
        "tags": ["decision"],
        "tag_match": "any",
        "start_date": "2026-01-01",
        "end_date": "2026-12-31",
        "limit": 5,
        "cursor": None,
    },
    "conversation_append": {
        "role": "user",
        "content": "Another message.",
        "name": "Ana",
        "conversation": "chat-1",
        "created_at": "2026-11-20",
    },
}
REQUIRED = {
    "core_memory_append": {"label", "content"},
    "core_memory_replace": {"label", "new_content"},
    "conversation_search": set[str](),
    "archival_insert": {"content"},
    "archival_search": {"query"},
    "conversation_append": {"role", "content"},
}
LISTS = {"tags", "roles"}
EVERY_ARGUMENT = [(tool, name) for tool, given in GOOD.items() for name in given]
TEXTS = [(tool, name) for tool, name in EVERY_ARGUMENT if name != "limit"]

# Where a name alone does not tell which argument is meant, the answer's words for it.
WORDS = {"label": "block", "roles": "role", "tags": "tag"}


@pytest.fixture(scope="module", params=[False, True], ids=["in-process", "daemon"])
def through_daemon(request: pytest.FixtureRequest) -> bool:
    """Whether the host's process is a bridge."""
    return request.param


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, through_daemon: bool) -> Path:
    """The store."""
    return tmp_path_factory.mktemp("bad-input") / "memory.db"


@pytest.fixture(scope="module")
def server(database: Path, through_daemon: bool) -> Iterator[Server]:
    """One process for all: no bad input may harm the next request."""
    given = ("--tools", "capture", "--structured")
    with Server(database, *given, daemon=through_daemon) as running:
        running.greet()
        running.call("core_memory_append", label="human", content="Name: Ana.")
        running.call("archival_insert", content="The tides of Porto.", tags=["decision"])
        running.call("archival_insert", content="Postgres was not chosen.", tags=["decision"])
        running.call("conversation_append", role="user", content="When are the tides high?")
        running.call("conversation_append", role="user", content="And the tides at night?")
        yield running


@pytest.fixture
def nothing_changes(server: Server, database: Path) -> Iterator[None]:
    """Whatever the test sends, the store holds the same afterwards."""
    before = dump(database)
    yield
    assert dump(database) == before


def dump(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, the indexes' own included."""
    connection = sqlite_module().connect(database)
    try:
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'"
        ).fetchall()
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}
    finally:
        connection.close()


def refusal_of(server: Server, tool: str, **arguments: Any) -> str:
    """The text a model reads of a call that must be refused."""
    result = server.call(tool, **arguments)
    assert result.get("isError"), f"it was not refused: {text_of(result)[:500]}"
    assert "structuredContent" not in result
    text = text_of(result)
    assert 15 < len(text) < ANSWER_CHARS_MAX, f"{len(text):,} characters: {text[:200]}…"
    assert "Traceback" not in text
    assert "pydantic" not in text
    return text


def spoiled(tool: str, name: str, value: Any) -> dict[str, Any]:
    """Arguments that would do, but for one."""
    given = GOOD[tool] | {name: value}
    # A wrong date must be refused for itself, not because of the other.
    return {key: told for key, told in given.items() if told is not None or key == name}


def names(name: str, text: str) -> bool:
    """Whether an answer says which argument it is about."""
    return name in text or WORDS.get(name, name) in text


def wrong_types(name: str) -> list[Any]:
    """What no argument of that name may be."""
    if name == "limit":
        return [True, 5.5, "five", [5], {"n": 5}]
    if name in LISTS:
        return [True, 5, "one", {"one": 1}, [1], [True], [None], [["one"]]]
    return [True, 5, 5.5, ["x"], {"x": 1}]


def shortly(value: object) -> str:
    """A value as part of a test's name."""
    return repr(value)[:30]


WRONG = [
    pytest.param(tool, name, value, id=f"{tool}-{name}-{json.dumps(value)}")
    for tool, name in EVERY_ARGUMENT
    for value in wrong_types(name)
]


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(("tool", "name", "value"), WRONG)
def test_an_argument_of_a_wrong_type_is_refused_by_name(
    server: Server, tool: str, name: str, value: Any
) -> None:
    assert name in refusal_of(server, tool, **spoiled(tool, name, value))


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("tool", "name"), [(tool, name) for tool, name in EVERY_ARGUMENT if name in REQUIRED[tool]]
)
def test_a_required_argument_that_is_missing_or_null_is_refused_by_name(
    server: Server, tool: str, name: str
) -> None:
    without = {key: value for key, value in GOOD[tool].items() if key != name}
    assert f"{name} is missing" in refusal_of(server, tool, **without)
    assert name in refusal_of(server, tool, **GOOD[tool] | {name: None})


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("tool", "name"),
    [
        (tool, name)
        for tool, name in EVERY_ARGUMENT
        if "search" in tool and name not in REQUIRED[tool]
    ],
)
@pytest.mark.parametrize("empty", [None, "", []], ids=repr)
def test_an_optional_argument_that_is_null_or_empty_is_not_given(
    server: Server, tool: str, name: str, empty: Any
) -> None:
    without = {key: told for key, told in GOOD[tool].items() if key != name and told is not None}
    told = server.call(tool, **without, **{name: empty})
    assert not told["isError"], text_of(told)
    assert told == server.call(tool, **without)


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("empty", ["", " "], ids=repr)
def test_an_empty_text_to_replace_rewrites_no_block(server: Server, empty: str) -> None:
    given = {"label": "human", "old_content": empty, "new_content": "All is lost."}
    text = refusal_of(server, "core_memory_replace", **given)
    assert text.startswith("old_content is empty, which says no place; nothing was changed.")
    assert "leave old_content out or give all the block's present text" in text


@pytest.mark.usefixtures("nothing_changes")
def test_an_empty_list_in_the_place_of_that_text_rewrites_no_block_either(server: Server) -> None:
    given = {"label": "human", "old_content": [], "new_content": "All is lost."}
    assert "old_content must be text" in refusal_of(server, "core_memory_replace", **given)


def test_a_writer_that_fills_in_every_argument_is_understood(tmp_path: Path) -> None:
    with Server(tmp_path / "memory.db", "--tools", "capture") as server:
        server.greet()
        for empty in (None, ""):
            blank = dict.fromkeys(("name", "conversation", "created_at"), empty)
            said = server.call("conversation_append", role="user", content="Hello.", **blank)
            filed = server.call("archival_insert", content="Tides.", tags=empty, occurred_at=empty)
            mail = dict.fromkeys(("tags", "wait_seconds", "in_reply_to"), empty)
            sent = server.call("send_to_agent", message="status", to="shadow", **mail)
            nobody = server.call("send_to_agent", message="Hello?", to=empty, **mail)
            for result in (said, filed, sent):
                assert not result["isError"], text_of(result)
            assert text_of(nobody).startswith("neither to nor tags was given")
        gone = {"label": "human", "new_content": "Rewritten.", "old_content": None}
        assert not server.call("core_memory_replace", **gone)["isError"]
        conversations = json.loads(server.read("memory://conversations"))
    assert [one["messages"] for one in conversations] == [2]


def test_a_prompts_argument_may_be_null_and_an_address_may_end_in_a_slash(server: Server) -> None:
    def prompt(**arguments: object) -> str:
        told = server.ask("prompts/get", {"name": "memory", "arguments": arguments})
        return told["result"]["messages"][0]["content"]["text"].split("- Compiled at")[0]

    assert prompt(topic=None) == prompt(topic="") == prompt()
    for uri in ("memory://blocks", "memory://conversations"):
        assert server.read(f"{uri}/") == server.read(uri)


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("tool", "name"),
    [
        ("core_memory_append", "label"),
        ("core_memory_append", "content"),
        ("core_memory_replace", "label"),
        ("core_memory_replace", "old_content"),
        ("archival_insert", "content"),
        ("archival_insert", "tags"),
        ("archival_search", "query"),
        ("archival_search", "tags"),
        ("conversation_search", "roles"),
        ("conversation_append", "role"),
        ("conversation_append", "content"),
    ],
)
@pytest.mark.parametrize("blank", ["", " ", "\n\t\u00a0"], ids=repr)
def test_empty_and_blank_text_is_refused_by_name(
    server: Server, tool: str, name: str, blank: str
) -> None:
    value = [blank] if name in LISTS else blank
    assert names(name, refusal_of(server, tool, **spoiled(tool, name, value)))


@pytest.mark.usefixtures("nothing_changes")
def test_a_speaker_whose_name_is_blank_is_refused(server: Server) -> None:
    given = spoiled("conversation_append", "name", " ")
    assert "name" in refusal_of(server, "conversation_append", **given)


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(("tool", "name"), TEXTS)
def test_ten_megabytes_are_refused_in_a_short_answer(server: Server, tool: str, name: str) -> None:
    value = [BIG] if name in LISTS else BIG
    assert names(name, refusal_of(server, tool, **spoiled(tool, name, value)))


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(("tool", "name"), TEXTS)
def test_a_nul_character_is_refused_by_name(server: Server, tool: str, name: str) -> None:
    value = ["a\0b"] if name in LISTS else "a\0b"
    assert names(name, refusal_of(server, tool, **spoiled(tool, name, value)))


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(("tool", "name"), TEXTS)
def test_half_a_character_is_refused(server: Server, tool: str, name: str) -> None:
    value = [f"a{HALF}"] if name in LISTS else f"a{HALF}"
    text = refusal_of(server, tool, **spoiled(tool, name, value))
    assert "unpaired surrogate" in text
    assert "half of a character" in text


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("tool", ["conversation_search", "archival_search"])
@pytest.mark.parametrize("limit", [0, -1, 51, 1_000_000, 1e30, -1e30, 10**400, "1e2"])
def test_a_limit_out_of_range_is_refused(server: Server, tool: str, limit: float | str) -> None:
    assert "limit" in refusal_of(server, tool, query="tides", limit=limit)


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("tool", "name"),
    [
        ("conversation_search", "start_date"),
        ("conversation_search", "end_date"),
        ("archival_search", "start_date"),
        ("archival_search", "end_date"),
        ("archival_insert", "occurred_at"),
        ("conversation_append", "created_at"),
    ],
)
@pytest.mark.parametrize(
    "date",
    [
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "22.11.2026",
        "2026",
        " ",
        "2026-11-22T25:00:00",
        "0000-01-01",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "1763812800",
    ],
)
def test_a_date_that_is_none_is_refused_by_name_with_an_example(
    server: Server, tool: str, name: str, date: str
) -> None:
    text = refusal_of(server, tool, **spoiled(tool, name, date))
    assert text.startswith(f"{name} {date!r} is not a date.")
    assert "2026-11-22T14:05:00Z" in text


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("tool", ["conversation_search", "archival_search"])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-02-02", "2026-02-01"),
        ("2026-02-02T10:00:00Z", "2026-02-02T09:59:59Z"),
        ("2026-02-02T00:30:00Z", "2026-02-02T01:00:00+02:00"),
    ],
)
def test_an_end_before_the_start_is_refused(
    server: Server, tool: str, start: str, end: str
) -> None:
    text = refusal_of(server, tool, query="tides", start_date=start, end_date=end)
    assert text.startswith(f"end_date {end} lies before start_date {start}.")


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("tool", list(GOOD))
@pytest.mark.parametrize(
    "unknown", ["contents", "top_k", "", "x" * 100_000, "__class__", "call"], ids=shortly
)
def test_an_unknown_argument_is_refused_and_the_known_are_told(
    server: Server, tool: str, unknown: str
) -> None:
    text = refusal_of(server, tool, **GOOD[tool] | {unknown: "x"})
    assert f"has no argument {unknown[:40]!r}" in text
    assert all(name in text for name in GOOD[tool])


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("tool", ["conversation_search", "archival_search"])
@pytest.mark.parametrize("cursor", ["nonsense", " ", "5", "-1-00000000", "5-00000000", "0x5-00"])
def test_a_cursor_that_is_none_is_refused_with_the_next_move(
    server: Server, tool: str, cursor: str
) -> None:
    text = refusal_of(server, tool, query="tides", cursor=cursor)
    assert "cursor" in text
    assert "Repeat the search without cursor" in text


@pytest.mark.usefixtures("nothing_changes")
def test_a_cursor_of_another_search_is_refused(server: Server) -> None:
    first = server.call("archival_search", query="tides", limit=1)
    cursor = first["structuredContent"]["cursor"]
    latest = server.call("conversation_search", limit=1)["structuredContent"]["cursor"]
    assert cursor
    assert latest
    for tool, given in (
        ("archival_search", {"query": "another", "cursor": cursor}),
        ("archival_search", {"query": "tides", "cursor": cursor, "tags": ["decision"]}),
        ("conversation_search", {"query": "tides", "cursor": cursor}),
        ("conversation_search", {"cursor": cursor}),
        ("conversation_search", {"query": "tides", "cursor": latest}),
        ("archival_search", {"query": "tides", "cursor": latest}),
    ):
        assert "does not belong to this search" in refusal_of(server, tool, **given)
    goes_on = server.call("archival_search", query="tides", limit=1, cursor=cursor)
    assert not goes_on["isError"]


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize("tool", ["conversation_search", "archival_search"])
@pytest.mark.parametrize(
    "query",
    [
        "AND",
        "tides AND",
        "NOT tides",
        "tides OR",
        '"',
        '""',
        '"tides',
        'ti"des',
        "(tides",
        ")",
        "NEAR(tides porto, 5)",
        "NEAR/5",
        "text:tides",
        "{text neighbours}: tides",
        "- text : tides",
        "^tides",
        "tides*",
        "*",
        "+tides",
        "'; DROP TABLE messages; --",
        "tides'",
        "\\",
        "%",
        "rank:'bm25(10.0)'",
        "🌊",
        "?",
        "w " * 5_000,
    ],
    ids=shortly,
)
def test_signs_and_operators_of_the_index_are_ordinary_text_in_a_query(
    server: Server, tool: str, query: str
) -> None:
    result = server.call(tool, query=query)
    assert not result["isError"], text_of(result)
    if "tides" in query:
        assert "tides" in text_of(result)


@pytest.mark.usefixtures("nothing_changes")
def test_a_block_that_is_not_there_is_refused_with_those_there_are(server: Server) -> None:
    for tool in ("core_memory_append", "core_memory_replace"):
        text = refusal_of(server, tool, **GOOD[tool] | {"label": "humans"})
        assert text == "there is no block 'humans'. The blocks are: persona, human, project."


@pytest.mark.usefixtures("nothing_changes")
def test_text_to_replace_that_is_not_there_once_is_refused(server: Server) -> None:
    absent = refusal_of(
        server, "core_memory_replace", label="human", old_content="Bob", new_content="Ana"
    )
    assert absent.startswith("old_content was not found in block 'human': 'Bob'.")
    twice = refusal_of(
        server, "core_memory_replace", label="human", old_content="a", new_content="b"
    )
    assert "old_content stands 2 times in block 'human', on lines 1, 1: 'a'." in twice


@pytest.mark.usefixtures("nothing_changes")
def test_a_block_past_its_limit_is_refused_with_the_numbers(server: Server) -> None:
    text = refusal_of(server, "core_memory_append", label="human", content="x" * 5_001)
    assert "content has a line of 5,001 characters" in text
    rewrite = refusal_of(server, "core_memory_replace", label="human", new_content="x" * 5_001)
    assert "5,001 of 5,000 characters (1 too many; it has 10 now)" in rewrite


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("method", "params", "told"),
    [
        ("tools/call", {"name": "no_such_tool", "arguments": {}}, "no_such_tool"),
        ("tools/call", {"name": 5, "arguments": {}}, ""),
        ("tools/call", {"arguments": {}}, ""),
        ("tools/call", {"name": "archival_search", "arguments": ["tides"]}, ""),
        ("tools/call", {"name": "archival_search", "arguments": "tides"}, ""),
        ("tools/call", {"name": "archival_search"}, "query is missing"),
        ("resources/read", {"uri": "memory://nowhere"}, "memory://nowhere"),
        ("resources/read", {"uri": "memory://blocks/humans"}, "there is no block 'humans'"),
        ("resources/read", {"uri": "memory://passages/humans"}, "there is no passage 'humans'"),
        ("resources/read", {"uri": "memory://conversations/1"}, "there is no conversation '1'"),
        ("resources/read", {"uri": "memory://blocks/..%2f..%2fetc"}, ""),
        ("resources/read", {"uri": "file:///etc/passwd"}, ""),
        ("resources/read", {"uri": 5}, ""),
        ("resources/read", {}, ""),
        ("prompts/get", {"name": "no_such_prompt"}, "no_such_prompt"),
        ("prompts/get", {"name": "memory", "arguments": {"topic": "x" * 10_001}}, "10,001"),
        ("prompts/get", {"name": "memory", "arguments": {"topic": "a\0b"}}, "NUL"),
        ("prompts/get", {"name": "memory", "arguments": {"topc": "tides"}}, "topc"),
        ("prompts/get", {"name": "memory", "arguments": {"topic": 5}}, ""),
        ("completion/complete", {"ref": {"type": "ref/nothing"}, "argument": {}}, ""),
        ("no/such/method", {}, ""),
    ],
)
def test_a_wrong_request_is_answered_with_an_error_that_says_what_is_wrong(
    server: Server, method: str, params: Answer, told: str
) -> None:
    answer = server.ask(method, params)
    if "result" in answer:
        assert answer["result"]["isError"]
    else:
        assert answer["error"]["code"] in (-32601, -32602)
    assert told in text_of(answer.get("result", answer))


NO_MESSAGES = {
    "malformed": (b'{"jsonrpc":', -32700),
    "no UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"pi\xffng"}', -32700),
    "two on a line": (b'{"jsonrpc":"2.0","id":1,"method":"ping"} {}', -32700),
    "a word": (b"hello", -32700),
    "NUL": (b"\0", -32700),
    "a hole": (b"[" * 100_000, -32700),
    "null": (b"null", -32600),
    "a number": (b"5", -32600),
    "a text": (b'"ping"', -32600),
    "an empty batch": (b"[]", -32600),
    "a batch": (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
    "an object": (b"{}", -32600),
    "another version": (b'{"jsonrpc":"1.0","id":7,"method":"ping"}', -32600),
    "no version": (b'{"id":7,"method":"ping"}', -32600),
    "no method": (b'{"jsonrpc":"2.0","id":7}', -32600),
    "a method that is a number": (b'{"jsonrpc":"2.0","id":7,"method":5}', -32600),
    "params that are a list": (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}', -32600),
    "an id that is null": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
    "an id that is true": (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
    "an id that is a fraction": (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
    "an id that is a list": (b'{"jsonrpc":"2.0","id":[1],"method":"ping"}', -32600),
}


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(("line", "code"), NO_MESSAGES.values(), ids=NO_MESSAGES)
def test_a_line_that_is_no_message_is_answered_at_once(
    server: Server, line: bytes, code: int
) -> None:
    server.write(line + b"\n")
    mark = server.request("ping")
    answer = server.receive()
    assert answer.get("id") != mark, "the line was not answered"
    assert answer["error"]["code"] == code
    assert answer["id"] == (7 if b'"id":7' in line else None)
    assert server.receive()["id"] == mark


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    "depth", [200, 500, 900, *range(930, 1_000, 3), 1_500], ids=lambda depth: f"depth {depth}"
)
def test_deeply_nested_input_is_answered(server: Server, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    server.write(b'{"jsonrpc":"2.0","id":"deep","method":"tools/call","params":' + nested + b"}\n")
    mark = server.request("ping")
    answer = server.receive()
    assert answer.get("id") != mark, "the line was not answered"
    assert answer["error"]["code"] in (-32700, -32600)
    assert server.receive()["id"] == mark


@pytest.mark.usefixtures("nothing_changes")
def test_empty_lines_are_passed_over(server: Server) -> None:
    server.write(b"\n   \n\r\n\t\n")
    mark = server.request("ping")
    assert server.receive()["id"] == mark


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("message", "answered_to"),
    [
        ({"id": 900, "method": "tools/call", "params": {"name": HALF, "arguments": {}}}, 900),
        (
            {
                "id": "call-1",
                "method": "tools/call",
                "params": {"name": "archival_insert", "arguments": {HALF: "x"}},
            },
            "call-1",
        ),
        ({"id": 901, "method": "resources/read", "params": {"uri": f"memory://{HALF}"}}, 901),
        ({"id": 902, "method": "prompts/get", "params": {"name": HALF}}, 902),
        ({"id": 903, "method": HALF}, 903),
        ({"id": HALF, "method": "ping"}, None),
        ({"id": HALF, "method": "tools/call", "params": {"name": "archival_search"}}, None),
    ],
)
def test_half_a_character_anywhere_gets_an_answer_under_the_requests_own_id(
    server: Server, message: Answer, answered_to: int | str | None
) -> None:
    server.send({"jsonrpc": "2.0", **message})
    mark = server.request("ping")
    answer = server.receive()
    assert answer["id"] == answered_to
    assert "half of a character" in text_of(answer.get("result", answer))
    assert server.receive()["id"] == mark


def test_half_a_character_is_answered_in_the_later_era_too(tmp_path: Path) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    with Server(tmp_path / "memory.db") as server:
        call = {"name": "archival_insert", "arguments": {"content": HALF}, "_meta": meta}
        refused = server.ask("tools/call", call)["result"]
        call["arguments"] = {"content": "Whole: \U0001f30a"}
        stored = server.ask("tools/call", call)["result"]
    assert (refused["isError"], refused["resultType"]) == (True, "complete")
    assert "half of a character" in text_of(refused)
    assert (stored["isError"], stored["resultType"]) == (False, "complete")


def test_after_all_of_that_the_process_still_does_its_work(server: Server) -> None:
    assert server.read("memory://blocks/human") == "Name: Ana."
    found = server.call("archival_search", query="tides of Porto", limit=1)
    assert found["structuredContent"]["results"][0]["content"] == "The tides of Porto."
