"""`memory-mcp doctor`."""

import json
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import run
from tests.capture.conftest import payload

from memory_mcp.hosts.install import HOSTS
from memory_mcp.rendezvous import Rendezvous
from memory_mcp.storage.sqlite.driver import sqlite_module
from memory_mcp.testing.model_server import ModelServer, says


@pytest.fixture
def database(filled: Path, tmp_path: Path) -> Path:
    """A store with a few messages and passages, which the test may damage."""
    return Path(shutil.copy(filled, tmp_path / "memory.db"))


def at_home(database: Path, *words: object, **more: Any) -> subprocess.CompletedProcess[str]:
    """A command of somebody whose home is the store's folder: no host but what a test puts in."""
    home = {"HOME": str(database.parent), "XDG_CONFIG_HOME": ""}
    home |= {"CODEX_HOME": "", "COPILOT_HOME": ""} | more.pop("more", {})
    return run("--database", database, *words, folder=database.parent, more=home, **more)


def doctor(
    database: Path, *words: str, more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Have the store looked at."""
    return at_home(database, "doctor", *words, more=more or {})


def found(ended: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """What `--json` told, by what it is about."""
    return {finding["about"]: finding for finding in json.loads(ended.stdout)["findings"]}


def hits(database: Path) -> list[str]:
    """What a search finds, in order."""
    asked = ("search", "tides of Porto", "--json")
    told = json.loads(run("--database", database, *asked, folder=database.parent).stdout)
    return [hit["content"] for part in ("archival", "recall") for hit in told[part]["results"]]


def damage_index(database: Path) -> None:
    connection = sqlite_module().connect(database)
    connection.execute("DELETE FROM passages_fts_data WHERE id > 10")
    connection.commit()
    connection.close()


def test_a_sound_store_is_found_sound(database: Path) -> None:
    ended = doctor(database)
    assert ended.returncode == 0, ended.stdout
    assert all(line.startswith("ok   ") for line in ended.stdout.splitlines())
    assert f"the store {database} can be opened and written (schema " in ended.stdout
    assert "ok   no daemon runs; the next session starts one\n" in ended.stdout
    assert "ok   SQLite finds the store sound, and every text as stored\n" in ended.stdout
    assert "ok   the shadow agent is off: no model is set" in ended.stdout
    assert len(ended.stdout.splitlines()) <= 24


def test_scripts_are_told_the_same(database: Path) -> None:
    damage_index(database)
    plain, told = doctor(database), doctor(database, "--json")
    assert (plain.returncode, told.returncode) == (1, 1)
    assert json.loads(told.stdout)["ok"] is False
    for finding in found(told).values():
        assert finding["what"] in plain.stdout
        assert finding["cure"] in plain.stdout
    wrong = [about for about, finding in found(told).items() if finding["verdict"] == "wrong"]
    assert wrong == ["soundness"]


def test_a_rebuild_leaves_every_search_as_it_was(database: Path) -> None:
    before = hits(database)
    ended = doctor(database, "--rebuild")
    assert ended.returncode == 0, ended.stdout
    assert "the indexes were made anew, with 4 vectors" in ended.stdout
    assert hits(database) == before
    assert len(before) >= 3


@pytest.mark.parametrize("mend", ["--rebuild", "--repair"])
def test_a_damaged_index_is_found_and_mended(database: Path, mend: str) -> None:
    before = hits(database)
    damage_index(database)
    looked = doctor(database)
    assert looked.returncode == 1
    (failed,) = [line for line in looked.stdout.splitlines() if line.startswith("FAIL")]
    assert "passages_fts" in failed
    assert "→ memory-mcp doctor --repair\n" in looked.stdout
    assert doctor(database, mend).returncode == 0
    assert doctor(database).returncode == 0
    assert hits(database) == before


def test_without_an_embedder_search_goes_on_by_words_and_the_doctor_says_so(
    database: Path,
) -> None:
    ended = doctor(database, "--repair", more={"MEMORY_MCP_EMBEDDER": "none"})
    assert "note no embedder is set: search is by words only\n" in ended.stdout
    assert "made anew" not in ended.stdout  # there is nothing to repair
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr


# Hosts.


def test_every_host_that_was_installed_is_found_right_and_its_lost_program_wrong(
    database: Path,
) -> None:
    assert at_home(database, "install", *HOSTS).returncode == 0
    right = found(doctor(database, "--json"))
    for name, host in HOSTS.items():
        assert right[name]["verdict"] == ("note" if host.has_hooks else "ok"), right[name]
        assert right[name]["what"].startswith(f"{host.title} has the server")
        assert (" and the hooks" in right[name]["what"]) == host.has_hooks
    moved = str(database.parent / "moved" / "memory-mcp")
    program = json.loads((database.parent / ".claude.json").read_text())
    program = program["mcpServers"]["memory"]["command"]
    for file in database.parent.rglob("*"):
        if file.suffix in (".json", ".toml", ".yaml"):
            file.write_text(file.read_text("utf-8").replace(program, moved), "utf-8")
    ended = doctor(database, "--json")
    assert ended.returncode == 1
    for name in HOSTS:
        wrong = found(ended)[name]
        assert wrong["verdict"] == "wrong", wrong
        assert f"it starts {moved}, which is not there" in wrong["what"]
        assert wrong["cure"] == f"memory-mcp install {name}"


def test_a_host_without_memory_is_offered_it_and_is_no_failure(database: Path) -> None:
    (database.parent / ".cursor").mkdir()
    (database.parent / ".codex").mkdir()
    ended = doctor(database)
    assert ended.returncode == 0
    assert "note here, and without memory: cursor and codex\n" in ended.stdout
    assert "→ memory-mcp install cursor codex\n" in ended.stdout


def test_a_hosts_file_that_cannot_be_read_is_wrong_and_left_alone(database: Path) -> None:
    file = database.parent / ".claude.json"
    file.write_text('{"mcpServers": ')
    ended = doctor(database)
    assert ended.returncode == 1
    assert f"FAIL Claude Code cannot be set up: {file}: " in ended.stdout
    assert file.read_text() == '{"mcpServers": '


def test_one_hook_that_went_missing_is_named(database: Path) -> None:
    assert at_home(database, "install", "claude-code").returncode == 0
    file = database.parent / ".claude" / "settings.json"
    told = json.loads(file.read_text())
    del told["hooks"]["Stop"]
    file.write_text(json.dumps(told))
    ended = doctor(database)
    assert "FAIL Claude Code: there is no hook for Stop\n" in ended.stdout
    assert at_home(database, "install", "claude-code").returncode == 0
    assert doctor(database).returncode == 0


def test_a_server_that_records_nothing_is_pointed_out(database: Path) -> None:
    assert at_home(database, "install", "--no-hooks", "claude-code").returncode == 0
    assert "ok   Claude Code has the server\n" in doctor(database).stdout
    file = database.parent / ".claude.json"
    file.write_text(file.read_text().replace('"capture"', '"core"'))
    assert "note Claude Code has the server, but neither hooks" in doctor(database).stdout


# Hooks.


def tell(database: Path, event: str) -> None:
    """One call of a hook of Claude Code's."""
    told = json.dumps(payload("claude-code", event, cwd=str(database.parent))).encode()
    more = {"MEMORY_MCP_DAEMON_IDLE_SECONDS": "0"}
    assert at_home(database, "hook", "claude-code", stdin=told, more=more).stderr == ""


def test_the_last_hook_of_a_host_is_told(database: Path) -> None:
    assert at_home(database, "install", "claude-code").returncode == 0
    before = doctor(database).stdout
    assert "note Claude Code has the server and the hooks; no hook of it was heard" in before
    tell(database, "SessionStart")
    after = doctor(database).stdout
    assert "ok   Claude Code has the server and the hooks; last heard now\n" in after


def test_calls_of_hooks_that_wait_are_counted_and_stored_by_a_repair(database: Path) -> None:
    tell(database, "Stop")  # it wants no answer, so nobody is started to store it
    spool = Path(Rendezvous(str(database)).spool)
    (waits,) = spool.glob("*.json")
    long_ago = 1_790_000_000 * 10**9
    waits.rename(spool / f"{long_ago:020d}-1.json")
    assert "note waiting to be stored: 1 call of hooks, the oldest " in doctor(database).stdout
    mended = doctor(database, "--repair")
    assert "ok   stored just now: 1 call of hooks\n" in mended.stdout
    assert "ok   nothing that hooks told waits to be stored\n" in mended.stdout
    assert list(spool.iterdir()) == []
    stored = json.loads(at_home(database, "stats", "--json").stdout)
    assert stored["messages"] == 3


def test_what_could_not_be_understood_is_pointed_out(database: Path) -> None:
    spool = Path(Rendezvous(str(database)).spool)
    spool.mkdir()
    (spool / "00000000000000000001-1.refused").write_text("{}")
    ended = doctor(database)
    assert ended.returncode == 0
    assert "note not understood, and put aside: 1 call of hooks\n" in ended.stdout
    assert f"→ look at {spool}" in ended.stdout


# The model.


def test_a_model_is_asked_only_when_that_is_wanted(database: Path) -> None:
    with ModelServer([says("ok")], loop=True) as server:
        more = {"MEMORY_MCP_MODEL": "openai/scripted", "MEMORY_MCP_MODEL_BASE_URL": server.base_url}
        looked = doctor(database, more=more)
        assert "is open; it was not asked" in looked.stdout
        assert server.requests == []
        asked = doctor(database, "--ask-model", more=more)
        assert "ok   openai/scripted answered in " in asked.stdout
        assert len(server.requests) == 1
    assert (looked.returncode, asked.returncode) == (0, 0)


def test_a_model_that_is_not_there_is_wrong(database: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        more = {"MEMORY_MCP_MODEL": "openai/scripted", "MEMORY_MCP_MODEL_BASE_URL": url}
        ended = doctor(database, "--json", more=more)
    assert ended.returncode == 1
    assert found(ended)["model"]["verdict"] == "wrong"
    assert "Traceback" not in ended.stderr
