"""The service that a command asks: which one, with which token, and in which workspace."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from tasksvc_client import SyncClient, TasksvcError

from tasksvc_tasks.failures import Failed, Status, failure_of
from tasksvc_tasks.logins import DEFAULT_URL, PORTS, normal_url, read_logins

TOKEN = "TASKSVC_TOKEN"  # noqa: S105
LOOPBACK = ("127.0.0.1", "::1", "localhost")
START = "Start one with 'tasksvc --store sqlite:///tasks.db', or name another with --url."
DEADLINE_SECONDS = 20.0
"""Seconds that one call may take with all its repetitions, while a person waits."""


class Service(NamedTuple):
    """A service, and as which caller it's asked."""

    url: str
    token: str | None
    workspace: str | None
    """None stands for the home of the token."""

    @contextlib.contextmanager
    def open(self, deadline: float | None = None) -> Iterator[SyncClient]:
        """Gives a client whose calls take up to `deadline` seconds, or DEADLINE_SECONDS.

        Raises Failed, also in place of what the client raises within the block.
        """
        self.check_address()
        try:
            with SyncClient(self.url, self.token, self.workspace, deadline=deadline or DEADLINE_SECONDS) as client:
                yield client
        except TasksvcError as error:
            raise failure_of(error, self.url) from error

    def check_address(self) -> None:
        """Raises Failed at once where it's no use to try for long.

        That is so if nobody listens at a URL of this machine, or there is no host of that name.
        """
        parts = urlsplit(self.url)
        address = (parts.hostname or "", parts.port or PORTS[parts.scheme])
        try:
            if parts.hostname in LOOPBACK:
                socket.create_connection(address, timeout=DEADLINE_SECONDS).close()
            else:
                socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
        except ConnectionRefusedError as error:
            raise Failed(f"No service answers at {self.url}. {START}", Status.UNAVAILABLE) from error
        except socket.gaierror as error:
            if error.errno == socket.EAI_NONAME:
                raise Failed(f"There is no host {parts.hostname}. Check the URL.", Status.UNAVAILABLE) from error
        except OSError:
            pass  # which the client tries again


def service_at(url: str | None, workspace: str | None) -> Service:
    """Returns the service at `url`, or that of the last login, or the one on this machine.

    The token is that of the environment, or the one that is kept for this very URL.  Raises Failed, InvalidURL.
    """
    kept = read_logins()
    place = normal_url(url or kept.current or DEFAULT_URL)
    login = kept.by_url.get(place)
    given = os.environ.get(TOKEN, "").strip()
    if not is_token(given):
        raise Failed(f"What {TOKEN} holds is no token: it has spaces or other characters that no token has.")
    token = given or (None if login is None else login.token)
    return Service(place, token, workspace or (None if login is None else login.workspace))


def is_token(text: str) -> bool:
    """Returns whether `text` can be sent as a token; an empty one stands for none."""
    return text.isascii() and text.isprintable() and " " not in text
