"""What a daemon would say to a host's first questions, written down for when none runs.

Standard library only, and little of that: a host waits while the bridge imports this.

Beside the store `memory.db` lies the folder `memory.db.snapshots`, for its owner alone:

    sessions     how the sessions that came last wanted to be served, without a word of memory
    1a2b3c4d     the answers for one of those ways, or for any agent that is not there yet

An encrypted store has none: memory stands in them as it is.

A snapshot holds for the very bytes of the store that it was made from. How that is known without
SQLite: every commit writes to the store's file or to its log, so it changes what the file system
says of them, and the file system alone sets that. A snapshot is written down only when all of it is
older than a file made before anybody looked: else a commit in the same tick of the file system's
clock could look like none. What a commit of ours makes stale is removed before it is acknowledged.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
import zlib

from memory_mcp import __version__
from memory_mcp.projects import HOME, STARTED_IN, chosen

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    Said = Mapping[str, Any]
    """A hello, or a message."""
    State = list[list[int] | None]
    """What the file system says of the store's file and its log."""
    Key = dict[str, Any]

FORMAT = 1
BYTES_MAX = 4 << 20
SESSIONS_MAX = 32
"""How many ways to be served are remembered, of the sessions that came last."""
SETTLE_SECONDS = 0.1
"""How long a writer waits at most for the file system's clock to move on."""
ENVELOPE = "io.modelcontextprotocol/"
LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
OF_NO_ANSWER = ("MEMORY_MCP_TIMEZONE", "TZ")
"""Variables of a session that change nothing of what it is answered first: no date stands there."""
_SESSIONS = "sessions"
_NOT_OF_THE_ANSWERS = {
    "arguments", "command", "folder", "had_store", "memo", "news", "pid", "proof", "protocol",
    "role", "session", "spooled", "token", "version",
}  # fmt: skip
_NOT_THROUGH_LINKS = getattr(os, "O_NOFOLLOW", 0)
_CAPABILITIES = ("elicitation", "experimental", "extensions", "roots", "sampling", "tasks")


def state_of(database: str) -> State:
    """The store's file and its log as they are now; an empty log is none.

    The files are not opened: SQLite's locks on a file end when its process closes it anywhere. The
    device's number is left out, as it may be another after the machine was started anew.
    """
    found: State = []
    for path in (database, f"{database}-wal"):
        try:
            told = os.stat(path)
        except OSError:
            found.append(None)
        else:
            times = (told.st_mtime_ns, told.st_ctime_ns)
            empty = not told.st_size and path != database
            found.append(None if empty else [told.st_ino, told.st_size, *times])
    return found


def program() -> list[list[int]]:
    """What makes the answers besides the store: this package's files, by number and newest."""
    found = [0, 0]
    folders = [os.path.dirname(__file__)]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.name.endswith(".py"):
                found = [found[0] + 1, max(found[1], entry.stat().st_mtime_ns)]
            elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
                folders.append(entry.path)
    return [found]


def libraries_of(paths: Sequence[str]) -> list[list[Any]]:
    """The files of other packages that make the answers, as they are now."""
    found: list[list[Any]] = []
    for path in paths:
        try:
            found.append([path, os.stat(path).st_mtime_ns])
        except OSError:
            found.append([path, 0])
    return found


def way_of(said: Said) -> Key:
    """What of a hello decides how it is answered, besides the agent."""
    environment: dict[str, str] = dict(said.get("environment") or {})
    for name in (*STARTED_IN, HOME, "CLAUDE_CODE_SESSION_ID", "MEMORY_MCP_AGENT", *OF_NO_ANSWER):
        environment.pop(name, None)
    told = {name: value for name, value in said.items() if name not in _NOT_OF_THE_ANSWERS}
    told |= {"environment": environment, "agent": None}
    return {name: value for name, value in sorted(told.items()) if value}


def key_of(said: Said) -> Key:
    """Whose answers a hello wants, and in which way it wants to be served."""
    environment: Mapping[str, str] = said.get("environment") or {}
    folder, by = said.get("folder") or os.sep, said.get("project_by")
    name, project = chosen(said.get("agent"), environment, folder, by)
    return {"name": name, "project": project, "way": way_of(said)}


def key_of_new(way: Key) -> Key:
    """Stands for every agent that is not there yet, but those chosen by name."""
    return {"new": True, "way": way}


