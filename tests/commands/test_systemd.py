"""The service notifies systemd when it is ready, and when it stops."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from service_process import RunningService

from tasksvc.cli.process import notify


@pytest.fixture(params=["in a folder", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket at NOTIFY_SOCKET, of each kind."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.settimeout(30)
        if request.param == "abstract":
            listening.bind(f"\0tasksvc-test-{os.getpid()}")
            monkeypatch.setenv("NOTIFY_SOCKET", f"@tasksvc-test-{os.getpid()}")
        else:
            listening.bind(str(tmp_path / "notify"))
            monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def test_the_state_is_sent(systemd: socket.socket) -> None:
    notify("READY=1")

    assert systemd.recv(100) == b"READY=1"


@pytest.mark.parametrize("path", [None, "", "/nowhere/notify", "/" + "x" * 200])
def test_where_nobody_listens_nothing_happens(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if path is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", path)

    notify("READY=1")


def test_a_service_reports_when_it_is_ready_and_when_it_stops(systemd: socket.socket, tmp_path: Path) -> None:
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        first = systemd.recv(100)
        systemd.setblocking(False)
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
        systemd.settimeout(30)
        status = service.stop()
        last = systemd.recv(100)

    assert (first, last, status) == (b"READY=1", b"STOPPING=1", 0)
