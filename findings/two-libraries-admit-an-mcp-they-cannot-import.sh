#!/usr/bin/env bash
# PyPI: smolagents 1.26.0, autogen-ext 0.7.5, mcp 2.3.0
# Guess: what `pip install "smolagents[mcp]"` or "autogen-ext[mcp]" brings along works with it.
# Seen: neither bounds `mcp` from above; pip takes 2.3.0 without a complaint, and there the names that
#   both import are gone: the MCP part of both ends in an ImportError.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

pip_packages "smolagents[mcp]==1.26.0" mcp==2.3.0
"$PYTHON" -m pip check >"$WORK/smolagents"
scratch "$PYTHON" -c "import mcpadapt.core" 2>>"$WORK/smolagents" || true
pip_packages "autogen-ext[mcp]==0.7.5" autogen-agentchat==0.7.5 mcp==2.3.0
"$PYTHON" -m pip check >"$WORK/autogen"
scratch "$PYTHON" -c "import autogen_ext.tools.mcp" 2>>"$WORK/autogen" || true
judge <<'PYTHON'
for name, gone in (("smolagents", "streamablehttp_client"), ("autogen", "RequestContext")):
    seen = (WORK / name).read_text().splitlines()
    print(name, seen[0], seen[-1].partition(" (")[0], sep="\n  ")
    assert seen[0] == "No broken requirements found."
    assert seen[-1].startswith(f"ImportError: cannot import name '{gone}'")
PYTHON
