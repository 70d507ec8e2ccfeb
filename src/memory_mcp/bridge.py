"""What hosts start: bytes between standard input and output and the store's daemon.

Standard library only, so that a host has its memory in milliseconds. No byte is changed. What a
session needs to survive its daemon is kept here: the lines of its handshake, what it subscribed to,
the requests that wait for an answer, and the daemon's own note (`memo`) of what this session has
seen. When the connection breaks, the daemon is started anew, told all of that, and asked again what
it had not answered: a write that was committed before the break is recognised and not made twice.

Where no daemon runs, a snapshot of what it would say answers the host's first questions, and the
daemon is started behind that. It is told the handshake as after a break, and what the host has seen
by then.
"""

from __future__ import annotations

import _thread
import json
import os
import select
import socket
import sys
import time

from memory_mcp.rendezvous import (
    IS_GONE,
    Refused,
    Rendezvous,
    Unreachable,
    database_path,
    hello,
    is_gone,
)
from memory_mcp.snapshots import LISTS, Snapshot, Snapshots

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Options = dict[str, str]
    Said = dict[str, Any]

OPTIONS = ("--database", "--agent", "--tools", "--hooks", "--project-by")
"""Options of a session that take a value."""
SWITCHES = ("--structured",)
"""Those that take none."""
TRIES = 3
"""How often a request is asked at most: one that ends every daemon it meets must not go on."""
YIELD_SECONDS = 0.5
"""After a daemon has said bye: whoever ended it may want to start the next one."""
LOOK_SECONDS = 1
WATCH_SECONDS = 0.5
"""How often it is looked what became of a daemon that lets the host wait."""
FIRST_WORD_SECONDS = 0.05
"""How long a daemon's start waits for the host's first question to be answered."""
GREETINGS = ("initialize", "server/discover")
ENVELOPE = b'"io.modelcontextprotocol/protocolVersion"'
"""What a request of the era without a handshake brings."""
_CHUNK_BYTES = 65_536
_INTERNAL_ERROR = -32603


