"""What every host can be asked to do here, and processes that speak in lines of JSON."""

import json
import os
import queue
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

from tests.real_hosts.model.scenario import FILL
from tests.real_hosts.model.server import ModelServer
from tests.real_hosts.workplace import Workplace

from memory_mcp.testing.chat import Answer, calls, says

TURN_SECONDS = 90
"""For one prompt, far more than it takes: only a hang takes longer."""
END_SECONDS = 20

Ability = Literal["busy", "subagent", "compact", "resume", "fork", "hooks", "import"]


class HostFailed(Exception):
    """The host did not do what it was asked; the text says what it did."""


class Session(ABC):
    """A conversation with a host, in one process or in many."""

    id: str = ""
    """The host's own, as soon as it has told it."""

    @abstractmethod
    def say(self, prompt: str) -> None:
        """Have a prompt answered.

        Raises:
            HostFailed: it ended without an answer, or did not end in time.
        """

    def say_while_busy(self, first: str, is_busy: Callable[[], bool], second: str) -> None:
        """Have `first` answered, and type `second` once the model is at work on it."""
        raise NotImplementedError

    def compact(self) -> None:
        """Have the history replaced by a summary."""
        raise NotImplementedError

    @abstractmethod
    def end(self) -> None:
        """End it as a person would."""


class Host(ABC):
    """One program that memory is installed into, in a workplace of its own."""

    name: ClassVar[str]
    """As `memory-mcp install` has it."""
    title: ClassVar[str]
    package: ClassVar[str]
    version: ClassVar[str]
    abilities: ClassVar[frozenset[Ability]]
    full_window: ClassVar[int] = 1_000_000
    """Tokens of which its model is to say that they were asked, so that it compacts."""
    shell_tool: ClassVar[str]
    """Its tool that runs a command in the shell."""

    def __init__(self, place: Workplace, model: ModelServer, modules: Path, node: Path) -> None:
        self.place = place
        self.model = model
        self.modules = modules
        self.node = node

    @abstractmethod
    def configure(self) -> None:
        """Write what its user has: the model server's address, and no telemetry."""

    def install(self) -> None:
        """Install memory as its user would."""
        self.place.memory("install", self.name)

    def uninstall(self) -> None:
        """Take memory out again."""
        self.place.memory("uninstall", self.name)

    @abstractmethod
    def start(self, folder: Path) -> Session:
        """A new session in a folder."""

    def resume(self, session: Session, folder: Path) -> Session:
        """The same session, in a new process."""
        raise NotImplementedError

    def fork(self, session: Session, folder: Path) -> Session:
        """A session that begins with the history of another."""
        raise NotImplementedError

    def shell(self, command: str) -> Answer:
        """The model's call for a command."""
        return calls(self.shell_tool, command=command)

    def delegate(self, order: str) -> Sequence[Answer]:
        """The model's calls for a subagent that is given an order and waited for."""
        raise NotImplementedError

    def report(self, text: str) -> Sequence[Answer]:
        """How a subagent ends."""
        return [says(text)]

    limits: ClassVar[dict[str, str]] = {}
    """Promises that this host lets nobody keep, and why."""

    @property
    def import_format(self) -> str:
        """What `memory-mcp import` calls its transcripts."""
        return self.name

    @property
    def transcripts(self) -> Path | None:
        """What its user names to `memory-mcp import`; `None` where there is nothing to import."""
        return None

    def environment(self, **more: str) -> dict[str, str]:
        """Its process's environment."""
        environment = self.place.environment(**more)
        environment["PATH"] = f"{self.node.parent}:{environment['PATH']}"
        return environment

    def script(self, name: str) -> str:
        """A program that npm has laid in place."""
        return str(self.modules / ".bin" / name)


class EachPrompt(Session):
    """A session of which every prompt is a process of its own."""

    def __init__(
        self,
        host: Host,
        folder: Path,
        command: Callable[[str], Sequence[str]],
        identity: Callable[[str], str] = lambda printed: "",
    ) -> None:
        """`command` is asked for each prompt; `identity` finds the id in what is printed."""
        self._host = host
        self._folder = folder
        self._command = command
        self._identity = identity

    def say(self, prompt: str) -> None:
        host = self._host
        log = host.place.root / f"{host.name}.log"
        printed = run(self._command(prompt), self._folder, host.environment(), log)
        self.id = self._identity(printed) or self.id

    def compact(self) -> None:
        """Such hosts compact before the request that would not fit."""
        self.say(FILL)

    def end(self) -> None:
        """It has ended with its last prompt."""


class Lines:
    """A process, and the lines of JSON that it prints. `log` gets its standard error."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
    ) -> None:
        self.heard: list[dict[str, Any]] = []
        """Every line so far."""
        self._log = log
        self._arrived: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        with log.open("ab") as told:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=told,
                start_new_session=True,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin: IO[bytes] = self.process.stdin
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line.

        Raises:
            HostFailed: it has ended.
        """
        try:
            self._stdin.write(json.dumps(message).encode() + b"\n")
            self._stdin.flush()
        except OSError:
            raise HostFailed(f"it has ended: {self._end_of_log()}") from None

    def wait_for(
        self, wanted: Callable[[dict[str, Any]], bool], seconds: float = TURN_SECONDS
    ) -> dict[str, Any]:
        """The next line that fits; those before it are passed over.

        Raises:
            HostFailed: it ended, or there was none in time.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._arrived.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                raise HostFailed(f"it has ended: {self._end_of_log()}")
            if wanted(line):
                return line
        raise HostFailed(f"nothing within {seconds:.0f} s: {self._end_of_log()}")

    def close(self) -> None:
        """Close its input, and wait for its end; it is killed where that takes too long."""
        try:
            self._stdin.close()
        except OSError:
            pass
        end(self.process)
        self._reader.join(END_SECONDS)

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                try:
                    told = json.loads(line)
                except ValueError:
                    continue
                if isinstance(told, dict):
                    self.heard.append(told)
                    self._arrived.put(told)
        self._arrived.put(None)

    def _end_of_log(self) -> str:
        said = self._log.read_text("utf-8", "replace").strip()
        last = json.dumps(self.heard[-1])[:300] if self.heard else "it printed nothing"
        return f"{said[-500:] or 'nothing on standard error'}; last line: {last}"


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    seconds: float = TURN_SECONDS,
) -> str:
    """What a process prints, run to its end.

    Raises:
        HostFailed: it did not end in time, or its exit code was not 0.
    """
    with log.open("ab") as told:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=told,
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            end(process, patience=0)
            process.communicate()
            raise HostFailed(
                f"{Path(command[0]).name} did not end within {seconds:.0f} s"
            ) from None
    printed = out.decode("utf-8", "replace")
    if process.returncode:
        said = log.read_text("utf-8", "replace").strip()[-500:]
        name = Path(command[0]).name
        raise HostFailed(f"{name} ended with {process.returncode}: {said or printed[-500:]}")
    return printed


def end(process: "subprocess.Popen[bytes]", patience: float = END_SECONDS) -> None:
    """Wait for a process's end; past that, end it with everything that it started."""
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
