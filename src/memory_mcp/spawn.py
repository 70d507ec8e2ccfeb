"""Starts a process that outlives this one, and takes one open file along.

Standard library only, and `subprocess` only where there is nothing else: a bridge waits for this.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in typing, which takes long to import
if TYPE_CHECKING:
    from typing import Any, BinaryIO


def started(command: list[str], folder: str, lock: int, told: bytes) -> tuple[int | None, BinaryIO]:
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
