"""`memory-mcp hook`: what a host's hooks run. Standard library only: the host waits for it.

What the host told is first written beside the store, so that it is safe whatever comes; then the
store's daemon is asked to take it in, and for what may be printed. Nothing here ever fails the
host: the exit code is 0, and the reason goes to standard error and to `memory.db.hooks.log`.
"""

from __future__ import annotations

import json
import os
import sys
import time

from memory_mcp import __version__
from memory_mcp.rendezvous import (
    NOT_THROUGH_LINKS,
    Refused,
    Rendezvous,
    Silent,
    Unreachable,
    database_path,
    hello,
    newer,
)

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from memory_mcp.rendezvous import Told

HOSTS = (
    "claude-code",
    "codex",
    "cursor",
    "gemini",
    "vscode",
    "opencode",
    "kilo",
    "cline",
    "copilot",
    "qwen",
    "hermes",
    "openclaw",
)
SPEAKING = (
    "SessionStart",
    "UserPromptSubmit",
    "BeforeAgent",
    "sessionStart",
    "chat.message",
    "beforeRun",
    "system_prompt_block",
    "prefetch",
    "before_prompt_build",
)
"""Hooks after which the host listens: for these a daemon is started where none runs."""
ANSWER_SECONDS = 5
"""How long an answer is waited for; a store may be locked. What was told is safe by then."""
QUIET_SECONDS = 0.7
"""How long an answer is waited for before it is asked whether the daemon is alive at all."""
PING_SECONDS = 0.5
PING_BUSY_SECONDS = 2.0
"""The same for one that computes, or waits for a processor: the machine may be short of them."""
START_SECONDS = 20
BYTES_MAX = 64 * 1024 * 1024
LOG_BYTES_MAX = 1_000_000
_PLAIN_HEAD = b"SQLite format 3\0"
_PAGE_BYTES = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this command."""
    parser.description = (
        "What a host's hooks run: reads the host's JSON on standard input, stores what happened, "
        "and prints what the model should know. memory-mcp install sets it up."
    )
    parser.epilog = "example: memory-mcp hook claude-code < event.json"
    parser.add_argument("host", metavar="HOST", help=", ".join(HOSTS))


def run(arguments: argparse.Namespace) -> int:
    """Take one call in."""
    return call(arguments.host, arguments.database, arguments.agent, arguments.project_by)


def main(words: list[str]) -> int | None:
    """The same without the command line's parser; `None` for words that need it."""
    host, rest, given = "", iter(words), {"--database": "", "--agent": "", "--project-by": ""}
    for word in rest:
        name, equals, value = word.partition("=")
        if name in given:
            given[name] = value if equals else next(rest, "")
        elif host or word.startswith("-"):
            return None
        else:
            host = word
    told = (given["--database"], given["--agent"], given["--project-by"])
    return call(host, *told) if host else None


def call(host: str, database: str | None, agent: str | None, project_by: str | None = None) -> int:
    """Take one call of a hook in, and print what the host should know; always 0."""
    rendezvous = None
    try:
        if host not in HOSTS:  # a newer memory-mcp's; exit code 2 blocks the prompt in Qwen Code
            raise ValueError(f"there are no hooks of {host[:40]!r}; there are: {', '.join(HOSTS)}")
        path = database_path(database or os.environ.get("MEMORY_MCP_DATABASE"))
        if path is None:
            raise Unreachable("MEMORY_MCP_DATABASE is no path of a file")
        rendezvous = Rendezvous(path)
        payload = sys.stdin.buffer.read(BYTES_MAX + 1)
        whose = {"agent": agent or "", "project_by": project_by or ""}
        text = _taken_in(rendezvous, host, whose, payload)
        if text:
            sys.stdout.buffer.write(text.encode("utf-8", "replace"))
            sys.stdout.buffer.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the host must not suffer
        _explain(rendezvous, host, error)
    return 0


def _taken_in(rendezvous: Rendezvous, host: str, whose: dict[str, str], payload: bytes) -> str:
    hook = _hook_of(payload)
    seal = _seal(rendezvous) if _is_encrypted(rendezvous.database) else None
    name, path = _spooled(rendezvous, host, whose, payload, seal)
    try:
        return _answer(rendezvous, name, speaks=hook in SPEAKING)
    except BaseException:
        _make_safe(path)
        raise


def _hook_of(payload: bytes) -> str:
    """The host's name of the event; whatever is not a JSON object is refused."""
    if len(payload) > BYTES_MAX:
        raise ValueError(f"the host told more than {BYTES_MAX:,} bytes; nothing was stored")
    if not payload.strip():
        raise ValueError("the host told nothing on standard input")
    try:
        told: Told | list[Any] = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"what the host told is not JSON: {error}") from None
    if not isinstance(told, dict):
        raise TypeError("what the host told is not a JSON object")
    return str(told.get("hook_event_name") or told.get("hookEventName") or "")


def _spooled(
    rendezvous: Rendezvous, host: str, whose: dict[str, str], payload: bytes, seal: bytes | None
) -> tuple[str, str]:
    """Write down what was told, under a seal if there is one; the file's name, and its path."""
    told = hello("hook")
    moment = time.time_ns()
    seconds, nanoseconds = divmod(moment, 1_000_000_000)
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    head = {
        "version": __version__,
        "host": host,
        **whose,
        "at": f"{at}.{nanoseconds // 1_000_000:03d}Z",
        "folder": told["folder"],
        "environment": told["environment"],
    }
    os.makedirs(rendezvous.folder, mode=0o700, exist_ok=True)
    os.makedirs(rendezvous.spool, mode=0o700, exist_ok=True)
    name = f"{moment:020d}-{os.getpid()}.json"
    path = os.path.join(rendezvous.spool, name)
    part = f"{path}.part"
    how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOT_THROUGH_LINKS | getattr(os, "O_BINARY", 0)
    with open(os.open(part, how, 0o600), "wb") as file:
        file.write(_under(seal, json.dumps(head).encode() + b"\n" + payload))
    os.rename(part, path)
    return name, path


