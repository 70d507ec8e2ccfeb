"""Where the processes of one store meet: its daemon's lock, door and first words.

Standard library only, and little of that: a host waits while the bridge imports this.

Beside the store `memory.db` lie, while a daemon runs:

    memory.db.daemon.lock      locked for as long as the daemon lives, by the kernel, so that a dead
                               one holds nothing
    memory.db.daemon.sock      its door, a Unix socket only this user can open
    memory.db.daemon.address   instead of the socket, where there are none (Windows): a port of the
                               loopback and a token, readable by this user alone
    memory.db.daemon.log       its log; stays

and whether one runs or not

    memory.db.snapshots        a folder with what a daemon would answer first (snapshots.py)
    memory.db.hooks            a folder with what hosts' hooks told and nobody took in yet
    memory.db.hooks.log        why something came of a hook's call later, or nothing
    memory.db.hooks.seal       with which these calls are sealed where the store is encrypted

The lock passes from hand to hand: a bridge that finds no daemon takes it and gives it, still
locked, to the daemon it starts. So there is never a second one, however many bridges start at once.

The first line of a connection is a JSON object, the hello; the daemon answers with one line. What
follows depends on the hello's `role`: `session` carries MCP, line by line; the others are one
question. A line from the daemon that is not JSON is for the bridge, not for the host: `memo …` is
what it must show when it connects again, `bye` says that the daemon ends.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
import zlib

from memory_mcp import __version__
from memory_mcp.projects import HOME, STARTED_IN, home_in

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

    Told = dict[str, Any]
    """A hello or an answer to one."""

PROTOCOL = 1
"""What the lines between bridge and daemon mean. Another number is another language."""

SESSION_VARIABLE = "CLAUDE_CODE_SESSION_ID"
"""Which of its sessions a host has started a server for."""
ENVIRONMENT = (
    *STARTED_IN,
    HOME,
    SESSION_VARIABLE,
    "CODEX_HOME",
    "MEMORY_MCP_AGENT",
    "MEMORY_MCP_EMBEDDER",
    "MEMORY_MCP_MODEL",
    "MEMORY_MCP_MODEL_BASE_URL",
    "MEMORY_MCP_PROJECT_BY",
    "MEMORY_MCP_RESULT_TOKENS",
    "MEMORY_MCP_STRUCTURED",
    "MEMORY_MCP_TIMEZONE",
    "MEMORY_MCP_TOOLS",
    "TZ",
)
"""The variables that say how a session wants to be served; the daemon's own come from its start."""

ANSWER_SECONDS = 15
START_SECONDS = 60
STARTS = 3
"""How many daemons one joiner starts that end before they are ready."""
END_SECONDS = 30
HELLO_BYTES_MAX = 1 << 20
NOT_THROUGH_LINKS = getattr(os, "O_NOFOLLOW", 0)
"""A folder that others may write to could hold links of theirs under our names."""
_SOCKET_PATH_BYTES = 100
"""A socket's path has room for 104 bytes on macOS and 108 on Linux, the closing zero included."""
_CHUNK_BYTES = 65_536


class Unreachable(Exception):
    """There is no daemon to be had; the text says why."""


class Refused(Unreachable):
    """Serving without the daemon would fail in the same way."""


class Silent(Unreachable):
    """It is there, and doesn't answer in time."""


class Died(Unreachable):
    """It was started, and ended without a word."""


def default_database() -> str:
    """Where the store lies unless said otherwise: the platform's folder for user data."""
    chosen = os.environ.get("XDG_DATA_HOME", "").strip()
    if sys.platform == "win32":
        folder = os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
    elif sys.platform == "darwin":
        folder = chosen or os.path.expanduser("~/Library/Application Support")
    else:
        folder = chosen or os.path.expanduser("~/.local/share")
    return os.path.join(folder, "memory-mcp", "memory.db")


def database_path(chosen: str | None) -> str | None:
    """The store's file as an absolute path; `None` for what is no path."""
    if not chosen:
        return default_database()
    if chosen.startswith(("postgres://", "postgresql://")):
        return None
    path = os.path.expanduser(chosen.removeprefix("sqlite:///"))
    if path.startswith("~"):
        return None
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def hello(role: str, **more: object) -> Told:
    """The first words of this process.

    Raises:
        Unreachable: they cannot be said in text.
    """
    told = {name: os.environ[name] for name in ENVIRONMENT if os.environ.get(name)}
    told[HOME] = home_in(os.environ)
    try:
        folder = os.getcwd()
        for name in STARTED_IN:
            if name in told:  # relative to us, not to the daemon
                told[name] = os.path.abspath(os.path.expanduser(told[name]))
    except OSError:  # it was removed under us
        folder = None
    try:
        f"{folder}{told}".encode()
    except UnicodeEncodeError:
        raise Unreachable("the name of the working folder is not UTF-8") from None
    return {
        "protocol": PROTOCOL,
        "version": __version__,
        "role": role,
        "pid": os.getpid(),
        "folder": folder,
        "environment": told,
        **more,
    }


