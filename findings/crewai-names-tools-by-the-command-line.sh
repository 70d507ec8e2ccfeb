#!/usr/bin/env bash
# PyPI: crewai 1.15.30
# Guess: a tool of an MCP server is called by its own name, with the server's before it if need be.
# Seen: the prefix is the command line with all arguments; the name is then cut to 64 characters, and
#   with a path or two in the arguments nothing of the tool's own name is left, only a number.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": [{"Text and structure.": {}}, "Done."]}'
pip_packages crewai==1.15.30 mcp==1.30.0
SETTINGS=(CREWAI_DISABLE_TELEMETRY=true CREWAI_TRACING_ENABLED=false OTEL_SDK_DISABLED=true)
mkdir -p "$WORK/home/projects/some-project/servers"
cp "$FINDINGS/probe.py" "$WORK/home/projects/some-project/servers/probe.py"
scratch "$PYTHON" - "$WORK/home/projects/some-project/servers/probe.py" "$WORK/probe.jsonl" "$URL/v1" \
    >"$WORK/out" 2>&1 <<'PYTHON'
import sys
from crewai import LLM, Agent
from crewai.mcp import MCPServerStdio
probe, log, url = sys.argv[1:]
server = MCPServerStdio(command=sys.executable, args=[probe, log])
model = LLM(model="openai/gpt-4o", base_url=url, api_key="fake")
Agent(role="r", goal="g", backstory="b", llm=model, mcps=[server]).kickoff("ALPHA")
PYTHON
judge <<'PYTHON'
names = {t["function"]["description"]: t["function"]["name"] for t in requests[0]["body"]["tools"]}
print(*names.items(), sep="\n")
(called,) = [each["params"]["name"] for each in probe if each.get("method") == "tools/call"]
assert called == "look" and "look" not in names["Text and structure."]
assert len({name[:50] for name in names.values()}) == 1
PYTHON
