"""An encrypted store: nothing of it can be read beside it, and only its key opens it."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.processes import Server, command, environment, run, text_of, wait_until

from memory_mcp.config import load_settings
from memory_mcp.keys import Key
from memory_mcp.storage.sqlite.encryption import access_to

pytest.importorskip("sqlcipher3", reason="needs the extra: encryption")
pytestmark = pytest.mark.plain("brings keys of its own")

PASSPHRASE = "correct 'horse' \"battery\" ßtaple"
RAW = "5EC2e7" * 10 + "beef"
OTHER = "another key altogether"
NOUNS = (
    "block",
    "label",
    "agent",
    "passage",
    "tag",
    "message",
    "mail",
    "prompt",
    "waiting",
    "refused",
    "conversation",
)
"""Where a text of a person's may stand; each is told a word that stands nowhere else."""


def word(noun: str) -> str:
    """That word."""
    return f"zq{noun}xj"


class Place:
    """A home of one's own with a store in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "memory"
        self.folder.mkdir()
        self.database = self.folder / "memory.db"
        self.key_file = home / "config" / "memory-mcp" / "key"
        self.temporary = home / "tmp"
        self.temporary.mkdir()

    def more(self, **settings: str) -> dict[str, str]:
        """The environment, besides the key."""
        return {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "TMPDIR": str(self.temporary),
            "MEMORY_MCP_DATABASE": str(self.database),
            "MEMORY_MCP_DAEMON_IDLE_SECONDS": "30",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            **settings,
        }

    def run(self, *words: object, stdin: bytes = b"", **settings: str) -> Any:
        """A command to its end."""
        return run(*words, folder=self.home, stdin=stdin, more=self.more(**settings))

    def server(self, *words: object, daemon: bool = True, **settings: str) -> Server:
        """A session of a host."""
        return Server(self.database, *words, daemon=daemon, more=self.more(**settings))

    def hook(self, event: Mapping[str, Any], *words: str, **settings: Any) -> Any:
        """A call of a host's hook."""
        told = {"session_id": "s-1", "cwd": str(self.home), **event}
        return self.run("hook", "claude-code", *words, stdin=json.dumps(told).encode(), **settings)

    def found(self, *words: str) -> set[str]:
        """Which of these words stand in any file of the home, whichever case they are in."""
        files = [path.read_bytes().lower() for path in self.home.rglob("*") if path.is_file()]
        return {each for each in words if any(each.lower().encode() in file for file in files)}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A new one; its daemon ends with the test."""
    made = Place(tmp_path)
    yield made
    made.run("daemon", "stop")


def said(server: Server, tool: str, **arguments: Any) -> str:
    """What a model reads of a call that must succeed."""
    result = server.call(tool, **arguments)
    assert not result.get("isError", True), text_of(result)
    return text_of(result)


def fill(place: Place, **settings: Any) -> None:
    """Tell each noun's word through a public door."""
    words = ("--agent", word("agent"), "--tools", "capture")
    with place.server(*words, **settings) as server:
        server.greet()
        made = place.run("--agent", word("agent"), "blocks", "create", word("label"), **settings)
        assert made.returncode == 0, made.stderr
        said(server, "core_memory_append", label="human", content=f"Likes {word('block')}.")
        said(server, "archival_insert", content=word("passage"), tags=[word("tag")])
        said(
            server,
            "conversation_append",
            role="user",
            content=f"I said {word('message')}.",
            conversation=word("conversation"),
        )
        said(server, "send_to_agent", message=word("mail"), to="default")
        place.hook({"hook_event_name": "UserPromptSubmit", "prompt": word("prompt")}, **settings)
        prompt = {"hook_event_name": "UserPromptSubmit", "prompt": word("refused")}
        place.hook(prompt, "--agent", "no/name", **settings)
        recalled = said(server, "conversation_search", query=word("message"))
        assert word("message") in recalled


