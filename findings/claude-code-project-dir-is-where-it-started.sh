#!/usr/bin/env bash
# @anthropic-ai/claude-code 2.1.332
# Guess: CLAUDE_PROJECT_DIR, which hooks and servers get, is the root of the repository, as a
#   variable that tells the project from the current folder.
# Seen: it is the folder that claude was started in; from a subfolder of a repository it names the
#   subfolder, so that one repository is several projects.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

claude_code UserPromptSubmit
model '{"ALPHA": ["Done."]}'
mkdir -p part/deep
cd part/deep
claude_code_run -- ALPHA
judge <<'PYTHON'
environment = (WORK / "environment").read_text().splitlines()
(found,) = (line.partition("=")[2] for line in environment if line.startswith("CLAUDE_PROJECT_DIR="))
print("repository:", WORK / "project")
print("CLAUDE_PROJECT_DIR:", found)
assert Path(found) == WORK / "project/part/deep"
assert "CLAUDE_PROJECT_DIR" in probe[0]["environment"]
PYTHON
