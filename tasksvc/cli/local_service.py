"""The service that serves a store on this machine, asked over its own socket instead of with a token."""

from __future__ import annotations

import http.client
import os
import socket
from pathlib import Path

from tasksvc.api.server import unix_socket
from tasksvc.domain.errors import TasksvcError


class LocalServiceRefused(TasksvcError):
    """The socket is not one to trust, or not one to open."""


class LocalConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket that is connected."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__("localhost")
        self.sock = connected


def connection_to(path: Path, *, seconds: float) -> LocalConnection | None:
    """A connection to the service behind the socket at `path`; None if none listens there.

    Raises LocalServiceRefused where the socket is another user's.
    """
    try:
        connected = unix_socket.connect(path, seconds=seconds)
    except PermissionError as error:
        raise LocalServiceRefused(
            f"{path} belongs to another user, who serves this store. Run the command as that user, or as root."
        ) from error
    except OSError:  # no socket, or one that a process left which was killed
        return None
    if not _is_trusted(unix_socket.peer_uid(connected.fileno()), path):
        connected.close()
        raise LocalServiceRefused(
            f"What listens at {path} runs as another user. Run the command as the user of the service."
        )
    return LocalConnection(connected)


def _is_trusted(uid: int | None, path: Path) -> bool:
    """Whether `uid` is this user's; or, if this is root, that of the owner of the folder."""
    own = os.geteuid()
    return uid in (None, own) or (own == 0 and uid == path.parent.stat().st_uid)