@pytest.mark.parametrize("key", [PASSPHRASE, RAW, None], ids=["passphrase", "raw", "plain"])
def test_no_file_shows_a_word_of_an_encrypted_store(place: Place, key: str | None) -> None:
    settings: dict[str, Any] = {"MEMORY_MCP_KEY": key} if key else {}
    words = [word(noun) for noun in NOUNS]
    fill(place, **settings)
    while_open = place.found(*words)
    kinds = {path.name for path in place.folder.iterdir()}
    assert {"memory.db", "memory.db-wal", "memory.db-shm", "memory.db.hooks"} <= kinds
    place.run("daemon", "stop", **settings)
    # A hook that nobody listens to starts no daemon; what it left waits, and it has no key.
    place.hook({"hook_event_name": "SessionEnd", "reason": word("waiting")})
    closed = place.found(*words)
    left = sorted(path.name for path in place.folder.glob("memory.db.hooks/*"))
    assert [name.rpartition(".")[2] for name in left] == ["refused", "json"]

    if key is None:  # else this test would find nothing in any store
        assert while_open == set(words) - {word("waiting")}
        assert closed == set(words)
    else:
        assert (while_open, closed) == (set(), set())
        assert "memory.db.snapshots" not in kinds

    with place.server("--agent", word("agent"), **settings) as server:  # and it all is there
        greeting = server.greet()
        assert word("block") in greeting["instructions"]
        assert word("passage") in said(server, "archival_search", query=word("passage"))
        assert word("passage") in said(server, "archival_search", query="x", tags=[word("tag")])
    wait_until(lambda: not list(place.folder.glob("memory.db.hooks/*.json")))


def test_vectors_are_compared_by_sqlite_vec_in_an_encrypted_store_too(place: Place) -> None:
    fill(place, MEMORY_MCP_KEY=RAW)
    told = json.loads(place.run("stats", "--json", MEMORY_MCP_KEY=RAW).stdout)
    assert "sqlite-vec" in json.dumps(told)


# Who gets in.

STORES: dict[str, dict[str, Any] | None] = {
    "none": None,
    "plain": {},
    "encrypted": {"MEMORY_MCP_KEY": PASSPHRASE},
}
REFUSALS = [
    ("encrypted", {}, "is encrypted, and there is no key"),
    ("encrypted", {"MEMORY_MCP_KEY": OTHER}, "cannot be opened with the key that is given"),
    ("encrypted", {"MEMORY_MCP_KEY": RAW}, "cannot be opened with the key that is given"),
    (
        "encrypted",
        {"MEMORY_MCP_KEY_FILE": "key"},
        "_KEY_FILE (key) can be read by others",
    ),
    ("encrypted", {"MEMORY_MCP_KEY_FILE": "none"}, "MEMORY_MCP_KEY_FILE (none) cannot be read"),
    ("encrypted", {"MEMORY_MCP_KEY": "short"}, "MEMORY_MCP_KEY: a key has 8 characters or more"),
    (
        "encrypted",
        {"MEMORY_MCP_KEY": OTHER, "MEMORY_MCP_KEY_FILE": "key"},
        "MEMORY_MCP_KEY and MEMORY_MCP_KEY_FILE are both set",
    ),
    ("plain", {"MEMORY_MCP_KEY": OTHER}, "is not encrypted, but there is a key (MEMORY_MCP_KEY)"),
    ("none", {"MEMORY_MCP_KEY": "short"}, "MEMORY_MCP_KEY: a key has 8 characters or more"),
]


@pytest.mark.parametrize(
    ("store", "settings", "told"),
    REFUSALS,
    ids=[f"{number}-{told[0]}" for number, told in enumerate(REFUSALS)],
)
def test_only_its_key_opens_a_store_and_whoever_comes_is_told_what_to_do(
    place: Place, store: str, settings: dict[str, Any], told: str
) -> None:
    if (made := STORES[store]) is not None:
        assert place.run("agents", "create", "work", **made).returncode == 0
    (place.home / "key").write_text(PASSPHRASE)
    (place.home / "key").chmod(0o644)
    before = place.database.read_bytes() if place.database.exists() else None

    for words in (("stats",), (), ("export", "jsonl", "-"), ("agents", "create", "more")):
        ended = place.run(*words, **settings)
        assert ended.returncode == 1, words
        assert told in ended.stderr, words
        assert ended.stdout == ""
        assert "Traceback" not in ended.stderr
        for secret in (OTHER, PASSPHRASE, RAW):
            assert secret not in ended.stderr
    found = json.loads(place.run("doctor", "--json", **settings).stdout or "{}").get("findings", [])
    if told.startswith(("is ", "cannot")):
        assert [each for each in found if each["about"] == "store" and told in each["what"]]
    after = place.database.read_bytes() if place.database.exists() else None
    assert after == before