def newer(version: object, than: object) -> bool:
    """Whether one version, like 0.12.1, comes after another; 0.12.1rc2 counts as 0.12.1."""
    return _numbers(version) > _numbers(than)


def _numbers(version: object) -> list[int]:
    numbers: list[int] = []
    for part in str(version).split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits or 0))
    return numbers


class Rendezvous:
    """One store's meeting place."""

    def __init__(self, database: str) -> None:
        self.database = os.path.realpath(database)
        self.folder, name = os.path.split(self.database)
        if len(os.fsencode(name)) > 80:  # a socket's name must be short
            name = f"{zlib.crc32(os.fsencode(name)):08x}"
        self._socket_name = f"{name}.daemon.sock"
        self.socket = os.path.join(self.folder, self._socket_name)
        self.lock = os.path.join(self.folder, f"{name}.daemon.lock")
        self.address = os.path.join(self.folder, f"{name}.daemon.address")
        self.log = os.path.join(self.folder, f"{name}.daemon.log")
        self.spool = os.path.join(self.folder, f"{name}.hooks")
        self.hook_log = os.path.join(self.folder, f"{name}.hooks.log")
        self.seal = os.path.join(self.folder, f"{name}.hooks.seal")
        # Some file systems know no sockets; the loopback does as well there.
        told = os.environ.get("MEMORY_MCP_SOCKET")
        self.by_socket = hasattr(socket, "AF_UNIX") and told != "loopback"

    # What anybody may do.

    def try_lock(self) -> int | None:
        """Take the lock, if nobody has it: its descriptor, which is to be closed or passed on.

        Raises:
            OSError: the lock cannot be made or opened here.
        """
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        while True:
            lock = os.open(self.lock, os.O_RDWR | os.O_CREAT | NOT_THROUGH_LINKS, 0o600)
            if not _locked(lock):
                os.close(lock)
                return None
            # Whoever held it may have removed the file just before we opened or locked it.
            if _same_file(lock, self.lock):
                return lock
            os.close(lock)

    def is_held(self) -> bool:
        """Whether a daemon runs, or is being started."""
        if not os.path.exists(self.lock):
            return False
        lock = self.try_lock()
        if lock is None:
            return True
        self.let_go(lock)  # a dead daemon's, or made just now
        return False

    def let_go(self, lock: int) -> None:
        """Give the lock back; its file goes too, unless another one has taken its place."""
        try:
            if _same_file(lock, self.lock):
                os.unlink(self.lock)
        except OSError:  # Windows keeps files that are open
            pass
        os.close(lock)

    def connect(
        self, said: Told, seconds: float = ANSWER_SECONDS
    ) -> tuple[socket.socket, Told] | None:
        """A connection to the daemon, and its answer to the hello; `None` where none answers.

        Raises:
            Unreachable: there is one, but not for us.
        """
        try:
            connection, token = self._dial()
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            raise Unreachable(f"{self.socket} cannot be used: {error.strerror or error}") from error
        try:
            connection.settimeout(seconds)
            shown = {"token": token, "proof": _proof()}
            connection.sendall(json.dumps({**said, **shown}).encode() + b"\n")
            answer = _first_line(connection)
            connection.settimeout(None)
        except TimeoutError:
            connection.close()
            raise Silent(
                f"the daemon of {self.database} did not answer within {seconds:.0f} s"
            ) from None
        except OSError:  # it ended at this moment
            answer = None
        if answer is None:
            connection.close()
            return None
        return connection, answer

    def ask(self, role: str, *, seconds: float = ANSWER_SECONDS, **more: object) -> Told | None:
        """One question to the daemon, and its answer; `None` where none runs.

        Raises:
            Unreachable: there is one, but not for us.
        """
        met = self.connect(hello(role, **more), seconds)
        if met is None:
            return None
        met[0].close()
        if met[1].get("refused") and not met[1].get("final"):
            raise Unreachable(str(met[1]["refused"]))
        return met[1]

    def end(self) -> Told | None:
        """End the daemon, and wait until it has; its last words, `None` where none ran.

        Raises:
            Unreachable: there is one, but not for us, or it does not end.
        """
        if not os.path.exists(self.lock):
            return None
        ended, lock = self.replace()
        if lock is not None:
            self.let_go(lock)
        return ended

    def replace(self) -> tuple[Told | None, int | None]:
        """End the daemon if one runs, and take its lock: its last words, and the lock.

        Bridges want the lock too, as soon as it is free; when one of them was quicker there is no
        lock, and another daemon.

        Raises:
            Unreachable: there is one, but not for us, or it does not end.
        """
        ended = self.ask("stop")
        deadline = time.monotonic() + END_SECONDS
        while (lock := self._lock_if_free()) is None:
            running = self.ask("status")
            if running is not None and ended is None:
                ended = self.ask("stop")  # it was only starting before
            elif running is not None and ended and running["pid"] != ended["pid"]:
                break
            if time.monotonic() > deadline:
                who = f"process {ended['pid']}" if ended else "the daemon that is starting"
                raise Unreachable(f"{who} has not ended within {END_SECONDS} s; see {self.log}")
            time.sleep(0.002)
        return ended, lock

    def _lock_if_free(self) -> int | None:
        try:
            return self.try_lock()
        except OSError as error:
            raise Unreachable(
                f"no daemon can be started in {self.folder}: {error.strerror or error}"
            ) from error

    def is_open(self) -> bool:
        """Whether there seems to be a daemon, at a glance."""
        return os.path.exists(self.socket if self.by_socket else self.address)

    def join(self, said: Told, seconds: float = START_SECONDS) -> tuple[socket.socket, Told]:
        """A session with the daemon, which is started when none runs and replaced when it is older.

        Raises:
            Refused: it cannot serve, and nobody else could.
            Unreachable: it cannot be started, or not be talked to.
        """
        met = self.join_running(said, seconds, start=True)
        assert met is not None
        return met

    def join_running(
        self, said: Told, seconds: float = START_SECONDS, *, start: bool = False
    ) -> tuple[socket.socket, Told] | None:
        """The same with the daemon that runs; `None` where none does, unless one is to `start`.

        Raises:
            Refused, Unreachable: as `join`.
        """
        deadline = time.monotonic() + seconds
        starts = 0
        asked_to_end = False
        while True:
            met = self.connect(said)
            if met is None:
                if not start and not asked_to_end:
                    return None
                lock = self._lock_if_free()
                if lock is not None:
                    starts += 1
                    try:
                        self.start(lock, said)
                    except Died:
                        if starts == STARTS:
                            raise
                    continue
            else:
                connection, answer = met
                standing = bool(answer.get("standing"))
                if newer(__version__, answer.get("version")) and not standing and not asked_to_end:
                    # Once: what comes next may be one that another old bridge has started.
                    asked_to_end = True
                    connection.close()
                    self.ask("stop")
                elif answer.get("refused"):
                    connection.close()
                    kind = Refused if answer.get("final") else Unreachable
                    raise kind(str(answer["refused"]))
                else:
                    return connection, answer
            if time.monotonic() > deadline:
                raise Unreachable(f"the daemon did not begin to serve within {seconds:.0f} s")
            time.sleep(0.01)

    def start(self, lock: int, said: Told | None = None) -> None:
        """Start the daemon, detached from this process, and wait until its door is open.

        It takes over the lock, which is closed here, and is told whose hello is to come: who has
        to go before that finds an answer the next time.

        Raises:
            Refused: it says why it cannot serve.
            Unreachable: it ended without a word.
        """
        command = [sys.executable, "-P", "-m", "memory_mcp", "--database", self.database]
        command += ["serve", "--detached"]
        if sys.platform == "win32":  # there a lock cannot be passed on: the daemon takes its own
            os.close(lock)
        else:
            command += ["--lock", str(lock)]
        try:
            pid, pipe = _started(command, self.folder, lock, json.dumps(said or {}).encode())
        except OSError as error:
            raise Unreachable(f"the daemon cannot be started: {error.strerror or error}") from error
        finally:
            if sys.platform != "win32":
                os.close(lock)
        with pipe:
            if sys.platform != "win32" and not select.select([pipe], [], [], START_SECONDS)[0]:
                raise Unreachable(f"the daemon was not ready within {START_SECONDS} s")
            told = pipe.readline().decode(errors="replace").rstrip("\n")
        if pid is not None:
            try:
                os.waitpid(pid, 0)  # the one that detached it
            except ChildProcessError:  # our host has children's ends ignored
                pass
        if told.startswith("refused "):
            raise Refused(told.removeprefix("refused "))
        if told.startswith("failed "):
            raise Unreachable(told.removeprefix("failed "))
        if told not in ("ready", "taken"):
            raise Died(f"the daemon ended before it was ready; {self.log} may say why")

    def _dial(self) -> tuple[socket.socket, str | None]:
        """An open connection, and the token that goes with it.

        Raises:
            FileNotFoundError, ConnectionRefusedError: nobody is there.
            Unreachable: somebody else is.
        """
        if self.by_socket:
            owner = os.stat(self.socket).st_uid
            if owner != os.geteuid():
                raise Unreachable(
                    f"the daemon of {self.database} belongs to another user (number {owner})"
                )
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.settimeout(ANSWER_SECONDS)
                self.at_socket(connection.connect)
            except BaseException as error:
                connection.close()
                if isinstance(error, (TimeoutError, BlockingIOError)):  # its queue is full
                    raise Unreachable(f"the daemon of {self.database} accepts nobody") from error
                raise
            return connection, None
        if not self.is_held():  # somebody else may have that port by now
            raise ConnectionRefusedError
        try:
            with open(self.address, "rb") as file:
                told = json.loads(file.read())
            place = ("127.0.0.1", int(told["port"]))
            return socket.create_connection(place, ANSWER_SECONDS), str(told["token"])
        except (ValueError, KeyError, TypeError):
            raise FileNotFoundError(self.address) from None

    def at_socket(self, act: Callable[[str], None]) -> None:
        """Connect or bind to the socket, however long the path of the store's folder is."""
        if len(os.fsencode(self.socket)) <= _SOCKET_PATH_BYTES:
            act(self.socket)
            return
        here = os.open(".", os.O_RDONLY)
        try:
            os.chdir(self.folder)
            act(self._socket_name)
        finally:
            os.fchdir(here)
            os.close(here)