def _is_encrypted(database: str) -> bool:
    """Whether the store is encrypted, or will be as soon as it is made."""
    try:
        with open(database, "rb") as file:
            head, size = file.read(len(_PLAIN_HEAD)), os.fstat(file.fileno()).st_size
    except OSError:  # there is none yet
        head, size = b"", 0
    if head:  # of something that is no store at all, nothing is known
        return head != _PLAIN_HEAD and size % _PAGE_BYTES == 0
    from memory_mcp.keys import FILE_VARIABLE, VARIABLE, usual_file

    chosen = os.environ.get(VARIABLE) or os.environ.get(FILE_VARIABLE)
    return bool(chosen) or os.path.lexists(usual_file(os.environ))


def _seal(rendezvous: Rendezvous) -> bytes:
    """What an encrypted store's calls are sealed with; whoever opens the store puts it there."""
    from memory_mcp.seal import public_in

    if (public := public_in(rendezvous.seal)) is not None:
        return public
    lock = rendezvous.try_lock()
    if lock is not None:
        rendezvous.start(lock)
    else:
        rendezvous.ask("status")  # it is being started: its door opens when the store is open
    if (public := public_in(rendezvous.seal)) is None:
        raise Unreachable(
            f"{rendezvous.seal} is missing, with which calls of an encrypted store are sealed; "
            "nothing was stored. memory-mcp daemon restart makes it"
        )
    return public


def _under(seal: bytes | None, told: bytes) -> bytes:
    if seal is None:
        return told
    from memory_mcp.seal import sealed

    return sealed(seal, told)


def _make_safe(path: str) -> None:
    """Nobody has stored it yet: it must survive a loss of power, as what is stored does."""
    try:
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
    except OSError:  # it was taken in meanwhile
        pass


def _answer(rendezvous: Rendezvous, name: str, *, speaks: bool) -> str:
    """What may be printed, as the daemon says; where there can be none, as we find ourselves."""
    deadline = time.monotonic() + START_SECONDS
    replaced = False
    while True:
        lock = None
        try:
            met = rendezvous.connect(hello("hook", spooled=name), ANSWER_SECONDS, _require_life)
        except Silent as silent:
            if not silent.why or not speaks:
                raise
            met, lock = None, rendezvous.take_over(silent)
            print(f"memory-mcp hook: {rendezvous.took_over}", file=sys.stderr)
        if met is not None:
            met[0].close()
            answer = met[1]
            if not answer.get("refused"):
                return str(answer.get("told") or "")
            older = newer(__version__, answer.get("version")) and not answer.get("standing")
            if not older or replaced:
                raise Refused(str(answer["refused"]))
            replaced = True
            rendezvous.ask("stop")
        elif not speaks:
            return ""  # whoever serves next takes it in
        else:
            try:
                if (lock := rendezvous.try_lock() if lock is None else lock) is not None:
                    rendezvous.start(lock)
                    continue
            except Refused:
                raise
            except (Unreachable, OSError):
                return _directly(rendezvous, name)
            if time.monotonic() > deadline:
                raise Silent(f"the daemon did not begin to serve within {START_SECONDS} s")
        time.sleep(0.01)


def _require_life(rendezvous: Rendezvous, waited: float) -> None:
    """Give up on a daemon that does not even answer a ping: the host waits.

    What was told is written down by then, and taken in by whoever takes over.
    """
    if waited < QUIET_SECONDS or rendezvous.answers(PING_SECONDS):
        return
    holder = rendezvous.holder()
    if holder is not None and holder.is_stopped():
        return  # it is found to be so in a moment
    if holder is not None and holder.is_running() and rendezvous.answers(PING_BUSY_SECONDS):
        return
    who = holder.name if holder else "whose process is not known"
    raise Silent(f"the daemon ({who}) does not answer; what was told is stored later")


def _directly(rendezvous: Rendezvous, name: str) -> str:
    """The same in this process, where no daemon can be started."""
    from pathlib import Path

    import anyio

    from memory_mcp.app import open_services
    from memory_mcp.capture.intake import Intake
    from memory_mcp.config import load_settings

    async def answer() -> str:
        settings = load_settings(database=rendezvous.database)
        async with open_services(settings) as services:
            intake = Intake(services, Path(rendezvous.database), rendezvous.spool)
            answered = await intake.answer(name)
            if answered.told is not None:
                await answered.told()
            return answered.text

    return anyio.run(answer)


def _explain(rendezvous: Rendezvous | None, host: str, error: BaseException) -> None:
    """Say why nothing came of it. What the host told is never repeated."""
    from memory_mcp.domain.quoting import one_line, printable

    reason = one_line(f"{error}") or type(error).__name__
    host = printable(host)
    try:
        print(f"memory-mcp hook {host}: {reason}", file=sys.stderr)
        if rendezvous is None:
            return
        os.makedirs(rendezvous.folder, mode=0o700, exist_ok=True)
        if _size(rendezvous.hook_log) > LOG_BYTES_MAX:
            os.replace(rendezvous.hook_log, f"{rendezvous.hook_log}.1")
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | NOT_THROUGH_LINKS
        with open(os.open(rendezvous.hook_log, how, 0o600), "a", encoding="utf-8") as file:
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
            file.write(f"{at} {host}: {reason}\n")
    except (OSError, ValueError):  # standard error is closed, or the disk is full
        pass


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
