#!/usr/bin/env bash
# cline 3.0.65
# Guess: `--config` is by default ~/.cline, so servers configured in ~/.cline/mcp.json are found.
# Seen: that file is not read, and nothing says so; ~/.cline/data/settings/cline_mcp_settings.json is.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": ["Done."]}'
cline_cli
printf '{"mcpServers": {"other": {"command": "python3", "args": ["%s", "%s"]}}}' \
    "$FINDINGS/probe.py" "$WORK/other.jsonl" >"$WORK/home/.cline/mcp.json"
cline_run "ALPHA, please"
judge <<'PYTHON'
print("by cline_mcp_settings.json:", len(probe), "lines; by mcp.json:", len(lines("other.jsonl")))
assert probe and not (WORK / "other.jsonl").exists()
assert "mcp.json" not in (WORK / "out").read_text() + (WORK / "stderr").read_text()
PYTHON
