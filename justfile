# CI runs the same commands; CONTRIBUTING.md says how .venv is made.

default: check test

# tests; any of pytest's arguments may follow
test *args:
    .venv/bin/pytest {{args}}

# style, types, spelling
check:
    tools/check

# the same, mending what can be mended
fix:
    tools/check --fix

# MCP's own test programs on the server; npm fetches them, Node.js is in .venv
conformance *args:
    .venv/bin/python tools/conformance.py {{args}}

# memory in real hosts from npm, against a scripted model; --all writes the table in docs/hosts.md
hosts *args:
    .venv/bin/python -m tests.real_hosts {{args}}

# our agent files in a real Letta server, and everything of it back; PyPI has it, 700 MB
letta:
    .venv/bin/python -m tests.real_letta

# tries to lose, break and forge something: minutes; `just proof long`: an hour; --write: the tables
proof *args:
    .venv/bin/python -m tests.proof {{args}}

# client libraries of others on the server, each in an environment of its own; writes docs/clients.md
clients *names:
    .venv/bin/python -m tests.clients {{names}}

# faults that no test notices, in the guards of money, privacy and data; just mutants --help
mutants *args:
    .venv/bin/python tools/mutants.py {{args}}

# the lock files, from pyproject.toml (--upgrade renews every pin)
lock *args:
    tools/lock {{args}}

# client_configs/ and server.json, from what `memory-mcp install` writes
configs:
    .venv/bin/python tools/write_client_configs.py

# dist/memory-mcp.mcpb, a bundle for Claude Desktop (needs Node.js)
mcpb:
    tools/pack_mcpb

# measurements; just bench --help
bench *args:
    .venv/bin/python -m bench {{args}}

# the server on stdio, as a host starts it
serve *args:
    .venv/bin/memory-mcp {{args}}

# the server in the MCP inspector (needs Node.js)
inspect:
    npx @modelcontextprotocol/inspector .venv/bin/memory-mcp

# what is wrong with this machine's store and settings
doctor *args:
    .venv/bin/memory-mcp doctor {{args}}

# that the documents and examples say what the program does
docs:
    .venv/bin/pytest tests/test_docs.py tests/test_examples.py

# everything that a change must pass, as CI does it
ci:
    bash .ci/run
