"""A signal stops the service in order: requests in flight are finished, and no acknowledged write is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from http_client import Answer, Connection, NoAnswer, ask
from patience import FOREVER_SECONDS, PATIENCE_SECONDS
from service_process import RunningService, environment_with, with_timeouts
from write_checker import WriteChecker

from tasksvc.application.limits import Timeouts

pytestmark = pytest.mark.slow

SIGNALS = (signal.SIGTERM, signal.SIGINT)
WITHOUT_DEADLINES = with_timeouts(Timeouts(body=FOREVER_SECONDS, drain=FOREVER_SECONDS, exit=FOREVER_SECONDS))
"""Starts a service that stops only when all requests are answered, even on a busy machine."""
IN_FLIGHT = 100
MUCH = [{"op": "create", "task": {"description": f"much {n}".ljust(10_000, ".")}} for n in range(100)]
"""A number of tasks with which the store takes a while to close."""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("round_number", range(10))
async def test_a_signal_under_load_loses_no_answer_and_no_write(
    number: signal.Signals, round_number: int, tmp_path: Path
) -> None:
    await stop_under_load(number, tmp_path, round_number)


@pytest.mark.soak
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("round_number", range(int(os.environ.get("TASKSVC_TEST_SHUTDOWNS", "100"))))
async def test_a_signal_under_load_loses_no_answer_and_no_write_however_often(
    number: signal.Signals, round_number: int, tmp_path: Path
) -> None:
    await stop_under_load(number, tmp_path, round_number)


async def stop_under_load(number: signal.Signals, folder: Path, round_number: int) -> None:
    pause, hold = ((0.0, 0.0), (0.05, 0.0), (0.0, 0.1), (0.05, 0.1))[round_number % 4]
    arguments = ["--store", "sqlite:///kept.db", "--log-format", "none"]
    with RunningService(*arguments, folder=folder, before=WITHOUT_DEADLINES) as service:
        much = ask(service.url, "POST", "/tasks/batch", MUCH).document["results"]
        async with WriteChecker(service.port, clients=50, pause=pause) as checker, AsyncExitStack() as stack:
            uploads = [await Upload.begin(service.port, stack) for _ in range(IN_FLIGHT)]
            await asyncio.sleep(random.Random(round_number).uniform(0, 0.2))
            service.process.send_signal(number)
            await asyncio.sleep(hold)
            answers = await asyncio.gather(*(upload.finish(f"upload {n}") for n, upload in enumerate(uploads)))
            status = await asyncio.to_thread(service.wait)

    assert [answer.status for answer in answers] == [201] * IN_FLIGHT
    assert (checker.dropped, checker.odd) == ([], [])
    assert status == 0
    for task in [*(result["task"] for result in much), *(answer.document for answer in answers)]:
        checker.may_be[task["id"]] = {task["description"]}
    assert checker.verdict(folder / "kept.db") == ([], [], [])


async def test_what_stalls_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """The requests are a body that never arrives, a slow one, a list that isn't read, and streams of changes."""
    with RunningService("--store", "sqlite:///kept.db", folder=tmp_path) as service:
        for _ in range(10):
            ask(service.url, "POST", "/tasks/batch", MUCH)
        async with AsyncExitStack() as stack:
            stalled, slow = await Upload.begin(service.port, stack), await Upload.begin(service.port, stack)
            stream = await stack.enter_async_context(Connection(service.port))
            unread = await stack.enter_async_context(Connection(service.port))
            unread.send("GET", "/tasks/")
            stream.send("GET", "/changes/stream")
            status, _ = await stream.head()
            assert status == 200
            service.process.send_signal(signal.SIGTERM)
            finished = await slow.finish("slow, and finished")
            events = await stream.until(b"\r\n0\r\n\r\n")
            refused = await stalled.answer()
            status = await asyncio.to_thread(service.wait)
            cut = await unread.rest()

    assert b"retry:" in events
    assert finished.status == 201
    assert (refused.status, refused.document["type"]) == (408, "urn:tasksvc:problem:body-too-slow")
    assert not cut.endswith(b"]\r\n0\r\n\r\n")
    assert status == 0
    with closing(sqlite3.connect(tmp_path / "kept.db")) as store:
        (count,) = store.execute("SELECT count(*) FROM tasks WHERE description = 'slow, and finished'").fetchone()
    assert count == 1