class Snapshots:
    """The folder of one store's snapshots."""

    def __init__(self, database: str) -> None:
        self.database = os.path.realpath(database)
        self.folder = f"{self.database}.snapshots"

    def find(self, said: Said) -> Snapshot | None:
        """The snapshot for a hello, if there is one, and it still holds."""
        if sys.platform == "win32":  # its file system tells late of what was written
            return None
        key = key_of(said)
        found = self._load(key)
        if found is None and not key["name"]:
            found = self._load(key_of_new(key["way"]))
            # Deleted agents and those of other sessions have none, and yet are there.
            if found is not None and key["project"] in found.told["projects"]:
                return None
        return found if found is not None and found.holds() else None

    def _load(self, key: Key) -> Snapshot | None:
        data = self._read(_name_of(key))
        if data is None:
            return None
        try:
            told: Any = json.loads(data)
            found = Snapshot(self.database, told)
            if (told["format"], told["version"], told["key"]) != (FORMAT, __version__, key):
                return None
            if told["program"] != program() or told["libraries"] != libraries_of(
                [path for path, _ in told["libraries"]]
            ):
                return None
        except (ValueError, TypeError, KeyError, RecursionError, OSError):
            return None
        return found

    def write(self, key: Key, told: Said, state: State) -> None:
        """Put a snapshot there, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        whole = {"format": FORMAT, "version": __version__, "key": key, "store": state, **told}
        self._write(_name_of(key), json.dumps(whole, ensure_ascii=False))

    def sessions(self) -> list[Key]:
        """The hellos of the sessions that came last, oldest first, without what names them."""
        try:
            told: dict[str, Any] = json.loads(self._read(_SESSIONS) or b"{}")
            found: list[Key] = told.get("sessions", [])
        except (ValueError, AttributeError, RecursionError):
            return []
        return found[-SESSIONS_MAX:]

    def remember(self, hellos: Sequence[Said]) -> None:
        """Keep these for the next daemon.

        Raises:
            OSError: they cannot be written.
        """
        self._write(_SESSIONS, json.dumps({"sessions": list(hellos)[-SESSIONS_MAX:]}))

    def clear(self, *, stale: bool = False) -> None:
        """Remove every snapshot, or those that no longer hold: what was forgotten stands in them.

        It is done after each commit, so it costs next to nothing where there are none.
        """
        state = state_of(self.database) if stale else None
        for name in self._names():
            if state is not None:
                try:
                    told: Any = json.loads(self._read(name) or b"")
                    if told["store"] == state and told["version"] == __version__:
                        continue
                except (ValueError, TypeError, KeyError, RecursionError):
                    pass
            _remove(os.path.join(self.folder, name))

    def remove(self) -> None:
        """Remove the folder with all that is in it: an encrypted store has none."""
        for name in (*self._names(), _SESSIONS):
            _remove(os.path.join(self.folder, name))
        try:
            os.rmdir(self.folder)
        except OSError:
            pass

    def settled_state(self) -> State | None:
        """The store's state, if a commit from now on is certain to change it; else `None`.

        Raises:
            OSError: nothing can be written in the folder.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            made = self._clock()
            state = state_of(self.database)
            if all(max(told[2:]) < made.st_mtime_ns for told in state if told):
                # Another file system's clock says nothing of this one's.
                return state if made.st_dev == os.stat(self.database).st_dev else None
            if time.monotonic() > deadline:
                return None
            time.sleep(0.002)

    def _clock(self) -> os.stat_result:
        """A file made at this moment, as the file system sees it."""
        self._make_folder()
        path = os.path.join(self.folder, f"{os.getpid()}.clock")
        how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NOT_THROUGH_LINKS
        descriptor = os.open(path, how, 0o600)
        try:
            os.write(descriptor, b".")
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)
            _remove(path)

    def _names(self) -> Iterator[str]:
        try:
            names = os.listdir(self.folder)
        except OSError:
            return
        for name in names:
            if name != _SESSIONS:
                yield name

    def _make_folder(self) -> None:
        try:
            os.mkdir(self.folder, 0o700)
        except FileExistsError:
            pass
        if not _is_ours(os.lstat(self.folder)):
            raise PermissionError(f"others may write in {self.folder}")

    def _read(self, name: str) -> bytes | None:
        """A file of the folder, if nobody else can have written it."""
        try:
            if not _is_ours(os.lstat(self.folder)):
                return None
            how = os.O_RDONLY | os.O_NONBLOCK | _NOT_THROUGH_LINKS
            descriptor = os.open(os.path.join(self.folder, name), how)
        except (OSError, AttributeError):
            return None
        try:
            told = os.fstat(descriptor)
            if not stat.S_ISREG(told.st_mode) or not _is_ours(told) or told.st_size > BYTES_MAX:
                return None
            with os.fdopen(os.dup(descriptor), "rb") as file:
                data = file.read(BYTES_MAX)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        # A machine that lost power may have kept the file's length and not its bytes.
        body, _, told_sum = data.rpartition(b"\n")
        return body if told_sum == b"%08x" % zlib.crc32(body) else None

    def _write(self, name: str, text: str) -> None:
        self._make_folder()
        body = text.encode("utf-8", "surrogatepass")
        part = os.path.join(self.folder, f"{name}.{os.getpid()}.part")
        how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NOT_THROUGH_LINKS
        descriptor = os.open(part, how, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(b"%s\n%08x" % (body, zlib.crc32(body)))
            os.replace(part, os.path.join(self.folder, name))
        except BaseException:
            _remove(part)
            raise


class Snapshot:
    """One way to be served, and the answers it gets."""

    def __init__(self, database: str, told: dict[str, Any]) -> None:
        self._database = database
        self.told = told
        self._texts: list[str] = told["texts"]
        self._answers: dict[str, dict[str, int]] = told["answers"]
        self._initialized: str | None = None
        """The version that was agreed on by `initialize`, once it was."""

    def holds(self) -> bool:
        """Whether nothing was committed since it was made."""
        return self.told["store"] == state_of(self._database)

    @property
    def seen(self) -> dict[str, int]:
        """Which version of each block who was greeted has seen."""
        return self.told["seen"]

    def answer(self, said: Said) -> str | None:
        """The result for a message, as JSON; `None` where only the daemon can tell.

        That is everything but what well-behaved hosts ask before they call a tool.
        """
        method, params = said.get("method"), _object(said.get("params", {}))
        if said.get("jsonrpc") != "2.0" or params is None:
            return None
        if method == "initialize":
            if self._initialized is None and _is_greeting(params) and self.holds():
                version: str = params["protocolVersion"]
                if (text := self._text(version, method)) is not None:
                    self._initialized = version
                return text
            return None
        meta = _object(params.get("_meta", {}))
        if meta is None or params.keys() - {"_meta"}:
            return None
        if self._initialized is not None:
            plain = not any(name.startswith(ENVELOPE) for name in meta)
            if plain and method == "ping":
                return "{}"
            return self._text(self._initialized, method) if plain and method in LISTS else None
        if not _is_envelope(meta):
            return None
        if method in LISTS or (method == "server/discover" and self.holds()):
            return self._text(meta[f"{ENVELOPE}protocolVersion"], method)
        return None

    def _text(self, version: str, method: Any) -> str | None:
        place = self._answers.get(version, {}).get(method)
        return None if place is None else self._texts[place]


def _name_of(key: Key) -> str:
    return f"{zlib.crc32(json.dumps(key, sort_keys=True).encode()):08x}"


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _is_ours(told: os.stat_result) -> bool:
    """Whether this user alone may write it."""
    return told.st_uid == os.geteuid() and not told.st_mode & 0o022


def _is_greeting(params: Said) -> bool:
    """Whether the parameters of `initialize` are as they should be."""
    return (
        isinstance(params.get("protocolVersion"), str)
        and _is_implementation(params.get("clientInfo"))
        and _is_capabilities(params.get("capabilities"))
        and _object(params.get("_meta", {})) is not None
    )


def _is_envelope(meta: Said) -> bool:
    """Whether a request of the era without a handshake brings what it has to, and no more."""
    names = ("protocolVersion", "clientInfo", "clientCapabilities")
    wanted = {f"{ENVELOPE}{name}" for name in names}
    return (
        not {name for name in meta if name.startswith(ENVELOPE)} - wanted
        and isinstance(meta.get(f"{ENVELOPE}protocolVersion"), str)
        and _is_capabilities(meta.get(f"{ENVELOPE}clientCapabilities"))
        and _is_implementation(meta.get(f"{ENVELOPE}clientInfo", {"name": "", "version": ""}))
    )


def _is_implementation(told: Any) -> bool:
    if (one := _object(told)) is None or one.get("icons"):  # seldom there, and of many shapes
        return False
    optional: list[Any] = [one.get(name, "") for name in ("title", "description", "websiteUrl")]
    return all(isinstance(text, str) for text in (one.get("name"), one.get("version"), *optional))


def _is_capabilities(told: Any) -> bool:
    """Objects of objects under the names that the protocol knows; the others may be anything."""
    if (capabilities := _object(told)) is None:
        return False
    for name in _CAPABILITIES:
        if capabilities.get(name) is None:
            continue
        kind = bool if name == "roots" else dict
        one = _object(capabilities[name])
        if one is None or not all(isinstance(value, kind) for value in one.values()):
            return False
    return True


def _object(told: dict[str, Any] | list[Any] | None) -> dict[str, Any] | None:
    return told if isinstance(told, dict) else None
