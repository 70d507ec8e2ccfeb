"""Installing for every host, in a home folder of its own, and living a day in what was written."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, LEGACY, command, environment
from tests.capture.conftest import HOSTS as PAYLOADS_OF
from tests.capture.conftest import payload, text_of
from tests.hosts.test_formats import plain

from memory_mcp.config import VARIABLES
from memory_mcp.hosts.host import Places, Program
from memory_mcp.hosts.install import BACKUP, HOSTS, to_install, written_out

NAMES = tuple(HOSTS)
HOOKED = tuple(name for name, host in HOSTS.items() if host.has_hooks)
PROMPT = "We use Postgres 17 for the harbour project, decided today."
ANSWER = "Noted: Postgres 17 it is. The tide tests pass."

FILES = {
    # Where each host looks on Linux; then where its servers are in it.
    "claude-desktop": (".config/Claude/claude_desktop_config.json", "mcpServers"),
    "claude-code": (".claude.json", "mcpServers"),
    "cursor": (".cursor/mcp.json", "mcpServers"),
    "vscode": (".config/Code/User/mcp.json", "servers"),
    "zed": (".config/zed/settings.json", "context_servers"),
    "windsurf": (".codeium/windsurf/mcp_config.json", "mcpServers"),
    "codex": (".codex/config.toml", "mcp_servers"),
    "gemini": (".gemini/settings.json", "mcpServers"),
    "copilot-cli": (".copilot/mcp-config.json", "mcpServers"),
    "qwen": (".qwen/settings.json", "mcpServers"),
    "opencode": (".config/opencode/opencode.json", "mcp"),
    "kilo": (".config/kilo/kilo.json", "mcp"),
    "continue": (".continue/config.yaml", "mcpServers"),
    "cline": (".cline/data/settings/cline_mcp_settings.json", "mcpServers"),
    "hermes": (".hermes/config.yaml", "mcp_servers"),
    "openclaw": (".openclaw/openclaw.json", "mcp"),
    "junie": (".junie/mcp/mcp.json", "mcpServers"),
    "goose": (".config/goose/config.yaml", "extensions"),
}
HOOK_FILES = {
    "claude-code": ".claude/settings.json",
    "cursor": ".cursor/hooks.json",
    "vscode": ".copilot/hooks/memory-mcp.json",
    "codex": ".codex/hooks.json",
    "gemini": ".gemini/settings.json",
    "copilot-cli": ".copilot/settings.json",
    "qwen": ".qwen/settings.json",
}
PLUGINS = {
    "opencode": ".config/opencode/plugin/memory-mcp.js",
    "kilo": ".config/kilo/plugin/memory-mcp.js",
    "cline": ".cline/plugins/memory-mcp.js",
    "hermes": ".hermes/plugins/memory-mcp/__init__.py",
    "openclaw": ".openclaw/extensions/memory-mcp/index.js",
}
WITH_PAYLOADS = tuple(name for name in HOOK_FILES if name in PAYLOADS_OF)


class Home:
    """A person's home folder, with a project in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "Häfen & Schiffe"
        self.project.mkdir(parents=True)
        (self.project / ".git").mkdir()

    @property
    def variables(self) -> dict[str, str]:
        """What a host of this person's passes on."""
        kept = {name: value for name, value in environment().items() if not name.startswith("XDG_")}
        # A store of its own, and an environment whose memory-mcp is this one.
        return kept | {"HOME": str(self.folder)}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of this person's."""
        return subprocess.run(
            command(*words),
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE_SECONDS,
            check=False,
        )

    def files(self) -> dict[str, bytes]:
        """Every file there is, but the store's."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and "memory-mcp" not in path.relative_to(self.folder).parts
        }

    def loaded(self, host: str) -> dict[str, Any]:
        """The host's file of servers, read by its format's rules."""
        return load(self.folder / FILES[host][0])

    def start_server(self, host: str) -> tuple[list[str], dict[str, str]]:
        """The command that the host would run, and its variables."""
        servers = self.loaded(host)[FILES[host][1]]
        servers = servers.get("servers", servers)
        entry = servers["memory_mcp" if host == "hermes" else "memory"]
        told = entry.get("command") or entry["cmd"]
        words = told if isinstance(told, list) else [told, *entry["args"]]
        return words, entry.get("env") or entry.get("envs") or {}

    def hooks(self, host: str) -> dict[str, list[str]]:
        """The command lines of a host's hooks, by event."""
        told = load(self.folder / HOOK_FILES[host])["hooks"]
        found: dict[str, list[str]] = {}
        for event, items in told.items():
            for item in items:
                inner = item.get("hooks", [item])
                found.setdefault(event, []).extend(each["command"] for each in inner)
        return found

    def call_hooks(self, host: str, event: str, **more: Any) -> str:
        """What the host does at an event: its hooks through the shell, the payload on stdin."""
        where = {"workspace_roots": [str(self.project)]} if host == "cursor" else {}
        told = payload(host, event, **{"cwd": str(self.project)} | where | more)
        printed = ""
        for line in self.hooks(host).get(event, []):
            ended = subprocess.run(
                ["sh", "-c", line],
                cwd=self.project,
                env=self.variables,
                input=json.dumps(told).encode(),
                capture_output=True,
                timeout=2 * DEADLINE_SECONDS,
                check=True,
            )
            assert ended.stderr == b""
            printed += ended.stdout.decode()
        return text_of(printed)