async def test_readiness_is_off_and_connections_close_while_requests_in_flight_finish(tmp_path: Path) -> None:
    arguments = ["--store", "sqlite:///kept.db", "--admin-port", "0"]
    with RunningService(*arguments, folder=tmp_path) as service:
        admin = "http://127.0.0.1:" + service.output.split("Admin  http://127.0.0.1:")[1].split("/")[0]
        async with Connection(service.port) as kept, AsyncExitStack() as stack:
            ready_before = ask(admin, "GET", "/health/ready")
            shown_before = await kept.request("GET", "/tasks/")
            upload = await Upload.begin(service.port, stack)
            service.process.send_signal(signal.SIGTERM)
            # On a connection of its own each, since the last answer of 200 may close the one that it came on.
            while (ready := ask(admin, "GET", "/health/ready")).status == 200:
                await asyncio.sleep(0.01)
            alive = ask(admin, "GET", "/health/live")
            shown = await kept.request("GET", "/tasks/")
            with pytest.raises(NoAnswer):
                ask(service.url, "GET", "/tasks/")
            created = await upload.finish("in flight")
            status = await asyncio.to_thread(service.wait)

    assert (ready_before.status, shown_before.status) == (200, 200)
    assert (ready.status, ready.document["detail"]) == (503, "The service is shutting down.")
    assert alive.status == 200
    assert (shown.status, shown.headers["connection"]) == (200, "close")
    assert (created.status, created.headers["connection"]) == (201, "close")
    assert status == 0


async def test_for_the_delay_only_readiness_is_off_so_that_a_balancer_can_send_elsewhere(tmp_path: Path) -> None:
    with RunningService("--store", "memory://", "--stop-delay", "600", folder=tmp_path) as service:
        async with Connection(service.port) as kept, Connection(service.port) as stream:
            await kept.request("GET", "/tasks/")
            stream.send("GET", "/changes/stream?since=0")
            await stream.head()

            service.process.send_signal(signal.SIGTERM)
            while (ready := ask(service.url, "GET", "/health/ready")).status == 200:
                await asyncio.sleep(0.01)
            created = ask(service.url, "POST", "/tasks/", {"description": "on a new connection"})
            shown = await kept.request("GET", "/tasks/1")
            event = await stream.until(b"on a new connection")
            status = await asyncio.to_thread(service.stop)  # a second signal ends the delay

    assert (ready.status, ready.document["detail"]) == (503, "The service is shutting down.")
    assert (created.status, shown.status, status) == (201, 200, 0)
    assert b"data:" in event


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_it_starts_ends_it_and_leaves_the_store_free(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # coverage swallows what interrupts its own start
    service = RunningService("--store", "sqlite:///kept.db", folder=tmp_path)
    service.start()
    service.stop()
    for hundredths in range(5, 50, 9):
        service.begin()
        time.sleep(hundredths / 100)
        status = service.stop(number)
        # 130 or by the signal where the loop does not run yet; 1 where Python itself is not up yet.
        python_is_up = "_run_module_as_main" in service.output or status != 1
        assert status in (0, -number, 130) or not python_is_up, service.output
    with service:
        assert ask(service.url, "GET", "/tasks/").status == 200


INTERRUPTED_IN_A_DESTRUCTOR = """
import os, signal, sys

class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            Interrupted()

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
from tasksvc.cli.main import main
main()
"""


@pytest.mark.parametrize("module", ["click", "tasksvc.cli.commands.serve", "aiohttp", "tasksvc_memory"])
def test_an_interrupt_in_a_destructor_during_an_import_ends_the_service(module: str, tmp_path: Path) -> None:
    program = INTERRUPTED_IN_A_DESTRUCTOR.format(module=module)

    ended = subprocess.run(
        [sys.executable, "-c", program, "--port", "0", "--store", "memory://"],
        cwd=tmp_path,
        env=environment_with(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert ended.returncode == -signal.SIGINT, ended.stderr


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_store_is_waited_for_ends_the_wait(number: signal.Signals, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/db?start_timeout={FOREVER_SECONDS:.0f}"
        service = RunningService("--store", url, folder=tmp_path)
        service.begin()
        connection, _ = silent.accept()
        with connection:
            status = service.stop(number)

    assert status == 0, service.output


UPLOAD_BYTES = 50


class Upload:
    """A POST whose head was read, and whose body is still to be sent."""

    @classmethod
    async def begin(cls, port: int, stack: AsyncExitStack) -> Upload:
        """Sends the head and returns at the 100 Continue; `stack` closes the connection."""
        connection = await stack.enter_async_context(Connection(port))
        connection.send_head("POST", "/tasks/", UPLOAD_BYTES, {"Expect": "100-continue"})
        status, _ = await connection.head()
        assert status == 100
        return cls(connection)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def finish(self, description: str) -> Answer:
        body = b'{"description": "%b"}' % description.encode()
        self._connection.send_bytes(body.ljust(UPLOAD_BYTES))
        return await self.answer()

    async def answer(self) -> Answer:
        return await self._connection.answer()
