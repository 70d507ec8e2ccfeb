"""Other people's memory servers, installed on request into a folder of the caller's choice."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bench.contenders import Contender, environment
from bench.corpus import Passage

SERVER_MEMORY = "@modelcontextprotocol/server-memory"


class ServerMemory:
    """The official reference server in Node: a JSON Lines file, read and rewritten by each call."""

    def __init__(self, script: Path) -> None:
        self._script = script

    def contender(self, database: Path) -> Contender:
        return Contender(
            name="server-memory",
            command=("node", str(self._script)),
            environment=environment(MEMORY_FILE_PATH=str(database)),
            insert=lambda passage: ("create_entities", {"entities": [_entity(passage)]}),
            # It looks for the whole query as it stands, so it gets a single word.
            search=lambda query: ("search_nodes", {"query": query.keyword}),
            stored=lambda: _stored_texts(database),
        )

    def fill(self, passages: Iterable[Passage], database: Path) -> None:
        """Write its file as it would itself."""
        with database.open("w") as out:
            for passage in passages:
                out.write(json.dumps({"type": "entity"} | _entity(passage)) + "\n")


def server_memory(folder: Path | None) -> ServerMemory | None:
    """The peer, installed into `folder` if it is not there; None, and a line why, without it."""
    if folder is None:
        print("server-memory: skipped, no --peers-dir given")
        return None
    package = folder.absolute() / "node_modules" / SERVER_MEMORY
    if not package.exists() and not _install(folder.absolute()):
        return None
    version = json.loads((package / "package.json").read_text())["version"]
    print(f"server-memory: version {version}")
    return ServerMemory(package / "dist" / "index.js")


def _install(folder: Path) -> bool:
    npm = shutil.which("npm")
    if npm is None:
        print("server-memory: skipped, npm is not installed")
        return False
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", SERVER_MEMORY]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"server-memory: skipped, npm could not install it: {done.stderr.strip()[-300:]}")
    return done.returncode == 0


def _entity(passage: Passage) -> dict[str, object]:
    return {
        "name": passage.external_id,
        "entityType": "memory",
        "observations": [passage.content],
    }


def _stored_texts(database: Path) -> list[str]:
    lines = database.read_text().splitlines()
    entities = [json.loads(line) for line in lines if line.strip()]
    return [each["observations"][0] for each in entities if each["type"] == "entity"]
