"""Whose memory a hook's call goes to: its session's, wherever its model is by now."""

import json
from pathlib import Path
from typing import Any

from tests.acceptance.processes import run
from tests.capture.conftest import Hooked, payload


def tell(hooked: Hooked, host: str, event: str, *options: str, **more: Any) -> None:
    ended = hooked.call(host, json.dumps(payload(host, event, **more)).encode(), *options)
    assert ended.stderr == ""


def repository(hooked: Hooked, name: str) -> str:
    folder = hooked.folder / name
    (folder / ".git").mkdir(parents=True)
    (folder / "src").mkdir()
    return str(folder)


def said_by_agent(hooked: Hooked) -> dict[str, int]:
    """How many messages each agent has."""
    rows = hooked.rows("SELECT a.name, count(m.seq) FROM agents a LEFT JOIN messages m "
                       "ON m.agent_seq = a.seq GROUP BY a.seq")  # fmt: skip
    return dict(rows)


def test_hosts_in_parts_of_one_repository_have_one_memory(hooked: Hooked) -> None:
    part = str(hooked.project / "src")
    Path(part).mkdir()

    tell(hooked, "claude-code", "SessionStart", cwd=part)
    tell(hooked, "codex", "SessionStart", cwd=part)
    tell(hooked, "gemini", "SessionStart", cwd=str(hooked.project))

    assert set(said_by_agent(hooked)) == {"default", "harbour"}


def test_a_session_stays_with_the_agent_it_began_with(hooked: Hooked) -> None:
    other = repository(hooked, "lighthouse")

    tell(hooked, "claude-code", "SessionStart", cwd=str(hooked.project))
    tell(hooked, "claude-code", "UserPromptSubmit", cwd=other)
    tell(hooked, "claude-code", "Stop", cwd=f"{other}/src")

    assert said_by_agent(hooked) == {"default": 0, "harbour": 2}


def test_another_hosts_session_of_the_same_id_is_another_session(hooked: Hooked) -> None:
    other = repository(hooked, "lighthouse")

    tell(hooked, "claude-code", "UserPromptSubmit", cwd=str(hooked.project), session_id="same")
    tell(hooked, "codex", "UserPromptSubmit", cwd=other, session_id="same")

    assert said_by_agent(hooked) == {"default": 0, "harbour": 1, "lighthouse": 1}


def test_a_named_agent_goes_before_the_one_a_session_began_with(hooked: Hooked) -> None:
    tell(hooked, "claude-code", "SessionStart", cwd=str(hooked.project))
    tell(hooked, "claude-code", "UserPromptSubmit", "--agent", "work", cwd=str(hooked.project))

    assert said_by_agent(hooked) == {"default": 0, "harbour": 0, "work": 1}


def test_where_folders_are_projects_a_part_of_a_repository_is_one(hooked: Hooked) -> None:
    part = str(hooked.project / "src")
    Path(part).mkdir()

    tell(hooked, "claude-code", "UserPromptSubmit", "--project-by", "folder", cwd=part)
    tell(hooked, "codex", "UserPromptSubmit", "--project-by=folder", cwd=part)

    assert said_by_agent(hooked) == {"default": 0, "src": 2}


def test_a_hook_that_tells_nothing_to_keep_makes_no_agent(hooked: Hooked) -> None:
    other = repository(hooked, "lighthouse")

    tell(hooked, "claude-code", "SessionStart", cwd=str(hooked.project))
    odd = {"hook_event_name": "Notification", "session_id": "another"}
    tell(hooked, "claude-code", "SessionStart", cwd=other, **odd)

    assert set(said_by_agent(hooked)) == {"default", "harbour"}


def test_importing_what_hooks_recorded_finds_it_where_the_repository_is_no_longer(
    hooked: Hooked, tmp_path: Path
) -> None:
    tell(hooked, "claude-code", "UserPromptSubmit", cwd=str(hooked.project), session_id="s-1")
    hooked.stop_daemon()
    moved = hooked.project.rename(hooked.folder / "port")
    command = ("--database", hooked.database, "agents", "move", "harbour", "--project", moved)
    assert run(*command, folder=tmp_path).returncode == 0
    line = {
        "type": "user", "sessionId": "s-1", "uuid": "u-2", "promptId": "p-2",
        "cwd": str(hooked.project), "timestamp": "2026-11-25T10:00:00Z",
        "message": {"role": "user", "content": "And the tides?"},
    }  # fmt: skip
    (tmp_path / "s-1.jsonl").write_text(json.dumps(line) + "\n", "utf-8")

    words = ("--database", hooked.database, "import", "claude-code", tmp_path / "s-1.jsonl")
    ended = run(*words, folder=tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert said_by_agent(hooked) == {"default": 0, "harbour": 2}