def test_a_session_without_the_key_is_served_by_a_daemon_that_has_it_and_one_with_another_is_not(
    place: Place,
) -> None:
    with place.server(MEMORY_MCP_KEY=PASSPHRASE) as first:
        first.greet()
        said(first, "archival_insert", content="the spare key hangs in the shed")
        with place.server() as second:  # the same user, at a door that only this user can open
            second.greet()
            assert "shed" in said(second, "archival_search", query="spare key")
        ended = place.run("stats", MEMORY_MCP_KEY=OTHER)
        assert ended.returncode == 1
        assert "is not the one that its daemon has the store open with" in ended.stderr
        with place.server(MEMORY_MCP_KEY=OTHER) as third:
            assert third.wait() == 1
            assert "is not the one that its daemon" in third.errors()
        assert place.run("stats", MEMORY_MCP_KEY=PASSPHRASE).returncode == 0


def test_a_key_file_at_its_usual_place_is_found_by_processes_that_are_told_nothing(
    place: Place,
) -> None:
    place.key_file.parent.mkdir(parents=True)
    place.key_file.write_text(f"{PASSPHRASE}\n")
    place.key_file.chmod(0o600)
    assert place.run("agents", "create", "work").returncode == 0
    assert not place.database.read_bytes().startswith(b"SQLite")
    place.key_file.rename(place.home / "elsewhere")

    assert "is encrypted, and there is no key" in place.run("stats").stderr
    told = place.run("stats", MEMORY_MCP_KEY_FILE=str(place.home / "elsewhere"))
    assert told.returncode == 0
    assert place.run("stats", MEMORY_MCP_KEY=PASSPHRASE).returncode == 0


def test_what_is_made_for_a_store_that_is_not_there_is_sealed_too(place: Place) -> None:
    place.hook(
        {"hook_event_name": "SessionEnd", "reason": word("waiting")}, MEMORY_MCP_KEY=PASSPHRASE
    )

    assert not place.found(word("waiting"))
    assert list(place.folder.glob("memory.db.hooks.seal"))


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (9_000, "it is damaged"),
        (100, "is damaged: of its first"),
        (3, "encrypted with another one, or damaged"),
    ],
    ids=["a page", "the first page", "the salt"],
)
def test_damage_is_told_from_another_key_where_it_can_be(place: Place, at: int, told: str) -> None:
    assert place.run("agents", "create", "work", MEMORY_MCP_KEY=RAW).returncode == 0
    whole = bytearray(place.database.read_bytes())
    whole[at] ^= 1
    place.database.write_bytes(whole)

    ended = place.run("stats", MEMORY_MCP_KEY=RAW)

    assert ended.returncode == 1
    assert told in ended.stderr


def test_an_export_says_that_it_is_plain_text(place: Place) -> None:
    assert place.run("agents", "create", "work", MEMORY_MCP_KEY=RAW).returncode == 0

    ended = place.run("export", "jsonl", "--all", "-", MEMORY_MCP_KEY=RAW)

    assert ended.returncode == 0
    assert "The store is encrypted; what is exported is plain text." in ended.stderr


# Where the key does not stand.


