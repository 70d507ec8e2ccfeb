#!/usr/bin/env bash
# @openai/codex 0.171.0, @anthropic-ai/claude-code 2.1.332, @github/copilot 1.0.102
# Guess: an MCP server on stdio cannot know the session of the host, the `session_id` that hooks get;
#   the protocol has no place for it.
# Seen: it can in these three. Codex writes it into `_meta` of each call, with the turn's id; Claude
#   Code and Copilot CLI have it in the server's environment, each under a name of its own.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"look": {}}, "Done."]}'
keep() {
    mkdir "$WORK/$1"
    mv "$WORK/probe.jsonl" "$WORK/hooks.jsonl" "$WORK/$1"
}
MORE='required = true' codex UserPromptSubmit
codex_run ALPHA
keep codex
claude_code UserPromptSubmit
claude_code_run -- ALPHA
keep claude
copilot_cli UserPromptSubmit
copilot_run -p ALPHA
keep copilot
judge <<'PYTHON'
for host in ("codex", "claude", "copilot"):
    start, *messages = lines(f"{host}/probe.jsonl")
    (call,) = [each["params"] for each in messages if each.get("method") == "tools/call"]
    hook = lines(f"{host}/hooks.jsonl")[0]
    turn = call["_meta"].get("x-codex-turn-metadata", {})
    if host == "codex":
        print(host, "_meta:", {key: turn[key] for key in ("session_id", "turn_id")})
        assert start["sessions"] == {}
        assert (turn["session_id"], turn["turn_id"]) == (hook["session_id"], hook["turn_id"])
    else:
        print(host, "environment:", start["sessions"])
        name = {"claude": "CLAUDE_CODE_SESSION_ID", "copilot": "COPILOT_AGENT_SESSION_ID"}[host]
        assert start["sessions"][name] == hook["session_id"]
        assert hook["session_id"] not in json.dumps(messages)
PYTHON
