"""Where the processes of one store meet: its daemon's lock, door and first words.

Standard library only, and little of that: a host waits while the bridge imports this.

Beside the store `memory.db` lie, while a daemon runs:

    memory.db.daemon.lock      locked for as long as the daemon lives, by the kernel, so that a dead
                               one holds nothing; names its process (holder.py)
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

A daemon that was stopped, or whose event loop answers nothing for long, is taken over from: its
process is killed, if it is certain which one it is. Where that cannot be, the lock's file is
replaced. The store takes no more writes of the old one then (storage/sqlite/terms.py).

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
    from typing import Any

    from memory_mcp.holder import Holder

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
    "MEMORY_MCP_REDACT",
    "MEMORY_MCP_REDACT_ALLOW",
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
LOOK_SECONDS = 0.2
"""How often it is looked what became of a daemon that lets us wait."""
HELLO_BYTES_MAX = 1 << 20
NOT_THROUGH_LINKS = getattr(os, "O_NOFOLLOW", 0)
"""A folder that others may write to could hold links of theirs under our names."""
_SOCKET_PATH_BYTES = 100
"""A socket's path has room for 104 bytes on macOS and 108 on Linux, the closing zero included."""
_CHUNK_BYTES = 65_536


IS_GONE = (
    "the store {path} is gone or empty, and this session had it open. Put it back, and the session "
    "goes on; or start a new one, which begins with an empty store."
)


def is_gone(path: str) -> bool:
    """Whether there is no store at a path, so that opening one would make it."""
    for wait in (0.1, 0):  # a copy that is made at this moment begins with an empty file
        try:
            if os.stat(path).st_size:
                return False
        except OSError:
            pass
        time.sleep(wait)
    return True


class Unreachable(Exception):
    """There is no daemon to be had; the text says why."""


class Refused(Unreachable):
    """Serving without the daemon would fail in the same way."""


