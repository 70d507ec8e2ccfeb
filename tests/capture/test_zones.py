"""What a session is told by its hooks tells its person's days."""

import json
import subprocess

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, command, environment, run
from tests.capture.conftest import Hooked, payload, text_of


@pytest.mark.parametrize(
    ("place", "at", "shown"),
    [
        ("Asia/Kolkata", "2026-11-28T19:00:00Z", "2026-11-29 00:30"),
        ("America/Los_Angeles", "2026-12-01T07:30:00Z", "2026-11-30 23:30"),
    ],
)
def test_each_session_is_told_its_own_persons_days(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch, place: str, at: str, shown: str
) -> None:
    said = {"role": "user", "content": "Hello.", "created_at": at, "conversation": "c"}
    words = ("--database", hooked.database, "import", "jsonl", "-")
    ended = run(*words, folder=hooked.project, stdin=json.dumps(said).encode())
    assert ended.returncode == 0, ended.stderr

    told = {zone: start(hooked, monkeypatch, zone) for zone in (place, "UTC")}

    assert f"[{shown}] user: Hello." in told[place]
    assert f" {place}\n" in told[place].partition("Compiled at: ")[2]
    assert f"[{at[:16].replace('T', ' ')}] user: Hello." in told["UTC"]


@pytest.mark.parametrize("served", [True, False], ids=["with a daemon", "without"])
def test_a_zone_that_is_none_loses_nothing_that_was_said(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch, served: bool
) -> None:
    if served:
        start(hooked, monkeypatch, "UTC")
    told = payload("claude-code", "UserPromptSubmit", cwd=str(hooked.project))
    ended = subprocess.run(
        command("--database", hooked.database, "hook", "claude-code"),
        env=environment(MEMORY_MCP_TIMEZONE="Nowhere/Land"),
        input=json.dumps(told).encode(),
        capture_output=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0

    start(hooked, monkeypatch, "UTC")
    assert [role for role, _ in hooked.said()] == ["user"]


def start(hooked: Hooked, monkeypatch: pytest.MonkeyPatch, zone: str) -> str:
    """A session begins there; what it is told."""
    monkeypatch.setenv("TZ", zone)
    more = {"cwd": str(hooked.project), "session_id": f"of {zone}"}
    told = payload("claude-code", "SessionStart", **more)
    return text_of(hooked.call("claude-code", json.dumps(told).encode()).stdout)