def session_options(words: list[str]) -> Options | None:
    """The options of a command line that wants a session through the daemon, and nothing else."""
    options: Options = {}
    rest = iter(words[1:] if words[:1] == ["serve"] else words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word in SWITCHES:
            options[word] = "1"
            continue
        if name not in OPTIONS:
            return None
        if (not equals and (value := next(rest, "")).startswith("-")) or not value:
            return None
        options[name] = value
    return options


def serve(options: Options) -> int | None:
    """Serve the host until it leaves; `None` when there is no daemon to be had.

    Nothing was read from standard input then: where something was, a process of its own serves.
    """
    try:
        path = database_path(options.get("--database") or os.environ.get("MEMORY_MCP_DATABASE"))
    except OSError:  # the working folder was removed under us
        path = None
    if path is None:
        return None
    try:
        bridge = Bridge(
            Rendezvous(path),
            options,
            agent=options.get("--agent"),
            tools=options.get("--tools"),
            structured="--structured" in options,
            hooks=options.get("--hooks"),
            project_by=options.get("--project-by"),
            session=os.urandom(16).hex(),
        )
    except Refused as refusal:
        _say(str(refusal))
        return 1
    except Unreachable as reason:
        _say(f"{reason}. Serving in this process instead.")
        return None
    try:
        return bridge.run()
    except KeyboardInterrupt:
        return 130


class Bridge:
    """One session of a host, over as many lives of the daemon as it takes."""

    def __init__(self, rendezvous: Rendezvous, options: Options, **told: str | bool | None) -> None:
        self._rendezvous = rendezvous
        self._options = options
        self._told = told
        self._handshake: list[bytes] = []
        self._waiting: dict[str, tuple[Any, bytes, int]] = {}
        """Requests without an answer, in order: their id, their line, how often it was asked."""
        self._listening: dict[str, bytes] = {}
        """Requests that are answered only when what they ask to be told of ends."""
        self._subscribed: dict[str, bytes] = {}
        self._unsent: list[bytes] = []
        """What came while there was no connection, and is none of the above."""
        self._answered: dict[str, tuple[str, bytes, str]] = {}
        """What the snapshot has answered, by the id under which the daemon is asked as well:
        method, line, result."""
        self._ids = 0
        self._memo: str | None = None
        self._news = ""
        """What happened to the daemon or the store, for the session's next answer."""
        self._had_store = False
        self._watched = False
        """Whether a thread looks after a daemon that lets the host wait."""
        self._received_at = 0.0
        self._input_ended = False
        self._may_wait = False
        """Whether the daemon ended on purpose, or could not be started: no need to hurry."""
        self._barren = 0
        """How many connections in a row have ended before the daemon said anything."""
        self._sending = _thread.allocate_lock()
        """Held while a line goes out, or the connection is replaced."""
        self._silence = _thread.allocate_lock()
        """Let go by each line of the host; who waits for one takes it twice."""
        self._snapshot: Snapshot | None = None
        self._connection: socket.socket | None = None
        said = hello("session", **told, memo=None)
        met = rendezvous.join_running(said)
        if met is None and (snapshot := Snapshots(rendezvous.database).find(said)):
            self._snapshot = snapshot
        else:
            self._connection = self._heard(*(met or rendezvous.join(said)))
        self._tell_taken_over()
        self._had_store = not is_gone(rendezvous.database)

    def run(self) -> int:
        """Pass on what both sides say until both have ended."""
        if self._snapshot is not None:
            self._silence.acquire()
        _thread.start_new_thread(self._from_host, ())
        if self._snapshot is not None:
            self._silence.acquire(timeout=FIRST_WORD_SECONDS)
            self._begin()
        while True:
            self._from_daemon()
            if self._input_ended and not self._waiting:
                return 0
            self._recover()

    # From the host to the daemon.

    def _from_host(self) -> None:
        for line in lines(_read_input):
            with self._sending:
                if not self._answer(line):
                    self._pass_on(line)
            self._break_silence()
        with self._sending:
            self._input_ended = True
            if self._snapshot is not None and not self._waiting:
                os._exit(0)  # it asked nothing that a daemon is needed for
            self._end_input()
            self._begin_watch()
        self._break_silence()

    def _pass_on(self, line: bytes) -> None:
        noted = self._note(line)
        if self._connection is not None:
            self._send(line)
            if not self._watched:
                self._begin_watch()
        elif not noted:
            self._unsent.append(line)

    def _note(self, line: bytes) -> bool:
        """Keep what the next connection must know of; whether it will be told."""
        said = _parsed(line)
        method, request = said.get("method"), said.get("id")
        if method == "notifications/initialized":
            self._handshake.append(line)
            return True
        if method == "notifications/cancelled":
            key = _key(_params(said).get("requestId"))
            self._waiting.pop(key, None)
            self._listening.pop(key, None)
            return True
        if not _may_be_answered(said):
            return False
        if method == "subscriptions/listen":
            self._listening[_key(request)] = line
            return True
        self._waiting[_key(request)] = (request, line, int(self._connection is not None))
        if method == "initialize":
            self._handshake = [line]
        elif method == "resources/subscribe":
            self._subscribed[str(_params(said).get("uri"))] = line
        elif method == "resources/unsubscribe":
            self._subscribed.pop(str(_params(said).get("uri")), None)
        return True

    def _answer(self, line: bytes) -> bool:
        """Whether the snapshot has the answer to a line; it was given then."""
        if self._snapshot is None:
            return False
        said = _parsed(line)
        method, key = said.get("method"), _key(said.get("id"))
        if not _may_be_answered(said) or key in self._waiting:
            return False
        if method in GREETINGS and self._waiting:  # which may change what it is told
            return False
        if (result := self._snapshot.answer(said)) is None:
            return False
        if method in GREETINGS:
            conversation = f"session-{self._told['session']}"
            self._memo = json.dumps({"conversation": conversation, "seen": self._snapshot.seen})
        if method == "initialize":
            self._handshake = [line]
        if method != "ping":
            self._answered[self._own_id()] = (str(method), line, result)
        _write(f'{{"jsonrpc":"2.0","id":{key},"result":{result}}}\n'.encode())
        return True

    def _send(self, line: bytes) -> None:
        """Send, if the connection stands; if not, what waits is sent on the next one."""
        if self._connection is not None:
            try:
                self._connection.sendall(line)
            except OSError:
                pass

    def _end_input(self) -> None:
        if self._connection is not None:
            try:
                self._connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def _break_silence(self) -> None:
        if self._silence.locked():
            self._silence.release()

    # From the daemon to the host.

    def _own_id(self) -> str:
        """For what we ask the daemon: hosts use no such id, and may use theirs again."""
        self._ids += 1
        return _key(f"{self._told['session']}-{self._ids}")

    def _from_daemon(self) -> None:
        connection = self._connection
        if connection is None:
            return

        self._barren += 1
        for line in lines(lambda: _received(connection)):
            self._barren = 0
            self._received_at = time.monotonic()
            if not line.endswith(b"\n"):
                break  # the daemon was killed in the middle of it
            if not line.startswith(b"{"):
                self._heed(line)
            elif self._is_for_host(line):
                _write(line)
        with self._sending:
            self._connection = None
        connection.close()

    def _heed(self, line: bytes) -> None:
        word, _, rest = line.decode().rstrip("\n").partition(" ")
        if word == "memo":
            self._memo = rest
        elif word == "bye":
            self._may_wait = True
            self._news = rest or self._news

    def _is_for_host(self, line: bytes) -> bool:
        """Whether the host waits for it: the answer to a repeated handshake is for us alone."""
        said = _parsed(line)
        if "method" in said or said.get("id") is None:
            return True
        key = _key(said["id"])
        if key in self._answered:
            self._compare(*self._answered.pop(key), said)
            return False
        waited = self._waiting.pop(key, None) or self._listening.pop(key, None)
        if waited is not None and not self._may_wait:  # who has said bye has told it to nobody
            self._news = ""
        return waited is not None

    def _compare(self, method: str, line: bytes, told: str, said: Said) -> None:
        """Say so if the host was told something else than the daemon says: none of it is memory."""
        result: Said = said.get("result") or {}
        before: Said = json.loads(told)
        # What was committed a moment ago is told by the next tool answer.
        before.pop("instructions", None)
        if before == {name: value for name, value in result.items() if name != "instructions"}:
            return
        _say(f"the daemon answers {method} otherwise than its snapshot did; start a new session.")
        if method in LISTS and ENVELOPE not in line:
            noun = method.split("/")[0]
            changed = {"jsonrpc": "2.0", "method": f"notifications/{noun}/list_changed"}
            _write(json.dumps(changed).encode() + b"\n")

    # When there is no daemon yet.

    def _begin(self) -> None:
        """Have a daemon go on where the snapshot ends."""
        try:
            self._meet()
        except Refused as refusal:
            self._without(str(refusal))
        except Unreachable as reason:
            _say(f"{reason}. Serving in a process of its own instead.")
            try:
                connection = self._served_alone()
            except OSError as error:
                self._without(f"no process can be started: {error.strerror or error}")
            else:
                with self._sending:
                    self._take(connection)

    def _without(self, reason: str) -> None:
        """Answer what waits that there is no memory; what is asked next tries again."""
        _say(reason)
        with self._sending:
            self._snapshot = None
            self._give_up(0, reason)
            self._may_wait = True

    def _served_alone(self) -> socket.socket:
        """The near end of a pair of sockets to a server of this session alone.

        Raises:
            OSError: it cannot be started.
        """
        import subprocess  # noqa: PLC0415 - seldom needed, and slow to import

        command = [sys.executable, "-P", "-m", "memory_mcp"]
        command += [word for option in self._options.items() for word in option]
        ours, theirs = socket.socketpair()
        with theirs:
            command.append("--in-process")
            self._alone = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno())
        return ours

    # When the daemon lets the host wait.

    def _begin_watch(self) -> None:
        if self._is_kept_waiting() and not self._watched:
            self._watched = True
            self._received_at = time.monotonic()
            _thread.start_new_thread(self._watch, ())

    def _is_kept_waiting(self) -> bool:
        """Whether the daemon has something to say, or to end."""
        return bool(self._waiting) or (self._input_ended and self._connection is not None)

    def _watch(self) -> None:
        """Look after it for as long as we wait for something; take over if it is silent."""
        watch = connection = None
        rounds = 2
        while rounds:
            time.sleep(WATCH_SECONDS)
            if not self._is_kept_waiting():
                rounds -= 1  # the next call may come at once
                continue
            rounds = 2
            is_heard = time.monotonic() - self._received_at < WATCH_SECONDS
            if connection is not self._connection or is_heard:
                connection, watch = self._connection, None
            if connection is None:
                continue
            from memory_mcp.silence import Watch  # noqa: PLC0415 - seldom needed

            watch = watch or Watch(self._rendezvous.holder, self._rendezvous.answers, counts=True)
            if why := watch.look():
                self._take_over(connection, why)
                connection = watch = None
        self._watched = False
        self._begin_watch()

    def _take_over(self, connection: socket.socket, why: str) -> None:
        """Let the next connection meet another daemon."""
        try:
            if self._waiting:
                lock = self._rendezvous.take_over(self._rendezvous.silent(why))
                if lock is not None:
                    self._rendezvous.start(lock, self._hello())
        except Unreachable as reason:
            _say(str(reason))
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # it is closed
            pass

    def _tell_taken_over(self) -> None:
        if what := self._rendezvous.took_over:
            _say(what)
            self._rendezvous.took_over = ""

    # When the daemon has ended.

    def _recover(self) -> None:
        """Connect again: at once if the host waits for something, else when it says something."""
        self._give_up(TRIES, f"its daemon ended {TRIES} times over this request")
        listens = bool(self._listening or self._subscribed)
        if self._may_wait or self._barren >= TRIES or not (self._waiting or listens):
            self._may_wait = False
            self._silence.acquire(blocking=False)
            if self._waiting:
                time.sleep(YIELD_SECONDS)
            while not self._waiting and not self._input_ended:
                # Who listens comes back to a daemon that somebody else has started.
                if self._silence.acquire(timeout=LOOK_SECONDS if listens else -1):
                    break
                if self._barren < TRIES and self._rendezvous.is_open():
                    break
            if self._input_ended and not self._waiting:
                return
        try:
            self._meet()
        except Unreachable as reason:
            with self._sending:
                self._give_up(0, str(reason))
                self._may_wait = True

    def _meet(self) -> None:
        """Connect, and say what a daemon must know of this session.

        Raises:
            Refused, Unreachable: as `Rendezvous.join`.
        """
        while True:
            memo = self._memo
            said = self._hello()
            met = self._rendezvous.join(said)
            self._tell_taken_over()
            with self._sending:
                if self._memo == memo:
                    self._take(self._heard(*met))
                    return
            met[0].close()  # the host was greeted meanwhile: the daemon must know what it has seen

    def _hello(self) -> Said:
        """What this session says to a daemon.

        Raises:
            Refused: its store is gone; there must not be an empty one instead.
        """
        path = self._rendezvous.database
        if self._had_store and is_gone(path):
            raise Refused(IS_GONE.format(path=path))
        self._news = self._rendezvous.news_of_that() or self._news
        more = {"memo": self._memo, "had_store": self._had_store, "news": self._news}
        return hello("session", **self._told, **more)

    def _take(self, connection: socket.socket) -> None:
        """Have a new connection know what the last one knew, and ask it what waits."""
        self._connection, self._snapshot = connection, None
        for key, (request, line, tries) in list(self._waiting.items()):
            self._waiting[key] = (request, line, tries + 1)
        asked = [line for _, line, _ in self._waiting.values()]

        def again(line: bytes, own: str | None = None) -> None:
            if line in asked:
                asked.remove(line)
                self._send(line)
            else:  # the host has its answer
                self._send(_under(own or self._own_id(), line))

        compared = {method: own for own, (method, _, _) in self._answered.items()}
        for line in self._handshake:
            again(line, compared.get("initialize"))
        for own, (method, line, _) in self._answered.items():
            if method != "initialize":
                again(line, own)
        for line in self._subscribed.values():
            again(line)
        for line in dict.fromkeys([*self._listening.values(), *asked]):
            self._send(line)
        for line in self._unsent:
            self._send(line)
        self._unsent.clear()
        if self._input_ended:
            self._end_input()

    def _give_up(self, tries: int, reason: str) -> None:
        """Answer what was asked that often, or more, ourselves."""
        for key, (request, line, asked) in list(self._waiting.items()):
            if asked >= tries and self._waiting.pop(key, None):
                _write(_failure(request, line, reason, asked))

    @staticmethod
    def _heard(connection: socket.socket, answer: Said) -> socket.socket:
        for note in answer.get("notes") or ():
            _say(note)
        return connection


