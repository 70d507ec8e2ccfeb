"""`memory-mcp rekey`: whoever is killed, and wherever, the store opens with exactly one key."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.acceptance.processes import DEADLINE_SECONDS, command, environment, wait_until
from tests.acceptance.test_encryption import OTHER, PASSPHRASE, RAW, Place

from memory_mcp.domain.errors import StoreUnusable
from memory_mcp.keys import Key
from memory_mcp.storage.sqlite.driver import driver_errors
from memory_mcp.storage.sqlite.encryption import access_to, is_unreadable

pytest.importorskip("sqlcipher3", reason="needs the extra: encryption")
pytestmark = pytest.mark.plain("brings keys of its own")

WORD = "zqlighthousexj"
DIRECTIONS: dict[str, tuple[str | None, str | None]] = {
    "encrypt": (None, RAW),
    "another key": (RAW, PASSPHRASE),
    "decrypt": (PASSPHRASE, None),
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A new one; its daemon ends with the test."""
    made = Place(tmp_path)
    yield made
    made.run("daemon", "stop")


def under(key: str | None) -> dict[str, Any]:
    """The environment of who has this key."""
    return {"MEMORY_MCP_KEY": key} if key else {}


def words_for(new: str | None) -> tuple[list[str], dict[str, Any]]:
    """The command and its environment, besides the key that the store has."""
    if new is None:
        return ["rekey", "--decrypt"], {}
    return ["rekey"], {"MEMORY_MCP_NEW_KEY": new}


def told(place: Place, key: str | None) -> list[Any] | None:
    """Everything that people see in the store, as this key shows it; `None` where it shows none."""
    try:
        access = access_to(place.database, Key(key, "a test") if key else None)
    except StoreUnusable:
        return None
    connection = access.connect(place.database)
    try:
        found = "SELECT rowid FROM passages_fts WHERE passages_fts MATCH ?"
        assert connection.execute(found, (WORD,)).fetchall()
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES]
    except driver_errors() as error:
        if not is_unreadable(error):
            raise
        return None
    finally:
        connection.close()


TABLES = ("messages", "passages", "passage_tags", "blocks", "block_history")


@cache
def filled(key: str | None) -> dict[str, bytes]:
    """A store with something of everything, a copy of before, and a call of a hook that waits."""
    with TemporaryDirectory() as folder:
        place = Place(Path(folder))
        fill(place, key)
        return {
            str(path.relative_to(place.folder)): path.read_bytes()
            for path in place.folder.rglob("*")
            if path.is_file()
        }


def put(place: Place, key: str | None) -> None:
    """Lay such a store there."""
    for name, content in filled(key).items():
        path = place.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def fill(place: Place, key: str | None) -> None:
    """Tell a new store something through its commands."""
    lines = [{"content": f"{WORD} number {n}", "tags": ["sea"]} for n in range(60)]
    text = "\n".join(map(json.dumps, lines)).encode()
    assert place.run("import", "passages", "-", stdin=text, **under(key)).returncode == 0
    said = {"role": "user", "created_at": "2026-11-22T14:05:00Z", "conversation": "one"}
    chat = [said | {"content": f"{WORD} {n}"} for n in range(60)]
    text = "\n".join(map(json.dumps, chat)).encode()
    assert place.run("import", "jsonl", "-", stdin=text, **under(key)).returncode == 0
    copy = place.folder / "memory.db.before-schema-9"
    copy.write_bytes(place.database.read_bytes())
    place.hook({"hook_event_name": "SessionEnd", "reason": WORD}, **under(key))
    assert list(place.folder.glob("memory.db.hooks/*.json"))


@pytest.mark.parametrize(("old", "new"), DIRECTIONS.values(), ids=DIRECTIONS)
def test_all_is_there_under_the_new_key_and_nothing_under_the_old(
    place: Place, old: str | None, new: str | None
) -> None:
    put(place, old)
    before = told(place, old)
    assert before
    words, more = words_for(new)
    kept = place.home / "kept.db"

    ended = place.run(*words, "--keep", kept, **under(old), **more)

    assert ended.returncode == 0, ended.stderr
    assert told(place, new) == before
    if new is not None:
        assert told(place, None) is None
    if old is not None and new is not None:
        assert told(place, old) is None
    doctor = place.run("doctor", **under(new)).stdout
    assert ("encrypted by SQLCipher" in doctor) == (new is not None)
    assert "SQLite finds the store sound" in doctor
    assert (place.folder / "memory.db").stat().st_mode & 0o077 == 0
    # What was under the old key, and where that is asked for it still is.
    lies = {path.name for path in place.folder.rglob("*") if path.is_file()}
    assert not [name for name in lies if ".part" in name or name.endswith("-journal")]
    kept.rename(place.folder / "aside")
    place.database.rename(place.folder / "now")
    (place.folder / "aside").rename(place.database)
    assert told(place, old) == before
    place.database.unlink()
    (place.folder / "memory.db.before-schema-9").rename(place.database)
    assert told(place, new) is not None
    if new is not None:
        assert not place.found(WORD)
    else:
        assert place.found(WORD)


