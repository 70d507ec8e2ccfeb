"""Trusts the hooks of a scratch home in Codex, by its app server, as its own `/hooks` does."""

import json
import subprocess
import sys

server = subprocess.Popen(
    ["codex", "app-server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
assert server.stdin
assert server.stdout


def say(**message: object) -> None:
    """One line to the server."""
    print(json.dumps(message), file=server.stdin, flush=True)


def ask(number: int, method: str, **params: object) -> dict[str, list[dict[str, list[dict]]]]:
    """What a method returns."""
    say(id=number, method=method, params=params)
    for line in server.stdout or ():
        answer = json.loads(line)
        if answer.get("id") == number and "method" not in answer:
            return answer["result"]
    sys.exit(f"{method}: no answer")


ask(1, "initialize", clientInfo={"name": "findings", "version": "1"})
say(method="initialized")
listed = ask(2, "hooks/list", cwds=[sys.argv[1]])["data"]
hooks = [hook for entry in listed for hook in entry["hooks"]]
trusted = {hook["key"]: {"trusted_hash": hook["currentHash"]} for hook in hooks}
edit = {"keyPath": "hooks.state", "mergeStrategy": "upsert", "value": trusted}
ask(3, "config/batchWrite", edits=[edit])
server.stdin.close()
server.wait(30)
