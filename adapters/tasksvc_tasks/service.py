"""The service that a command asks: which one, with which token, and in which workspace."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from tasksvc_client import SyncClient, TasksvcError

from tasksvc_tasks.failures import Failed, Status, failure_of, unreachable
from tasksvc_tasks.logins import DEFAULT_URL, normal_url, read_logins

TOKEN = "TASKSVC_TOKEN"  # noqa: S105
LOOPBACK = ("127.0.0.1", "::1", "localhost")
DEADLINE_SECONDS = 20.0
"""Seconds that one call may take with all its repetitions, for somebody who waits."""


class Service(NamedTuple):
    """A service, and who asks it."""

    url: str
    token: str | None
    workspace: str | None
    """None stands for the home of the token."""

    @contextlib.contextmanager
    def open(self, deadline: float | None = None) -> Iterator[SyncClient]:
        """Gives a client whose calls take up to `deadline` seconds, or DEADLINE_SECONDS.

        Raises Failed, also in place of what the client raises within the block.
        """
        self._check_loopback()
        try:
            with SyncClient(self.url, self.token, self.workspace, deadline=deadline or DEADLINE_SECONDS) as client:
                yield client
        except TasksvcError as error:
            raise failure_of(error, self.url) from error

    def _check_loopback(self) -> None:
        """Raises Failed at once if nobody listens at a URL of this machine, where the client would try for long."""
        parts = urlsplit(self.url)
        if parts.hostname not in LOOPBACK:
            return
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname, port), timeout=DEADLINE_SECONDS).close()
        except ConnectionError as error:
            raise Failed(unreachable(self.url, str(error.strerror)), Status.UNAVAILABLE) from error
        except OSError:
            pass  # which the client tries again


def service_at(url: str | None, workspace: str | None) -> Service:
    """Returns the service at `url`, or that of the last login, or the one on this machine.

    The token is that of the environment, or the one that is kept for this very URL.  Raises Failed, InvalidURL.
    """
    kept = read_logins()
    place = normal_url(url or kept.current or DEFAULT_URL)
    login = kept.by_url.get(place)
    token = os.environ.get(TOKEN, "").strip() or (None if login is None else login.token)
    return Service(place, token or None, workspace or (None if login is None else login.workspace))
