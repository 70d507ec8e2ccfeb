"""Hooks and server of one session: what one of them has told, the other does not tell again."""

import json

from tests.acceptance.processes import Server, text_of
from tests.capture.conftest import Hooked

from memory_mcp.capture.intake import HOSTS
from memory_mcp.cli import hook
from memory_mcp.domain.host_events import HOOKED_HOSTS

ADA = "Name: Ada."
CITY = "Lives in Porto."


def edited(hooked: Hooked, text: str) -> None:
    """Somebody else's session adds to what is known of the user."""
    with Server(hooked.database, "--agent", "harbour", daemon=True) as other:
        other.greet()
        other.call("core_memory_append", label="human", content=text)


def test_core_memory_is_in_the_hooks_context_or_in_the_instructions(hooked: Hooked) -> None:
    edited(hooked, ADA)
    with Server(hooked.database, "--agent", "harbour", daemon=True) as alone:
        assert ADA in alone.greet()["instructions"]
    assert ADA in hooked.tell("claude-code", "SessionStart")
    words = ("--agent", "harbour", "--hooks")
    with Server(hooked.database, *words, "claude-code", daemon=True) as beside:
        told = beside.greet()["instructions"]
    assert ADA not in told
    assert "told in the conversation" in told
    # Codex runs hooks only once they are trusted; until one was heard, they may tell nothing.
    with Server(hooked.database, *words, "a-host-of-tomorrow", daemon=True) as unknown:
        assert ADA in unknown.greet()["instructions"]
    with Server(hooked.database, *words, "codex", daemon=True) as untrusted:
        assert ADA in untrusted.greet()["instructions"]
    folder = hooked.folder / "codex home"
    folder.mkdir()
    name = json.dumps(f"{folder}/hooks.json:session_start:0:0")
    (folder / "config.toml").write_text(f'[hooks.state.{name}]\ntrusted_hash = "sha256:0"\n')
    more = {"CODEX_HOME": str(folder)}
    with Server(hooked.database, *words, "codex", daemon=True, more=more) as trusted:
        assert ADA not in trusted.greet()["instructions"]
    hooked.tell("codex", "SessionStart")
    with Server(hooked.database, *words, "codex", daemon=True) as heard:
        assert ADA not in heard.greet()["instructions"]


def test_a_change_is_told_by_hook_or_by_tool_answer_whichever_comes_first(hooked: Hooked) -> None:
    hooked.tell("claude-code", "SessionStart")
    words = ("--agent", "harbour", "--hooks", "claude-code")
    with Server(hooked.database, *words, daemon=True) as own:
        own.greet()
        own.call("archival_search", query="tides")
        edited(hooked, ADA)
        assert f"+ {ADA}" in text_of(own.call("archival_search", query="tides"))
        prompt = {"prompt": "And now?", "prompt_id": "2"}
        assert hooked.tell("claude-code", "UserPromptSubmit", **prompt) == ""
        edited(hooked, CITY)
        more = {"prompt": "And then?", "prompt_id": "3"}
        assert f"+ {CITY}" in hooked.tell("claude-code", "UserPromptSubmit", **more)
        assert CITY not in text_of(own.call("archival_search", query="tides"))


def test_the_hosts_with_hooks_are_the_same_in_every_list() -> None:
    assert HOOKED_HOSTS == set(HOSTS) == set(hook.HOSTS)