class Silent(Unreachable):
    """It is there, and doesn't answer in time."""

    def __init__(self, text: str, holder: Holder | None = None, why: str = "") -> None:
        """`why` says, in words, that it will never answer: another one may take over."""
        super().__init__(text)
        self.holder = holder
        self.why = why


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
        self.took_over = ""
        """What became of the daemon that this process has taken over from last, in words."""

    # What anybody may do.

    def try_lock(self) -> int | None:
        """Take the lock, if nobody has it: its descriptor, which is to be closed or passed on.

        Raises:
            OSError: the lock cannot be made or opened here.
        """
        from memory_mcp.holder import locked, sign  # noqa: PLC0415 - only who starts one needs it

        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        while True:
            lock = os.open(self.lock, os.O_RDWR | os.O_CREAT | NOT_THROUGH_LINKS, 0o600)
            if not locked(lock):
                os.close(lock)
                return None
            # Whoever held it may have removed the file just before we opened or locked it.
            if _same_file(lock, self.lock):
                sign(lock, __version__)
                return lock
            os.close(lock)

    def holder(self) -> Holder | None:
        """The process that has signed the lock last; it may hold it no more."""
        from memory_mcp.holder import holder_of  # noqa: PLC0415 - seldom needed

        return holder_of(self.lock)

    def has_lock(self, lock: int) -> bool:
        """Whether a lock that we hold is the one that others find."""
        return _same_file(lock, self.lock)

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
        self,
        said: Told,
        seconds: float = ANSWER_SECONDS,
        meanwhile: Callable[[Rendezvous, float], None] | None = None,
    ) -> tuple[socket.socket, Told] | None:
        """A connection to the daemon, and its answer to the hello; `None` where none answers.

        `meanwhile` is called now and then while we wait, with the seconds that it has lasted; what
        it raises ends that.

        Raises:
            Unreachable: there is one, but not for us.
        """
        try:
            connection, token = self._dial(min(seconds, ANSWER_SECONDS))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except TimeoutError:
            raise self.silent("accepts nobody") from None
        except OSError as error:
            raise Unreachable(f"{self.socket} cannot be used: {error.strerror or error}") from error
        try:
            connection.settimeout(seconds)
            shown = {"token": token, "proof": _proof()}
            connection.sendall(json.dumps({**said, **shown}).encode() + b"\n")
            self._await_answer(connection, str(said.get("role")), seconds, meanwhile)
            answer = _first_line(connection)
            connection.settimeout(None)
        except TimeoutError:
            connection.close()
            raise Silent(
                f"the daemon of {self.database} did not answer within {seconds:.0f} s"
            ) from None
        except Silent:
            connection.close()
            raise
        except OSError:  # it ended at this moment
            answer = None
        if answer is None:
            connection.close()
            return None
        return connection, answer

    def _await_answer(
        self,
        connection: socket.socket,
        role: str,
        seconds: float,
        meanwhile: Callable[[Rendezvous, float], None] | None,
    ) -> None:
        """Returns when there is something to read.

        Raises:
            TimeoutError: it took too long, for whatever reason.
            Silent: there will be nothing.
        """
        if select.select([connection], [], [], min(LOOK_SECONDS, seconds))[0]:
            return
        from memory_mcp.silence import Watch  # noqa: PLC0415 - seldom needed

        watch = Watch(
            self.holder, None if role in ("status", "stop") else self.answers, counts=True
        )
        until = time.monotonic() + seconds - LOOK_SECONDS
        while (left := until - time.monotonic()) > 0:
            if select.select([connection], [], [], min(LOOK_SECONDS, left))[0]:
                return
            if why := watch.look():
                raise self.silent(why)
            if meanwhile is not None:
                meanwhile(self, seconds - left)
        raise TimeoutError

    def silent(self, why: str) -> Silent:
        """That the daemon will not answer, with its process where that is known."""
        holder = self.holder()
        who = holder.name if holder else "its process is not known"
        return Silent(f"the daemon of {self.database} ({who}) {why}", holder, why)

    def answers(self, seconds: float) -> bool:
        """Whether the daemon's event loop answers; also true where there is no daemon any more."""
        try:
            connection, token = self._dial(seconds)
        except (FileNotFoundError, ConnectionRefusedError):
            return True
        except (Unreachable, OSError):
            return False
        with connection:
            try:
                connection.settimeout(seconds)
                connection.sendall(json.dumps({**hello("status"), "token": token}).encode() + b"\n")
                return bool(select.select([connection], [], [], seconds)[0])
            except (Unreachable, OSError):
                return True

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
        from memory_mcp.silence import Watch  # noqa: PLC0415 - seldom needed

        watch = Watch(self.holder)
        deadline = time.monotonic() + END_SECONDS
        try:
            ended = self.ask("stop")
            while (lock := self._lock_if_free()) is None:
                running = self.ask("status")
                if running is not None and ended is None:
                    ended = self.ask("stop")  # it was only starting before
                elif running is not None and ended and running["pid"] != ended["pid"]:
                    break
                if (why := watch.look()) or time.monotonic() > deadline:
                    raise self.silent(why or f"has not ended within {END_SECONDS} s")
                time.sleep(0.002)
        except Silent as silent:
            if not silent.why:
                raise
            lock = self.take_over(silent)
            ended = {"pid": silent.holder.pid if silent.holder else None, "killed": self.took_over}
        return ended, lock

    def take_over(self, silent: Silent) -> int | None:
        """End a daemon that will never answer: its lock, unless somebody was quicker.

        It is killed, if it is certain which process it is. Where that cannot be, or it doesn't end,
        its lock is replaced, and whoever is started with the new one sees to it that the old one
        writes no more.

        Raises:
            Silent: its process is not known, so nothing can be done about it.
        """
        holder = silent.holder
        if (lock := self._lock_if_free()) is not None:
            return lock  # it is gone
        now = self.holder()
        if holder is None or now is None:
            raise silent
        if (now.pid, now.number) != (holder.pid, holder.number):
            return None  # somebody was quicker
        from memory_mcp.silence import note, replace_lock  # noqa: PLC0415 - seldom needed

        before = self.took_over
        # First: another thread of ours may start the next one as soon as the lock is free.
        self.took_over = f"{holder.name} {silent.why}, and was ended"
        if holder.kill():
            until = time.monotonic() + 1
            while (lock := self._lock_if_free()) is None and time.monotonic() < until:
                time.sleep(0.005)
        elif sys.platform == "win32":  # there nobody can replace a file that is open
            self.took_over = before
            raise silent
        elif (lock := replace_lock(self.lock, holder)) is None:
            self.took_over = before
            return None
        else:
            self.took_over = f"{holder.name} {silent.why}, and may write no more"
        note(self.log, self.took_over)
        return lock

    def news_of_that(self) -> str:
        """What a session is told of a daemon that was taken over from; empty if none was."""
        what = self.took_over
        return f"the memory daemon had hung and was replaced ({what})" if what else ""

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
        watch = None  # over one that is stopped as it starts
        while True:
            lock = met = None
            try:
                met = self.connect(said)
                if met is None:
                    if not start and not asked_to_end:
                        return None
                    lock = self._lock_if_free()
                    if lock is None:
                        from memory_mcp.silence import Watch  # noqa: PLC0415 - seldom needed

                        watch = watch or Watch(self.holder)
                        if why := watch.look():
                            raise self.silent(why)
            except Silent as silent:
                if not silent.why:
                    raise
                lock = self.take_over(silent)
                said = {**said, "news": self.news_of_that()}
            if lock is not None:
                starts += 1
                try:
                    self.start(lock, said)
                except Died:
                    if starts == STARTS:
                        raise
                continue
            if met is not None:
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
        if self.took_over:
            command += ["--after", self.took_over]
        if sys.platform == "win32":  # there a lock cannot be passed on: the daemon takes its own
            os.close(lock)
        else:
            command += ["--lock", str(lock)]
        from memory_mcp.spawn import started  # noqa: PLC0415 - seldom needed

        try:
            pid, pipe = started(command, self.folder, lock, json.dumps(said or {}).encode())
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

    def _dial(self, seconds: float = ANSWER_SECONDS) -> tuple[socket.socket, str | None]:
        """An open connection, and the token that goes with it.

        Raises:
            FileNotFoundError, ConnectionRefusedError: nobody is there.
            Unreachable: somebody else is.
            TimeoutError: it lets nobody in.
        """
        if self.by_socket:
            owner = os.stat(self.socket).st_uid
            if owner != os.geteuid():
                raise Unreachable(
                    f"the daemon of {self.database} belongs to another user (number {owner})"
                )
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.settimeout(seconds)
                self.at_socket(connection.connect)
            except BaseException as error:
                connection.close()
                if isinstance(error, BlockingIOError):  # its queue is full
                    raise TimeoutError from error
                raise
            return connection, None
        if not self.is_held():  # somebody else may have that port by now
            raise ConnectionRefusedError
        try:
            with open(self.address, "rb") as file:
                told = json.loads(file.read())
            place = ("127.0.0.1", int(told["port"]))
            return socket.create_connection(place, seconds), str(told["token"])
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
