"""The daemon's door: a Unix socket beside the store, or a port of the loopback where there is none.

Only the user who runs the daemon can open it: the socket has mode 0600, and who comes by the
loopback must show the token that lies in a file of mode 0600.
"""

import hmac
import json
import os
import secrets
import socket
from contextlib import suppress

from memory_mcp.domain.errors import StoreError
from memory_mcp.rendezvous import Rendezvous

BACKLOG = 1_024


class NoDoor(StoreError):
    """The store can be used, but not through a daemon."""


class Door:
    """Opened by the holder of the store's lock, so nobody else's is ever removed."""

    def __init__(self, rendezvous: Rendezvous) -> None:
        self._rendezvous = rendezvous
        self._path = rendezvous.socket if rendezvous.by_socket else rendezvous.address
        self._token = None if rendezvous.by_socket else secrets.token_hex(32)
        self._ours: tuple[int, int] | None = None

    def open(self) -> socket.socket:
        """A listening socket.

        Raises:
            NoDoor: this file system has no sockets, or the file cannot be made.
        """
        umask = os.umask(0o177)
        try:
            with suppress(FileNotFoundError):  # of a daemon that was killed
                os.unlink(self._path)
            listening = self._socket() if self._rendezvous.by_socket else self._port()
        except OSError as error:
            raise NoDoor(
                f"no daemon can be met at {self._path}: {error.strerror or error}; "
                "MEMORY_MCP_SOCKET=loopback does without a socket"
            ) from error
        finally:
            os.umask(umask)
        self._ours = self._found()
        return listening

    def _socket(self) -> socket.socket:
        listening = socket.socket(socket.AF_UNIX)
        try:
            self._rendezvous.at_socket(listening.bind)
            listening.listen(BACKLOG)
        except BaseException:
            listening.close()
            raise
        return listening

    def _port(self) -> socket.socket:
        listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        told = json.dumps({"port": listening.getsockname()[1], "token": self._token})
        part = f"{self._path}.part"
        with open(part, "w", encoding="utf-8") as file:
            file.write(told)
        os.replace(part, self._path)
        return listening

    def admits(self, token: str | None) -> bool:
        """Whether who shows this may come in."""
        return self._token is None or hmac.compare_digest(
            (token or "").encode(), self._token.encode()
        )

    def is_there(self) -> bool:
        """Whether a newcomer still finds it: the store's folder may have been removed."""
        return self._found() == self._ours

    def close(self) -> None:
        """Let nobody else find it."""
        if self.is_there():
            with suppress(OSError):
                os.unlink(self._path)

    def _found(self) -> tuple[int, int] | None:
        try:
            there = os.stat(self._path)
        except OSError:
            return None
        return there.st_dev, there.st_ino