def lines(receive: Callable[[], bytes]) -> Iterator[bytes]:
    """Whole lines of what is received, and at its end what is left of one."""
    pieces: list[bytes] = []
    while data := receive():
        *whole, rest = data.split(b"\n")
        for line in whole:
            yield b"".join((*pieces, line, b"\n"))
            pieces.clear()
        if rest:
            pieces.append(rest)
    if pieces:
        yield b"".join(pieces)


def _read_input() -> bytes:
    try:
        return os.read(0, _CHUNK_BYTES)
    except OSError:  # the host is gone
        return b""


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(_CHUNK_BYTES)
    except OSError:  # the daemon is gone
        return b""


def _parsed(line: bytes) -> Said:
    try:
        said: Said | list[Any] = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _params(said: Said) -> Said:
    params: Said | list[Any] | None = said.get("params")
    return params if isinstance(params, dict) else {}


def _may_be_answered(said: Said) -> bool:
    """Whether an answer may come under its id. It may be no request and yet be told so."""
    request = said.get("id")
    if isinstance(request, bool) or not isinstance(request, int | str):
        return False
    if isinstance(request, str) and not _encodable(request):
        return False
    return "method" in said or not ("result" in said or "error" in said)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character: it is told so, but under no id
        return False
    return True


def _key(request: Any) -> str:
    return json.dumps(request, ensure_ascii=False)  # 1 and "1" are two ids


