#!/usr/bin/env bash
# @openai/codex 0.171.0
# Guess: an MCP server on stdio and a hook, both started by codex, have the same environment.
# Seen: the hook has all of codex's, the server a short list: HOME and PATH, but neither XDG_*
#   nor a variable of one's own, unless the entry names it in `env_vars`. Two programs that find
#   their data by XDG_DATA_HOME look in two places.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": ["Done."]}'
MORE=$'required = true\nenv_vars = ["NAMED"]' codex UserPromptSubmit
SETTINGS+=(NAMED=here NOT_NAMED=here XDG_DATA_HOME="$WORK/home/data")
codex_run ALPHA
judge <<'PYTHON'
hook = {line.partition("=")[0] for line in (WORK / "environment").read_text().splitlines()}
server = set(probe[0]["environment"])
for name in ("HOME", "PATH", "NAMED", "NOT_NAMED", "XDG_DATA_HOME"):
    print(f"{name:14} hook {name in hook!s:6} server {name in server}")
assert {"HOME", "PATH", "NAMED", "NOT_NAMED", "XDG_DATA_HOME"} <= hook
assert {"HOME", "PATH", "NAMED"} <= server and not {"NOT_NAMED", "XDG_DATA_HOME"} & server
PYTHON
