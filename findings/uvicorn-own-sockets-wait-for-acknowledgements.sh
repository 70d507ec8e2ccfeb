#!/usr/bin/env bash
# uvicorn 0.54.0 on the asyncio of Python 3.11.7
# Guess: it makes no difference whether uvicorn opens its port itself or is given a socket that listens
#   (`Server.run(sockets=[socket.create_server(…)])`, as for a port that was chosen by the system).
# Seen: with the socket that is given each answer of a kept connection takes some 40 ms more: asyncio sets
#   TCP_NODELAY where a socket's `proto` is IPPROTO_TCP, and that of `socket.create_server` is 0. The head of an
#   answer goes out, and its body waits for the peer's delayed acknowledgement.
# Date: 2026-11-28
source "$(dirname "$0")/lab.bash"

pip_packages uvicorn==0.54.0 h11==0.16.0
cat >app.py <<'PYTHON'
import asyncio
import socket
import sys

import uvicorn


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"heron"})


port, given = int(sys.argv[1]), sys.argv[2] == "given"
config = uvicorn.Config(app, host="127.0.0.1", port=port, loop="asyncio", http="h11", log_level="critical", lifespan="off")
sockets = [socket.create_server(("127.0.0.1", port))] if given else None
asyncio.run(uvicorn.Server(config).serve(sockets=sockets))
PYTHON
"$PYTHON" - <<'PYTHON'
import http.client
import os
import socket
import statistics
import subprocess
import sys
import time


def milliseconds(how):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, os.path.abspath("app.py"), str(port), how])
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        taken = []
        for _ in range(40):
            began = time.perf_counter()
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"heron"
            taken.append((time.perf_counter() - began) * 1000)
        return statistics.median(taken)
    finally:
        server.kill()
        server.wait()


own, given = milliseconds("own"), milliseconds("given")
print(f"a port that uvicorn opened: {own:.1f} ms an answer; a socket that it was given: {given:.1f} ms")
assert given > 5 * own and given > 30, (own, given)
PYTHON