def _under(key: str, line: bytes) -> bytes:
    """The same request under another id; a notification has none."""
    said = _parsed(line)
    if "id" not in said:
        return line
    return json.dumps({**said, "id": json.loads(key)}).encode() + b"\n"


def _failure(request: Any, line: bytes, reason: str, asked: int) -> bytes:
    """The answer to a request that nobody carries out, or whose outcome nobody knows."""
    known = (
        "This call was not carried out."
        if not asked
        else (
            "Whether this call was carried out is not known; what was acknowledged before is safe. "
            "Look before you repeat a change."
        )
    )
    text = f"Memory is not to be had: {reason.rstrip('.')}. {known}"
    told: Said = {"jsonrpc": "2.0", "id": request}
    if _parsed(line).get("method") == "tools/call":
        # As the tool's own answer, so that the model reads it.
        content = [{"type": "text", "text": text}]
        told["result"] = {"content": content, "isError": True, "resultType": "complete"}
    else:
        told["error"] = {"code": _INTERNAL_ERROR, "message": text}
    return json.dumps(told).encode() + b"\n"


def _write(line: bytes) -> None:
    """Write to the host; when it no longer reads, there is nothing more to do."""
    view = memoryview(line)
    try:
        while view:
            try:
                view = view[os.write(1, view) :]
            except BlockingIOError:  # the host gave us a pipe that does not wait
                select.select((), (1,), ())
    except OSError:
        os._exit(0)


def _say(text: str) -> None:
    plain = "".join(char if char.isprintable() else "\ufffd" for char in text)
    sys.stderr.write(f"memory-mcp: {plain}\n")
    sys.stderr.flush()
