"""A PgBouncer in front of a server of the tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from http_client import free_port

from stores.postgresql.server import NOBODY, PATIENCE, Server

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"


class Bouncer:
    """PgBouncer on a TCP port of loopback, where it requires the password of the server's superuser."""

    def __init__(self, server: Server, *, pool_mode: str, databases: str = "*", **settings: object) -> None:
        """Prepares a PgBouncer for one of `databases`, or * for all; `settings` are of the section [pgbouncer]."""
        self.folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        self.port = free_port()
        self._server, self._databases = server, databases
        self._settings: dict[str, object] = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "auth_type": "scram-sha-256",
            "auth_file": self.folder / "users",
            "unix_socket_dir": "",
            "max_client_conn": 1_000,
            "pool_mode": pool_mode,
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        (self.folder / "users").write_text(f'"postgres" "{self._server.password}"\n')
        lines = [
            "[databases]",
            f"{self._databases} = host=127.0.0.1 port={self._server.port}",
            "[pgbouncer]",
            *(f"{name} = {value}" for name, value in self._settings.items()),
        ]
        (self.folder / "pgbouncer.ini").write_text("\n".join(lines))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Starts it, and waits until it accepts connections."""
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [PROGRAM, self.folder / "pgbouncer.ini"], stdout=log, stderr=log, start_new_session=True, **self._as()
            )
        end = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PgBouncer does not start:\n{self.log()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stops it at once, whatever its clients do."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE)
        self._process = None

    def _as(self) -> dict[str, Any]:
        """Returns arguments for Popen that run PgBouncer as another user, since it refuses to run as root."""
        if os.geteuid() != 0:
            return {}
        for path in (self.folder, *self.folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def log(self) -> str:
        """Returns the log of PgBouncer."""
        return (self.folder / "log").read_text(errors="replace")

    def url(self, database: str = "postgres", *, password: str | None = None) -> str:
        """Returns the URL of a database, through this PgBouncer."""
        secret = quote(password or self._server.password, safe="")
        return f"postgresql://postgres:{secret}@127.0.0.1:{self.port}/{database}"
