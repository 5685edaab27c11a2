"""A service whose output isn't read serves, and stops, like any other."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from http_client import NoAnswer, ask, free_port
from maintenance import noisy_store
from patience import PATIENCE_SECONDS, wait_until
from service_process import environment_with, with_timeouts

from tasksvc.application.limits import Timeouts

pytestmark = pytest.mark.slow

PIPE_BYTES = 4096
"""The size of the smallest possible pipe, in bytes."""
REQUESTS = 100
"""Requests whose lines in the log are longer than the pipe."""


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """The writing end of a full pipe."""
    unread, written = os.pipe()
    fcntl.fcntl(written, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.write(written, bytes(PIPE_BYTES))
    yield written
    os.close(written)
    os.close(unread)


@contextmanager
def service_on(
    pipe: int, *arguments: str, folder: Path, before: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Runs a service that writes both streams to `pipe`, and yields its URL."""
    port = free_port()
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "tasksvc", "--port", str(port), *arguments],
        cwd=folder,
        env=environment_with(environment),
        stdout=pipe,
        stderr=pipe,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or answers(url))
        yield process, url
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    with suppress(NoAnswer, OSError):
        return ask(url, "GET", "/health/live").status == 200
    return False


@pytest.mark.parametrize("form", ["text", "json"])
def test_requests_are_answered_and_a_signal_ends_it_in_order(form: str, full_pipe: int, tmp_path: Path) -> None:
    with service_on(full_pipe, "--log-format", form, folder=tmp_path) as (process, url):
        statuses = {ask(url, "POST", "/tasks/", {"description": "x"}).status for _ in range(REQUESTS)}
        process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE_SECONDS) == 0
    assert statuses == {201}


def test_a_service_that_does_not_end_is_ended_by_force(full_pipe: int, tmp_path: Path) -> None:
    environment = noisy_store.install(tmp_path / "site")
    before = with_timeouts(Timeouts(exit=0.1))

    with service_on(full_pipe, "--store", "noisy://stuck", folder=tmp_path, before=before, environment=environment) as (
        process,
        _,
    ):
        process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE_SECONDS) == 1


def test_an_error_that_nobody_catches_ends_it(full_pipe: int, tmp_path: Path) -> None:
    environment = noisy_store.install(tmp_path / "site")

    with service_on(full_pipe, "--store", "noisy://crash", folder=tmp_path, environment=environment) as (process, _):
        assert process.wait(PATIENCE_SECONDS) == 1
