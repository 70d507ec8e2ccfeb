#!/usr/bin/env bash
# @google/gemini-cli 0.61.0, @qwen-code/qwen-code 0.24.4, @github/copilot 1.0.102
# Guess: a hook that finds CLAUDE_PROJECT_DIR in its environment was started by Claude Code.
# Seen: all three of these hosts set it for their hooks, too, beside a variable of their own.
#   Qwen Code sets three more; QWEN_CODE_PROJECT_DIR is not the project but a folder in ~/.qwen.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": ["Done."]}'
gemini_cli SessionStart
gemini_run -p ALPHA && mv "$WORK/environment" "$WORK/gemini"
qwen_code SessionStart
qwen_run -p ALPHA && mv "$WORK/environment" "$WORK/qwen"
copilot_cli SessionStart
copilot_run -p ALPHA && mv "$WORK/environment" "$WORK/copilot"
judge <<'PYTHON'
for host in ("gemini", "qwen", "copilot"):
    pairs = [line.partition("=")[::2] for line in (WORK / host).read_text().splitlines()]
    found = {name: value for name, value in pairs if name.endswith("_PROJECT_DIR")}
    print(host, found)
    assert found["CLAUDE_PROJECT_DIR"] == found[host.upper() + "_PROJECT_DIR"] == str(WORK / "project")
    if host == "qwen":
        assert "/.qwen/" in found["QWEN_CODE_PROJECT_DIR"] and "GEMINI_PROJECT_DIR" in found
PYTHON
