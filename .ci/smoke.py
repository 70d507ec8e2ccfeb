"""Start the server that the arguments name and speak raw JSON with it over stdio, like a host."""

import json
import subprocess
import sys
import threading

server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert server.stdin
assert server.stdout
clock = threading.Timer(60, server.kill)
clock.daemon = True
clock.start()


def send(message: dict[str, object]) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), file=server.stdin, flush=True)


def ask(number: int, method: str, params: dict[str, object]) -> dict[str, list[dict[str, str]]]:
    send({"id": number, "method": method, "params": params})
    for line in server.stdout or ():
        answer = json.loads(line)
        if answer.get("id") == number:
            return answer["result"]
    sys.exit(f"{method}: the server ended without an answer")


client = {"name": "smoke", "version": "1"}
hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
print(ask(1, "initialize", hello)["serverInfo"])
send({"method": "notifications/initialized"})
tools = [tool["name"] for tool in ask(2, "tools/list", {})["tools"]]
print(", ".join(tools))
server.stdin.close()
ended = server.wait()
sys.exit(ended or not tools)