STEPS = (
    ("rekeying", "_lock", "before"),
    ("rekeying", "_copy", "before"),
    ("rekeying", "_compare", "before"),
    ("rekeying", "_copy", "after"),
    ("os", "replace", "before"),
    ("os", "replace", "after"),
    ("rekeying", "_overwrite", "after"),
    ("rekey", "settle", "before"),
)
KILLED = """
import os, signal, sys, time
from memory_mcp.app import rekey
from memory_mcp.storage.sqlite import rekeying
module, name, when, runs = sys.argv[1:5]
place = {"os": os, "rekey": rekey, "rekeying": rekeying}[module]
done, left = getattr(place, name), int(runs)

def killed(*told, **more):
    global left
    left -= 1
    while left == 0 and not os.path.exists(os.environ.get("HELD_UNTIL", "/")):
        time.sleep(0.01)
    if left == 0 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = done(*told, **more)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

setattr(place, name, killed)
sys.argv[1:] = sys.argv[5:]
from memory_mcp.cli import main
main()
"""


@pytest.mark.parametrize("step", STEPS, ids=["-".join(step) for step in STEPS])
@pytest.mark.parametrize(("old", "new"), DIRECTIONS.values(), ids=DIRECTIONS)
def test_killed_at_any_step_it_leaves_a_store_with_one_key_and_goes_on_when_run_again(
    place: Place, old: str | None, new: str | None, step: tuple[str, str, str]
) -> None:
    put(place, old)
    before = told(place, old)
    assert before
    words, more = words_for(new)
    # The copy of before a migration comes first, or last if the store is decrypted.
    runs = "1" if new is None or step[1] == "settle" else "2"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *step, runs, *words],
        env=environment(**place.more(**under(old), **more)),
        cwd=place.home,
        capture_output=True,
        timeout=2 * DEADLINE_SECONDS,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    shown = {key: told(place, key) for key in (old, new)}
    assert sorted(shown.values(), key=bool) == [None, before]
    opens = next(key for key in (old, new) if shown[key])
    if new is not None and opens is not None and opens != old:
        assert told(place, None) is None

    again = place.run(*words, **under(old), **more)
    if new is None and opens is None:
        assert "is not encrypted" in again.stderr
    else:
        assert again.returncode == 0, again.stderr
        came_so_far = "The store was under the new key already" in again.stdout
        assert came_so_far == (opens == new)
    assert told(place, new) == before
    if new is not None:
        assert not place.found(WORD)
    assert not list(place.folder.glob("*.part*"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux to see who waits")
def test_who_waited_for_the_old_file_writes_nothing_to_it_when_rekey_is_killed(
    place: Place,
) -> None:
    put(place, None)
    before = told(place, None)
    more: dict[str, Any] = {"MEMORY_MCP_NEW_KEY": RAW, "HELD_UNTIL": str(place.home / "go")}
    # Before the file is overwritten: what waits could go on with it.
    step = ("os", "replace", "after", "2")
    killed = subprocess.Popen(
        [sys.executable, "-c", KILLED, *step, "rekey"],
        env=environment(**place.more(**more)),
        cwd=place.home,
    )
    wait_until(lambda: list(place.folder.glob("memory.db.[!b]*.rekey.part")))
    waits = subprocess.Popen(
        command("agents", "create", "more"),
        env=environment(**place.more()),
        cwd=place.home,
        stderr=subprocess.PIPE,
    )

    def is_there() -> bool:
        return str(place.database) in {
            os.path.realpath(each) for each in Path(f"/proc/{waits.pid}/fd").iterdir()
        }

    wait_until(is_there)
    (place.home / "go").touch()

    assert killed.wait(DEADLINE_SECONDS) == -signal.SIGKILL
    assert b"is encrypted, and there is no key" in waits.communicate(timeout=DEADLINE_SECONDS)[1]
    assert not (place.folder / "memory.db-wal").exists()
    assert told(place, RAW) == before


def test_a_store_that_another_process_has_open_is_left_as_it_is(place: Place) -> None:
    put(place, None)
    before = told(place, None)
    with place.server(daemon=False) as server:
        server.greet()
        ended = place.run("rekey", MEMORY_MCP_NEW_KEY=RAW)
        assert ended.returncode == 1
        assert "another process has" in ended.stderr
        assert not server.call("archival_insert", content="more").get("isError")
    assert told(place, RAW) is None
    after = told(place, None)
    assert before
    assert after
    assert len(after[1]) == len(before[1]) + 1


def test_sessions_go_on_over_a_change_of_the_key_where_it_lies_in_the_usual_file(
    place: Place,
) -> None:
    put(place, None)
    with place.server() as server:
        server.greet()
        assert not server.call("archival_insert", content="before").get("isError")
        ended = place.run("rekey", "--key-file", place.key_file)
        assert ended.returncode == 0, ended.stderr
        assert "Every process of yours finds it there." in ended.stdout
        assert not server.call("archival_insert", content="after").get("isError")
    assert place.key_file.stat().st_mode & 0o777 == 0o600
    assert place.key_file.read_text().strip() not in ended.stdout + ended.stderr
    shown = place.run("search", "after").stdout
    assert "after" in shown
    assert not place.found(WORD)


@pytest.mark.parametrize(
    ("old", "words", "more", "complaint"),
    [
        (None, ["--decrypt"], {}, "is not encrypted"),
        (None, [], {}, "there is no new key: set MEMORY_MCP_NEW_KEY"),
        (RAW, [], {"MEMORY_MCP_NEW_KEY": RAW.lower()}, "has this key already"),
        (RAW, [], {"MEMORY_MCP_NEW_KEY": "short"}, "MEMORY_MCP_NEW_KEY: a key has 8 characters"),
        (RAW, ["--keyring"], {}, "there is no usable keyring on this machine"),
        (RAW, ["--keep", "memory"], {"MEMORY_MCP_NEW_KEY": OTHER}, "there is something at memory"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(
    place: Place, old: str | None, words: list[str], more: dict[str, Any], complaint: str
) -> None:
    put(place, old)
    before = told(place, old)
    assert before

    ended = place.run("rekey", *words, **under(old), **more)

    assert ended.returncode == 1
    assert complaint in ended.stderr
    assert told(place, old) == before


def test_neither_key_is_said_and_leaves_the_store_alone(place: Place) -> None:
    put(place, RAW)

    ended = place.run("rekey", MEMORY_MCP_KEY=OTHER, MEMORY_MCP_NEW_KEY=PASSPHRASE)

    assert ended.returncode == 1
    assert "cannot be opened with the key that is given" in ended.stderr
    assert told(place, RAW)


KEYRING = """
import json, os
from keyring.backend import KeyringBackend

class InAFile(KeyringBackend):
    priority = 1
    path = os.environ["RING"]

    def _all(self):
        try:
            return json.load(open(self.path))
        except FileNotFoundError:
            return {}

    def get_password(self, service, username):
        return self._all().get(f"{service} {username}")

    def set_password(self, service, username, password):
        told = self._all() | {f"{service} {username}": password}
        json.dump(told, open(self.path, "w"))

    def delete_password(self, service, username):
        told = self._all()
        del told[f"{service} {username}"]
        json.dump(told, open(self.path, "w"))
"""


def test_the_keyring_has_the_key_for_every_process_before_and_after_it_changes(
    place: Place,
) -> None:
    (place.home / "ring_in_a_file.py").write_text(KEYRING)
    ring: dict[str, Any] = {
        "PYTHON_KEYRING_BACKEND": "ring_in_a_file.InAFile",
        "PYTHONPATH": str(place.home),
        "RING": str(place.home / "ring"),
    }
    put(place, None)
    before = told(place, None)
    for _ in range(2):  # encrypted, then another key
        assert place.run("rekey", "--keyring", **ring).returncode == 0
        assert len(json.loads((place.home / "ring").read_text())) == 1
        key = json.loads((place.home / "ring").read_text()).popitem()[1]
        assert told(place, key) == before
        assert place.run("stats", **ring).returncode == 0
        assert told(place, None) is None
    with place.server(**ring) as server:
        assert server.greet()
    assert place.run("daemon", "stop", **ring).returncode == 0
    assert place.run("rekey", "--decrypt", **ring).returncode == 0
    assert json.loads((place.home / "ring").read_text()) == {}
    assert told(place, None) == before
