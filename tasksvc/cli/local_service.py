"""Connections to the service of a store on this machine over its own Unix socket, which needs no token."""

from __future__ import annotations

import http.client
import os
import socket
from pathlib import Path

from tasksvc.api.server import unix_socket
from tasksvc.domain.errors import TasksvcError


class LocalServiceRefused(TasksvcError):
    """The socket belongs to another user, or another user listens at it."""


class LocalConnection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket, which it connects to again for a request after it was closed."""

    def __init__(self, path: Path, connected: socket.socket, *, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self.sock = connected
        self._path, self._seconds = path, seconds

    def connect(self) -> None:
        """Connects to the socket.  Raises LocalServiceRefused, OSError."""
        self.sock = _connect(self._path, seconds=self._seconds)


def connection_to(path: Path, *, seconds: float) -> LocalConnection | None:
    """Returns a connection to the service that listens at `path`, or None if none does.

    `seconds` limits each operation on it.  Raises LocalServiceRefused.
    """
    try:
        return LocalConnection(path, _connect(path, seconds=seconds), seconds=seconds)
    except OSError:  # no socket, or one that a process left which was killed
        return None


def _connect(path: Path, *, seconds: float) -> socket.socket:
    try:
        connected = unix_socket.connect(path, seconds=seconds)
    except PermissionError as error:
        raise LocalServiceRefused(
            f"{path} belongs to another user, who serves this store. Run the command as that user, or as root."
        ) from error
    if not _is_trusted(unix_socket.peer_uid(connected.fileno()), path):
        connected.close()
        raise LocalServiceRefused(
            f"What listens at {path} runs as another user. Run the command as the user of the service."
        )
    return connected


def _is_trusted(uid: int | None, path: Path) -> bool:
    """Returns whether `uid` is this user or, for root, the owner of the folder.  None, an unknown user, is trusted."""
    own = os.geteuid()
    return uid in (None, own) or (own == 0 and uid == path.parent.stat().st_uid)