def test_the_key_stands_in_no_answer_log_file_or_command_line(place: Place) -> None:
    key = PASSPHRASE
    settings: dict[str, Any] = {"MEMORY_MCP_KEY": key, "MEMORY_MCP_LOG_LEVEL": "DEBUG"}
    fill(place, **settings)
    with place.server(**settings) as server:
        server.greet()
        status = place.run("daemon", "status", "--json", **settings)
        daemon = json.loads(status.stdout)["pid"]
        told = [status, place.run("doctor", **settings), place.run("daemon", "logs", **settings)]
        told.append(place.run("doctor", "--json", **settings))
        told.append(place.run("rekey", **settings))
        lines = [Path(f"/proc/{pid}/cmdline") for pid in (daemon, server.pid)]
        assert not any(key.encode() in path.read_bytes() for path in lines if path.exists())
    assert "encrypted by SQLCipher" in told[1].stdout
    derived = _raw_key(place, key)
    for text in [each.stdout + each.stderr for each in told]:
        assert key not in text
        assert derived not in text.lower()
    assert not place.found(key, derived)


def _raw_key(place: Place, key: str) -> str:
    raw = access_to(place.database, Key(key, "a test")).raw
    assert raw is not None
    return raw[2:66]


def test_a_key_shows_itself_to_nobody_who_prints_it() -> None:
    settings = load_settings(database="/m.db", environment={"MEMORY_MCP_KEY": PASSPHRASE})
    assert PASSPHRASE not in f"{settings!r} {settings.key} {[settings.key]}"


# Without the extra.


def test_without_the_extra_an_encrypted_store_says_what_to_install(place: Place) -> None:
    assert place.run("agents", "create", "work", MEMORY_MCP_KEY=RAW).returncode == 0
    (place.home / "sitecustomize.py").write_text("import sys\nsys.modules['sqlcipher3'] = None\n")

    for words in (("stats",), ("rekey", "--decrypt")):
        ended = place.run(*words, MEMORY_MCP_KEY=RAW, PYTHONPATH=str(place.home))
        assert ended.returncode == 1
        assert 'pip install "memory-mcp[encryption]"' in ended.stderr


# Many at once.


@pytest.mark.parametrize("key", [PASSPHRASE, RAW], ids=["passphrase", "raw"])
def test_processes_that_make_one_encrypted_store_at_once_all_succeed(
    place: Place, key: str
) -> None:
    more = environment(**place.more(MEMORY_MCP_KEY=key))
    started = [
        subprocess.Popen(
            command("agents", "create", f"agent-{number}"),
            cwd=place.home,
            env=more,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for number in range(4)
    ]
    ended = [(each.communicate()[1], each.returncode) for each in started]
    assert [code for _, code in ended] == [0] * 4, ended
    listed = place.run("agents", "--json", MEMORY_MCP_KEY=key).stdout
    assert all(f"agent-{number}" in listed for number in range(4))


# What it costs.


@pytest.mark.bench
def test_an_insert_takes_at_most_1_3_times_as_long(tmp_path: Path) -> None:
    """In turns, in one run: a session of a host, through the store's daemon."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(6):
        for is_encrypted in (turn % 2 == 0, turn % 2 == 1):
            home = tmp_path / f"{turn}-{is_encrypted}"
            home.mkdir()
            place = Place(home)
            settings: dict[str, Any] = {"MEMORY_MCP_KEY": RAW} if is_encrypted else {}
            with place.server(**settings) as server:
                server.greet()
                for number in range(250):
                    text = f"On day {number} of turn {turn} the tide at {number % 37} was low. "
                    began = time.perf_counter()
                    said(server, "archival_insert", content=text * 3, tags=["tide"])
                    if number >= 50:
                        taken[is_encrypted].append(time.perf_counter() - began)
            place.run("daemon", "stop")
    plain, encrypted = (statistics.quantiles(taken[each], n=20) for each in (False, True))
    p50, p95 = (encrypted[at] / plain[at] for at in (9, 18))
    sys.stdout.write(
        f"insert, ms: plain p50 {plain[9] * 1e3:.2f} p95 {plain[18] * 1e3:.2f}, encrypted p50 "
        f"{encrypted[9] * 1e3:.2f} p95 {encrypted[18] * 1e3:.2f}: {p50:.2f} and {p95:.2f} times\n"
    )
    assert p50 <= 1.3