def load(path: Path) -> dict[str, Any]:
    """A configuration by its format's rules."""
    text = path.read_text("utf-8")
    match path.suffix:
        case ".toml":
            return tomllib.loads(text)
        case ".yaml":
            return yaml(text)
        case _:
            return plain(text)


def yaml(text: str) -> dict[str, Any]:
    """As much YAML as goose and Continue write: mappings by indentation, values in one line.

    An item of a list counts as a member of that name.
    """
    text = re.sub(r'^(  )- name: "(\w+)"', r"\1\2:\n\1  name: \2", text, flags=re.MULTILINE)
    root: dict[str, Any] = {}
    open_at: list[tuple[int, dict[str, Any]]] = [(-1, root)]
    for line in text.splitlines():
        if found := re.match(r"( *)([\w-]+):(?: (.+))?$", line):
            indent, key, told = len(found[1]), found[2], found[3]
            while open_at[-1][0] >= indent:
                open_at.pop()
            if told is None:
                inner: dict[str, Any] = {}
                open_at[-1][1][key] = inner
                open_at.append((indent, inner))
            else:
                plain_text = re.match(r"[a-zA-Z]|\d+\.\d+\.", told)
                open_at[-1][1][key] = told if plain_text else json.loads(told)
    return root


def ask(words: list[str], variables: Mapping[str, str], folder: Path, *calls: Any) -> list[Any]:
    """An MCP session over stdio, as a host holds it: the results of these calls."""
    hello = {
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "h", "version": "1"},
    }
    requests = [("initialize", hello), *calls]
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        for number, (method, params) in enumerate(requests)
    ]
    lines.insert(1, json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))
    process = subprocess.Popen(
        words, cwd=folder, env=dict(variables), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n".join(lines).encode() + b"\n")
    process.stdin.flush()
    found: dict[int, Any] = {}
    while len(found) < len(requests):
        answer = json.loads(process.stdout.readline())
        if "id" in answer:
            found[answer["id"]] = answer["result"]
    process.stdin.close()
    process.wait(DEADLINE_SECONDS)
    process.stdout.close()
    return [found[number] for number in range(1, len(requests))]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A fresh home folder; its daemon ends with the test."""
    made = Home(tmp_path / "Heim von Ådå")
    yield made
    made.run("daemon", "stop")


# A day.


@pytest.mark.parametrize("host", NAMES)
def test_what_install_writes_starts_the_server_as_the_host_would(home: Home, host: str) -> None:
    done = home.run("install", host)
    assert done.returncode == 0, done.stderr
    words, more = home.start_server(host)
    assert os.path.isabs(words[0])
    (listed,) = ask(words, home.variables | more, home.project, ("tools/list", {}))
    names = [tool["name"] for tool in listed["tools"]]
    assert ("conversation_append" in names) == (host not in HOOKED)


@pytest.mark.parametrize("host", WITH_PAYLOADS)
def test_yesterdays_decision_is_in_the_next_days_context_without_a_tool_call(
    home: Home, host: str
) -> None:
    assert home.run("install", host).returncode == 0
    words, more = home.start_server(host)
    variables = home.variables | more
    answered = {}
    if host == "vscode":
        transcript = home.folder / "transcript.jsonl"
        data = {"messageId": "m1", "content": ANSWER}
        transcript.write_text(json.dumps({"type": "assistant.message", "data": data}) + "\n")
        answered = {"transcript_path": str(transcript)}
    events = iter(home.hooks(host))
    day = list(events)
    first = 1 if host == "gemini" else 0  # what its start says, a resumed history loses
    told = [home.call_hooks(host, event) for event in day[: first + 1]]
    assert "<memory_blocks>" in told[first]
    edit = {"label": "project", "content": "The database is Postgres 17."}
    call = ("tools/call", {"name": "core_memory_append", "arguments": edit})
    for event in day[first + 1 :]:
        if event in ("PostCompact", "SessionEnd", "sessionEnd"):
            continue
        home.call_hooks(host, event, **answered if event == "Stop" else {})
    (edited,) = ask(words, variables, home.project, call)
    assert not edited.get("isError")
    for event in day:
        if event in ("SessionEnd", "sessionEnd"):
            home.call_hooks(host, event)
    home.run("daemon", "stop")  # the night
    ids = ("session_id", "sessionId", "conversation_id")
    morning = {name: "tomorrow" for name in ids if name in payload(host, day[0])}
    context = [home.call_hooks(host, event, **morning) for event in day[: first + 1]][-1]
    assert PROMPT in context
    assert ANSWER in context
    assert "The database is Postgres 17." in context


# Writing and taking back.


@pytest.mark.parametrize("host", NAMES)
def test_installing_twice_changes_nothing_and_uninstalling_leaves_nothing(
    home: Home, host: str
) -> None:
    empty = home.files()
    home.run("install", host)
    once = home.files()
    assert len(once) > len(empty)
    again = home.run("install", host)
    assert "is as it should be" in again.stdout
    assert home.files() == once
    done = home.run("uninstall", host)
    assert done.returncode == 0, done.stderr
    assert home.files() == empty


THEIRS = {
    ".json": '{\n\t"a": "b",\n\t"mcpServers": {"other": {"command": "o"}},\n\t"hooks": {}\n}',
    ".toml": '# mine\nmodel = "x"\n\n[tui]\n',
    ".yaml": "# mine\nextensions:\n  developer:\n    enabled: true\n",
}


@pytest.mark.parametrize("host", NAMES)
def test_uninstalling_puts_a_file_back_as_it_was_to_the_byte(home: Home, host: str) -> None:
    path = home.folder / FILES[host][0]
    path.parent.mkdir(parents=True, exist_ok=True)
    theirs = THEIRS[path.suffix].replace("\n", "\r\n").encode()
    path.write_bytes(theirs)
    path.chmod(0o640)
    before = home.files()
    home.run("install", host)
    changed = path.read_bytes()
    assert changed != theirs
    assert changed.count(b"\r\n") == changed.count(b"\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.with_name(path.name + BACKUP).read_bytes() == theirs
    home.run("uninstall", host)
    assert home.files() == before


def test_what_changed_since_stays_when_ours_is_taken_out(home: Home) -> None:
    path = home.folder / ".claude" / "settings.json"
    path.parent.mkdir()
    theirs = {
        "hooks": {"Stop": [{"matcher": "", "hooks": [{"type": "command", "command": "say"}]}]}
    }
    path.write_text(json.dumps(theirs))
    home.run("install", "claude-code")
    told = json.loads(path.read_text())
    told["model"] = "opus"
    ours = told["hooks"]["Stop"].pop(1)["hooks"][0]
    told["hooks"]["Stop"][0]["hooks"].append(ours)  # moved into a group of theirs
    path.write_text(json.dumps(told, indent=2))
    assert "settings.json is as it should be" in home.run("install", "claude-code").stdout
    home.run("uninstall", "claude-code")
    assert json.loads(path.read_text()) == theirs | {"model": "opus"}


def test_an_older_installation_is_brought_up_to_date(home: Home) -> None:
    home.run("install", "codex", "claude-code")
    for path in (".codex/config.toml", ".codex/hooks.json", ".claude/settings.json"):
        file = home.folder / path
        text = file.read_text()
        assert "memory-mcp" in text
        file.write_text(re.sub(r"[^\" ]*memory-mcp(?! *=)", "/old/bin/memory-mcp", text))
    home.run("install", "codex", "claude-code")
    assert "/old/bin" not in "".join(
        data.decode() for name, data in home.files().items() if not name.endswith(BACKUP)
    )
    assert all(len(lines) == 1 for lines in home.hooks("claude-code").values())


@pytest.mark.parametrize("host", HOOKED)
def test_without_hooks_the_server_records_by_a_tool_and_old_hooks_go(home: Home, host: str) -> None:
    home.run("install", host)
    home.run("install", host, "--no-hooks")
    words, _ = home.start_server(host)
    assert words[-2:] == ["--tools", "capture"]
    texts = [data.decode() for name, data in home.files().items() if not name.endswith(BACKUP)]
    assert not any("hook" in text and HOSTS[host].heard_as in text for text in texts)
    assert not (home.folder / PLUGINS.get(host, "no plugin")).exists()


def test_a_plugins_file_of_somebody_elses_is_left_as_it_is(home: Home) -> None:
    path = home.folder / PLUGINS["opencode"]
    path.parent.mkdir(parents=True)
    path.write_text("export const Mine = async () => ({})\n")
    done = home.run("install", "opencode")
    assert done.returncode == 1
    assert "it is a file of somebody else's" in done.stderr
    assert path.read_text().startswith("export const Mine")


def test_a_plugin_of_an_older_version_is_replaced_and_doctor_says_so_before(home: Home) -> None:
    home.run("install", "opencode")
    path = home.folder / PLUGINS["opencode"]
    now = path.read_text()
    path.write_text(now.replace(", version 1.", ", version 0.", 1))
    assert "memory-mcp.js is of another version" in home.run("doctor").stdout
    home.run("install", "opencode")
    assert path.read_text() == now
    assert "of another version" not in home.run("doctor").stdout


def test_another_memory_of_hermes_is_not_taken_the_place_of(home: Home) -> None:
    path = home.folder / FILES["hermes"][0]
    path.parent.mkdir()
    path.write_text("memory:\n  provider: honcho\n")
    done = home.run("install", "hermes")
    assert done.returncode == 1
    assert "memory.provider is 'honcho'; take that out first" in done.stderr
    assert path.read_text() == "memory:\n  provider: honcho\n"
    path.write_text("memory:\n  provider: ''\n  memory_enabled: true\n")
    assert home.run("install", "hermes").returncode == 0
    assert 'provider: "memory-mcp"\n  memory_enabled: true\n' in path.read_text()


def test_the_file_that_is_there_is_used_and_its_comments_stay(home: Home) -> None:
    path = home.folder / ".config" / "opencode" / "opencode.jsonc"
    path.parent.mkdir(parents=True)
    theirs = '{\n  // mine\n  "model": "x/y",\n}\n'
    path.write_text(theirs)
    home.run("install", "opencode")
    assert "// mine" in path.read_text()
    assert '"memory"' in path.read_text()
    assert not path.with_suffix(".json").exists()
    path.with_suffix(".json").write_text("{}")  # since then
    home.run("uninstall", "opencode")
    assert path.read_text() == theirs


def test_vs_codes_hooks_and_copilot_clis_come_and_go_apart(home: Home) -> None:
    home.run("install", "vscode", "copilot-cli")
    assert home.hooks("vscode").keys() < home.hooks("copilot-cli").keys()
    home.run("uninstall", "vscode")
    assert not (home.folder / HOOK_FILES["vscode"]).exists()
    assert all("hook copilot" in line for (line,) in home.hooks("copilot-cli").values())
    home.run("install", "vscode")
    home.run("uninstall", "copilot-cli")
    assert all("hook vscode" in line for (line,) in home.hooks("vscode").values())


def test_qwens_tools_are_named_so_that_they_are_in_view(home: Home) -> None:
    path = home.folder / ".qwen" / "settings.json"
    path.parent.mkdir()
    path.write_text('{"tools": {"visible": ["mcp__other__tool"]}}')
    home.run("install", "qwen")
    seen = json.loads(path.read_text())["tools"]["visible"]
    words, more = home.start_server("qwen")
    (listed,) = ask(words, home.variables | more, home.project, ("tools/list", {}))
    ours = {f"mcp__memory__{tool['name']}" for tool in listed["tools"]}
    assert set(seen) == ours | {"mcp__other__tool"}
    told = json.loads(path.read_text()) | {"model": "x"}
    path.write_text(json.dumps(told))
    home.run("uninstall", "qwen")
    after = json.loads(path.read_text())
    assert after == {"tools": {"visible": ["mcp__other__tool"]}, "model": "x"}


def test_codex_says_that_nothing_is_recorded_until_its_hooks_are_trusted(home: Home) -> None:
    trust = "Nothing is recorded until you trust the hooks"
    assert trust in home.run("install", "codex").stdout
    assert trust not in home.run("install", "codex").stdout
    assert trust in home.run("doctor").stdout
    assert trust not in home.run("install", "codex", "--no-hooks").stdout


def test_the_first_session_of_all_is_answered_before_there_is_a_daemon(home: Home) -> None:
    home.run("install", "codex")
    status = json.loads(home.run("daemon", "status", "--json").stdout)
    assert not status["running"]
    words, more = home.start_server("codex")
    words, variables = [*words], home.variables | more
    with subprocess.Popen(
        words, cwd=home.project, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        snapshots = list(home.folder.rglob("memory.db.snapshots/*"))
        client = {"name": "codex", "version": "1"}
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        said = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        process.stdin.write(json.dumps(said).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        process.stdin.close()
    assert len(snapshots) > 1
    assert "long-term memory" in answer["result"]["instructions"]


def test_a_dry_run_shows_the_difference_and_writes_nothing(home: Home) -> None:
    before = home.files()
    done = home.run("install", "zed", "codex", "--dry-run")
    assert home.files() == before
    assert '+    "memory": {' in done.stdout
    assert "+[mcp_servers.memory]" in done.stdout


def test_all_finds_the_hosts_that_are_there(home: Home) -> None:
    (home.folder / ".codex").mkdir()
    (home.folder / ".junie").mkdir()
    done = home.run("install", "--all")
    assert done.returncode == 0
    made = {name.split("/")[0] for name in home.files()}
    assert {".codex", ".junie"} <= made
    assert not made & {".cursor", ".gemini", ".claude.json"}


def test_agent_and_store_are_passed_on(home: Home) -> None:
    store = home.folder / "Mein Speicher.db"
    home.run("--agent", "work", "--database", str(store), "install", "claude-code", "windsurf")
    words, _ = home.start_server("windsurf")
    assert words[1:] == ["--database", str(store), "--agent", "work", "--tools", "capture"]
    (line,) = home.hooks("claude-code")["Stop"]
    assert shlex.split(line)[-4:] == ["--database", str(store), "--agent", "work"]
    home.call_hooks("claude-code", "UserPromptSubmit")
    assert store.exists()
    home.run("--database", str(store), "daemon", "stop")


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("claude-desktop", '{"mcpServers": {'),
        ("cursor", '{"mcpServers": {},}'),
        ("zed", '{"theme": }'),
        ("codex", "model = \n"),
        ("goose", "extensions: {developer: {enabled: true}}\n"),
        ("gemini", "\udcff"),
    ],
)
def test_a_file_that_is_not_valid_is_left_as_it_is_with_the_reason(
    home: Home, host: str, text: str
) -> None:
    path = home.folder / FILES[host][0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    before = path.read_bytes()
    done = home.run("install", host)
    assert done.returncode == 1
    assert "was left as it is: it is" in done.stderr or "is written on one line" in done.stderr
    assert path.read_bytes() == before
    assert not path.with_name(path.name + BACKUP).exists()


def test_a_host_whose_hooks_cannot_be_written_gets_no_server_that_waits_for_them(
    home: Home,
) -> None:
    path = home.folder / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text('{"model": }')
    done = home.run("install", "claude-code")
    assert done.returncode == 1
    assert "Claude Code: nothing was changed; mend that, then install again." in done.stderr
    assert not (home.folder / FILES["claude-code"][0]).exists()
    path.unlink()
    home.run("install", "claude-code")
    path.write_text('{"model": }')
    told = home.run("doctor").stdout
    assert "mend that file by hand, then memory-mcp install claude-code" in told


OTHERS_SERVERS = {
    "claude-code": (
        '{"mcpServers": {"memory": {"command": "npx", "args": ["-y", "x/server-memory"]}}}\n'
    ),
    "codex": '[mcp_servers.memory]\ncommand = "npx"\nargs = ["-y", "x/server-memory"]\n',
    "opencode": '{"mcp": {"memory": {"type": "local", "command": ["npx", "x/server-memory"]}}}\n',
    "continue": "mcpServers:\n  - name: memory\n    command: npx\n",
    "goose": "extensions:\n  memory:\n    type: builtin\n    bundled: true\n",
}


@pytest.mark.parametrize("host", OTHERS_SERVERS)
def test_another_server_that_is_called_memory_too_stays_and_is_named(home: Home, host: str) -> None:
    path = home.folder / FILES[host][0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OTHERS_SERVERS[host])
    done = home.run("install", host)
    assert done.returncode == 1
    assert "its server 'memory' is another program" in done.stderr
    assert f"{path} holds nothing of memory-mcp." in home.run("uninstall", host).stdout
    assert path.read_text() == OTHERS_SERVERS[host]
    path.unlink()
    assert f"{path} is not there." in home.run("uninstall", host).stdout


@pytest.mark.parametrize("host", ["qwen", "hermes"])
def test_with_hooks_or_without_what_was_written_for_the_other_way_goes(
    home: Home, host: str
) -> None:
    path = home.folder / FILES[host][0]
    path.parent.mkdir(parents=True, exist_ok=True)
    theirs = '{"tools": {"visible": ["mine"]}}\n' if host == "qwen" else "model: x\n"
    path.write_text(theirs)
    home.run("install", host)
    hooked = path.read_text()
    home.run("install", host, "--no-hooks")
    plain = path.read_text()
    assert "provider" not in plain
    home.run("install", host)
    again = path.read_text()
    assert ("conversation_append" in plain, "conversation_append" in again) == (
        host == "qwen",
        False,
    )
    assert plain != hooked
    home.run("install", host, "--no-hooks")
    home.run("uninstall", host)
    assert "".join(path.read_text().split()) == "".join(theirs.split())


def test_a_link_to_a_file_elsewhere_stays_a_link(home: Home) -> None:
    kept = home.folder / "dotfiles" / "mcp.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    link = home.folder / ".cursor" / "mcp.json"
    link.parent.mkdir()
    link.symlink_to(kept)
    home.run("install", "cursor")
    assert link.is_symlink()
    assert "memory" in json.loads(kept.read_text())["mcpServers"]
    home.run("uninstall", "cursor")
    assert kept.read_text() == "{}"


# Other platforms.


@pytest.mark.parametrize(
    ("platform", "host", "path"),
    [
        (
            "darwin",
            "claude-desktop",
            "Library/Application Support/Claude/claude_desktop_config.json",
        ),
        ("darwin", "vscode", "Library/Application Support/Code/User/mcp.json"),
        ("darwin", "zed", ".config/zed/settings.json"),
        ("darwin", "goose", ".config/goose/config.yaml"),
        ("win32", "claude-desktop", "AppData/Roaming/Claude/claude_desktop_config.json"),
        ("win32", "vscode", "AppData/Roaming/Code/User/mcp.json"),
        ("win32", "zed", "AppData/Roaming/Zed/settings.json"),
        ("win32", "goose", "AppData/Roaming/Block/goose/config/config.yaml"),
        ("win32", "codex", ".codex/config.toml"),
    ],
)
def test_files_lie_where_the_platform_has_them(
    tmp_path: Path, platform: str, host: str, path: str
) -> None:
    places = Places(home=tmp_path, platform=platform, environment={})
    changes = to_install(HOSTS[host], places, Program(words=("m",)), hooks=True)
    assert changes[0].file.path == tmp_path / path


@pytest.mark.parametrize("host", NAMES)
def test_a_windows_path_with_spaces_survives_every_format(tmp_path: Path, host: str) -> None:
    exe = str(PureWindowsPath(r"C:\Users\Jörg O'Neil\venv\Scripts\memory-mcp.exe"))
    program = Program(words=(exe,), platform="win32")
    places = Places(home=tmp_path, platform="win32", environment={})
    for file in HOSTS[host].files(places, program, True):
        if file.path.name == "openclaw.plugin.json":
            continue  # a manifest: it starts nothing
        text = written_out(file, HOSTS[host])
        if file.format == "script":
            words = json.dumps([exe, "hook", HOSTS[host].heard_as])
            assert f"COMMAND = {words}\n" in text
            continue
        written = tmp_path / f"written{file.path.suffix}"
        written.write_text(text, "utf-8")
        told = json.dumps(load(written))
        assert json.dumps(exe)[1:-1] in told
        if "hook " in text:
            line = subprocess.list2cmdline([exe, "hook", HOSTS[host].heard_as])
            assert json.dumps(line)[1:-1] in told


def test_this_environments_program_is_found() -> None:
    words = Program.here().words
    assert os.path.isabs(words[0])
    assert shutil.which(words[0]) or words[0] == sys.executable


def test_codex_passes_our_variables_to_the_server_and_keeps_what_was_added(home: Home) -> None:
    home.run("install", "codex")
    path = home.folder / ".codex" / "config.toml"
    entry = tomllib.loads(path.read_text())["mcp_servers"]["memory"]
    assert {"XDG_DATA_HOME", *VARIABLES} <= set(entry["env_vars"])

    added = (
        'env_vars = [\n    "PROVIDER_KEY",  # for the shadow agent\n    {name = "B", source = "x"},'
    )
    path.write_text(path.read_text().replace("env_vars = [", added) + "startup_timeout_sec = 20\n")
    home.run("install", "codex")

    again = tomllib.loads(path.read_text())["mcp_servers"]["memory"]
    more = ["PROVIDER_KEY", {"name": "B", "source": "x"}]
    assert again == {**entry, "env_vars": [*entry["env_vars"], *more], "startup_timeout_sec": 20}
    assert "as it should be" in home.run("install", "codex").stdout
    home.run("uninstall", "codex")
    assert not path.exists() or "memory" not in path.read_text()


@pytest.mark.parametrize("host", ["claude-code", "codex"])
def test_what_counts_as_a_project_is_passed_on_to_server_and_hooks(home: Home, host: str) -> None:
    home.run("--project-by", "folder", "install", host)

    words, _ = home.start_server(host)
    told = "".join(data.decode() for data in home.files().values())
    assert " --project-by folder " in f" {' '.join(words)} "
    assert f"hook {host} --project-by folder" in told
