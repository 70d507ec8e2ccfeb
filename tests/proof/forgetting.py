"""Texts of every noun are forgotten for good: does a byte of them stand in any file?

A host's session and hooks tell texts through a daemon, so that snapshots, spool and logs are there
too. Each is forgotten with `memory-mcp forget --now`. Then every file under the store's folder and
the program's own state is read, as it is and as JSON would escape it.
"""

import json
import random
import string
from pathlib import Path

from tests.acceptance.processes import Server, run, text_of
from tests.proof.figure import Figure, Scale

from memory_mcp.rendezvous import Rendezvous

ALPHABETS = (string.ascii_letters, "äöüßéñçøåæ", "αβγδεζηθλμ", "абвгдежзик", "日本語中文字海山川")
EXTRAS = ("", " ", "\n", '"', "\\", "'", "\t", "<>&", "%s", "\u2028")


def trial(scale: Scale) -> list[Figure]:
    """Tell, forget, read every file."""
    chance = random.Random(scale.seed)
    home = scale.folder / "home"
    home.mkdir()
    more = {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
        "MEMORY_MCP_DAEMON_IDLE_SECONDS": "30",
    }
    database = scale.folder / "memory.db"
    texts = [_text(chance, number) for number in range(scale.of(15, 300))]
    broken = _told(database, texts, more)
    for text in texts:
        ended = run(
            *("--database", database, "forget", "--text", "-", "--all-agents", "--now", "--yes"),
            folder=scale.folder,
            stdin=text.encode(),
            more=more,
        )
        if ended.returncode:
            broken.append(f"not forgotten: {text!r}: {ended.stderr[-300:]}")
    broken += _traces(scale.folder, texts)  # while the daemon still runs
    Rendezvous(str(database)).end()
    broken += _traces(scale.folder, texts)
    files = sum(path.is_file() for path in scale.folder.rglob("*"))
    seen = (
        f"{len(texts)} texts told as message, passage, line, mail and prompt, then forgotten for"
        f" good: {len(broken) or 'no'} traces in {files} files"
    )
    return [Figure(promise="D24", seen=seen, broken=broken)]


def _text(chance: random.Random, number: int) -> str:
    """Something nobody else says, of several words and scripts."""
    words = ["".join(chance.choices(chance.choice(ALPHABETS), k=12)) for _ in range(3)]
    return f"{words[0]}{chance.choice(EXTRAS)}{words[1]} {words[2]} no{number}end"


def _told(database: Path, texts: list[str], more: dict[str, str]) -> list[str]:
    """Every text through every noun; what was refused."""
    broken: list[str] = []
    run("--database", database, "agents", "create", "bob", folder=database.parent, more=more)
    with Server(database, "--tools", "capture", more=more, daemon=True) as server:
        server.greet()
        for number, text in enumerate(texts):
            calls = (
                ("archival_insert", {"content": f"Filed: {text}"}),
                ("conversation_append", {"role": "user", "content": f"Said: {text}"}),
                ("core_memory_append", {"label": "project", "content": text}),
                ("send_to_agent", {"to": "bob", "message": f"Sent: {text}"}),
            )
            for tool, arguments in calls:
                answer = server.call(tool, **arguments)
                if "error" in answer or answer.get("isError"):
                    broken.append(f"{tool} refused {text!r}: {text_of(answer)[:200]}")
            event = {
                "hook_event_name": "UserPromptSubmit",
                "session_id": "proof",
                "prompt_id": f"p{number}",
                "prompt": f"Asked: {text}",
                "cwd": str(database.parent),
            }
            run(
                *("hook", "claude-code", "--database", database, "--agent", "default"),
                folder=database.parent,
                stdin=json.dumps(event).encode(),
                more=more,
            )
    return broken


def _traces(folder: Path, texts: list[str]) -> list[str]:
    """Every file in which a word of a text stands, raw or escaped; of a text its longest parts."""
    found: list[str] = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith("stderr-"):
            continue
        data = path.read_bytes()
        found += [
            f"{word!r} of {text!r} in {path.name}"
            for text in texts
            for word in text.split()
            if len(word) >= 10 and any(form in data for form in _forms(word))
        ]
    return found


def _forms(word: str) -> tuple[bytes, ...]:
    return word.encode(), json.dumps(word)[1:-1].encode(), word.lower().encode()
