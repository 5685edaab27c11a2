"""Three nodes of Patroni on loopback, which elect a primary, whichever of them is killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import aiohttp
import asyncpg
from http_client import free_port

from stores.postgresql.server import NOBODY, reachable

NODES = 3
PATIENCE = 180.0
"""Seconds for the nodes to start, to elect a primary, or to take one back."""
STOP_SECONDS = 60.0


def find_patroni() -> str | None:
    """Returns the path of Patroni, if the user who has to run it can."""
    installed = [str(Path(sys.executable).with_name("patroni")), shutil.which("patroni")]
    return next((program for program in installed if program is not None and _runs(program)), None)


def _runs(program: str) -> bool:
    with contextlib.suppress(OSError):
        return (
            subprocess.run([program, "--version"], cwd="/", check=False, capture_output=True, **_user()).returncode == 0
        )
    return False


def _user() -> dict[str, Any]:
    """Returns the user that runs Patroni and PostgreSQL, since both refuse root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


class Node:
    """A node: a Patroni, and the PostgreSQL server that it manages."""

    def __init__(self, number: int, cluster: Path, patroni: str) -> None:
        self.name = f"node{number}"
        self.folder = cluster / self.name
        self.port, self.api_port, self.raft_port = free_port(), free_port(), free_port()
        self._patroni = patroni
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the node without waiting for it."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._patroni, self.folder / "patroni.json"],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                env={**os.environ, "HOME": str(self.folder), "LC_ALL": "C", "TZ": "UTC"}, **_user(),
            )  # fmt: skip

    def kill(self) -> None:
        """Kills both at once, as the loss of a machine does."""
        assert self._process is not None
        self._process.kill()
        self._signal_server(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Stops both in order, and kills them if that fails."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._signal_server(signal.SIGQUIT)

    def _signal_server(self, number: signal.Signals) -> None:
        """Sends a signal to the server, if it runs."""
        with contextlib.suppress(OSError):
            os.kill(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]), number)

    def log(self) -> str:
        """Returns what both wrote."""
        return (self.folder / "log").read_text(errors="replace")


class Cluster:
    """All nodes, from the start of the `with` block to its end; two of them acknowledge each write."""

    def __init__(self, patroni: str, programs: Path) -> None:
        """Prepares the nodes; `patroni` is the program and `programs` the folder of PostgreSQL's."""
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short, since sockets are in it
        self._password = secrets.token_hex(8)
        if os.geteuid() == 0:
            programs = reachable(programs, self.folder)
        self.nodes = [Node(number, self.folder, patroni) for number in range(1, NODES + 1)]
        for node in self.nodes:
            node.folder.mkdir()
            (node.folder / "patroni.json").write_text(json.dumps(self._settings(node, programs)))
        if os.geteuid() == 0:
            for path in (self.folder, *(path for node in self.nodes for path in (node.folder, *node.folder.iterdir()))):
                os.chown(path, NOBODY, NOBODY)

    def _settings(self, node: Node, programs: Path) -> dict[str, Any]:
        """Returns the settings in JSON, which is valid YAML."""

        def own(port: int) -> dict[str, str]:
            return {"listen": f"127.0.0.1:{port}", "connect_address": f"127.0.0.1:{port}"}

        users = {"superuser": "postgres", "replication": "replicator", "rewind": "rewinder"}
        return {
            "scope": "tasksvc",
            "name": node.name,
            "restapi": own(node.api_port),
            "raft": {
                "data_dir": str(node.folder / "raft"),
                "self_addr": f"127.0.0.1:{node.raft_port}",
                "partner_addrs": [f"127.0.0.1:{other.raft_port}" for other in self.nodes if other is not node],
            },
            "bootstrap": {
                # The least that Patroni allows, so that a primary is missed soon.
                "dcs": {
                    "ttl": 20,
                    "loop_wait": 2,
                    "retry_timeout": 5,
                    "synchronous_mode": True,
                    "postgresql": {"use_pg_rewind": True},
                },
                "initdb": [{"encoding": "UTF8"}, "no-locale", "no-sync"],
            },
            "postgresql": own(node.port)
            | {
                "data_dir": str(node.folder / "data"),
                "bin_dir": str(programs),
                "pgpass": str(node.folder / "pgpass"),
                "authentication": {
                    role: {"username": user, "password": self._password} for role, user in users.items()
                },
                "pg_hba": [
                    "local all all trust",
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication all 127.0.0.1/32 scram-sha-256",
                ],
                "parameters": {
                    "unix_socket_directories": str(node.folder),
                    "dynamic_shared_memory_type": "mmap",
                },
            },
        }

    @property
    def url(self) -> str:
        """Returns the URL of all nodes."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"postgresql://postgres:{self._password}@{hosts}/postgres"

    def __enter__(self) -> Self:
        for node in self.nodes:
            node.start()
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def primary(self) -> Node | None:
        """Returns the node whose server accepts writes, or None."""
        for node in self.nodes:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await asyncpg.connect(
                    user="postgres", password=self._password, host="127.0.0.1", port=node.port, timeout=2
                )
                try:
                    if not await connection.fetchval("SELECT pg_is_in_recovery()", timeout=2):
                        return node
                finally:
                    connection.terminate()
        return None

    async def until_primary(self) -> Node:
        """Waits for a node that accepts writes."""
        return await self._until(self.primary, every=0.05)

    async def until_whole(self) -> Node:
        """Waits until all nodes take part again, and one of them is the primary's synchronous standby."""
        return await self._until(self._primary_if_whole, every=0.5)

    async def _primary_if_whole(self) -> Node | None:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
                session.get(f"http://127.0.0.1:{self.nodes[0].api_port}/cluster") as response,
            ):
                members = (await response.json())["members"]
            states = sorted((member["role"], member["state"]) for member in members)
            if states == [("leader", "running"), ("replica", "streaming"), ("sync_standby", "streaming")]:
                return await self.primary()
        return None

    async def _until(self, found: Callable[[], Awaitable[Node | None]], *, every: float) -> Node:
        end = time.monotonic() + PATIENCE
        while (node := await found()) is None:
            if time.monotonic() > end:
                logs = "\n".join(f"{node.name}: {node.log()[-2_000:]}" for node in self.nodes)
                raise AssertionError(f"The nodes did not come to it within {PATIENCE:g} s:\n{logs}")
            await asyncio.sleep(every)
        return node