def _proof() -> str | None:
    """That this process has the store's key, if it was given one."""
    if not (os.environ.get("MEMORY_MCP_KEY") or os.environ.get("MEMORY_MCP_KEY_FILE")):
        return None
    from memory_mcp.keys import proof_in  # noqa: PLC0415 - seldom needed, and a host waits

    return proof_in(os.environ)


def _started(
    command: list[str], folder: str, lock: int, told: bytes
) -> tuple[int | None, BinaryIO]:
    """Start a process of a session of its own, which takes the lock along and nothing else.

    It finds `told` on its standard input.

    Returns the number of the process to wait for, if any, and what it says on standard output.

    Raises:
        OSError: it cannot be started.
    """
    if sys.platform == "win32":
        import subprocess  # noqa: PLC0415 - needed there alone, and slow to import

        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, cwd=folder, creationflags=flags
        )
        assert process.stdin
        assert process.stdout
        _tell(process.stdin, told)
        return None, process.stdout
    read, write = os.pipe()
    its_input, our_output = os.pipe()
    try:
        # A host may have left us descriptors that must not live as long as a daemon does.
        others = [each for each in _inherited() if each > 2 and each != lock]
        actions = [
            (os.POSIX_SPAWN_DUP2, its_input, 0),
            (os.POSIX_SPAWN_DUP2, write, 1),
            *((os.POSIX_SPAWN_CLOSE, each) for each in others),
        ]
        os.set_inheritable(lock, True)
        pid = _spawn(command, actions)
    except BaseException:
        os.close(read)
        os.close(our_output)
        raise
    finally:
        os.close(write)
        os.close(its_input)
    _tell(os.fdopen(our_output, "wb"), told)
    return pid, os.fdopen(read, "rb")


def _tell(pipe: BinaryIO, told: bytes) -> None:
    try:
        with pipe:
            pipe.write(told)
    except OSError:  # it has ended already
        pass


def _spawn(command: list[str], actions: Any) -> int:
    program = command[0]
    try:
        return os.posix_spawn(program, command, os.environ, file_actions=actions, setsid=True)
    except NotImplementedError:  # an older macOS; it begins a session itself soon after
        return os.posix_spawn(program, command, os.environ, file_actions=actions)


def _inherited() -> list[int]:
    """The descriptors that a process started now would get."""
    found: list[int] = []
    for name in os.listdir("/dev/fd"):
        try:
            if os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:  # that of the listing itself
            pass
    return found


def _locked(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - exists on Windows only

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - does not exist on Windows

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _same_file(descriptor: int, path: str) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def _first_line(connection: socket.socket) -> Told | None:
    """The daemon's answer; nothing follows it until we speak."""
    said = bytearray()
    while not said.endswith(b"\n"):
        more = connection.recv(_CHUNK_BYTES)
        if not more:
            return None
        said += more
    try:
        answer: Told | list[Any] = json.loads(said)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
