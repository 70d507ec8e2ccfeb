#!/usr/bin/env bash
# PyPI: openai-agents 0.24.0, crewai 1.15.30
# Guess: strict schemas, which must list each property as required, keep an optional one optional
#   by letting it be null.
# Seen: crewai does so. openai-agents with `convert_schemas_to_strict` makes `tag`, an optional string,
#   required and leaves it a string: the model has no way to leave it out and must make one up,
#   the empty string at best.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

model '{"ALPHA": ["Done."]}'
pip_packages openai-agents==0.24.0
SETTINGS=(OPENAI_AGENTS_DISABLE_TRACING=1)
scratch "$PYTHON" - "$FINDINGS/probe.py" "$WORK/probe.jsonl" "$URL/v1" <<'PYTHON'
import asyncio, sys
from agents import Agent, OpenAIChatCompletionsModel, Runner
from agents.mcp import MCPServerStdio
from openai import AsyncOpenAI
async def main():
    probe, log, url = sys.argv[1:]
    model = OpenAIChatCompletionsModel("scripted", AsyncOpenAI(base_url=url, api_key="fake"))
    async with MCPServerStdio({"command": sys.executable, "args": [probe, log]}) as server:
        strict = {"convert_schemas_to_strict": True}
        agent = Agent("agent", model=model, mcp_servers=[server], mcp_config=strict)
        await Runner.run(agent, "ALPHA")
asyncio.run(main())
PYTHON
pip_packages crewai==1.15.30 mcp==1.30.0
SETTINGS=(CREWAI_DISABLE_TELEMETRY=true CREWAI_TRACING_ENABLED=false OTEL_SDK_DISABLED=true)
scratch "$PYTHON" - "$FINDINGS/probe.py" "$WORK/probe.jsonl" "$URL/v1" >"$WORK/out" 2>&1 <<'PYTHON'
import sys
from crewai import LLM, Agent
from crewai.mcp import MCPServerStdio
probe, log, url = sys.argv[1:]
server = MCPServerStdio(command=sys.executable, args=[probe, log])
model = LLM(model="openai/gpt-4o", base_url=url, api_key="fake")
Agent(role="r", goal="g", backstory="b", llm=model, mcps=[server]).kickoff("ALPHA")
PYTHON
judge <<'PYTHON'
read = []
for each in (requests[0], requests[-1]):
    functions = [tool["function"] for tool in each["body"]["tools"]]
    (note,) = [f for f in functions if f["description"].startswith("Takes words")]
    read.append((note["strict"], note["parameters"]["required"], note["parameters"]["properties"]["tag"]))
print("openai-agents:", read[0], "crewai:", read[1], sep="\n")
assert read[0] == (True, ["words", "tag", "limit"], {"type": "string"})
assert read[1] == (True, ["words", "tag", "limit"], {"anyOf": [{"type": "string"}, {"type": "null"}]})
PYTHON
