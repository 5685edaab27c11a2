"""A scratch store is emptied, another one never is; and only one process serves a file."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from http_client import ask
from service_process import RunningService, run_tasksvc

pytestmark = pytest.mark.slow

KEPT = ("--store", "sqlite:///tasks.db")
"""The file that is the scratch store when no store is named."""


def add(service: RunningService, description: str) -> None:
    assert ask(service.url, "POST", "/tasks/", {"description": description}).status == 201


def descriptions(service: RunningService) -> list[str]:
    return [task["description"] for task in ask(service.url, "GET", "/tasks/").document]


def generation(service: RunningService) -> str:
    return ask(service.url, "GET", "/tasks/").headers["x-change-seq"].rsplit("-", 1)[0]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


# ---------------------------------------------------------------- scratch


def test_a_scratch_store_is_emptied_on_shutdown(tmp_path: Path) -> None:
    with RunningService(folder=tmp_path) as service:
        add(service, "gone tomorrow, perhaps")
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    with service:
        assert descriptions(service) == []
    assert b"perhaps" not in left


def test_a_scratch_store_that_a_crash_left_is_emptied_at_the_next_start(tmp_path: Path) -> None:
    with RunningService(folder=tmp_path) as service:
        add(service, "before the crash")
        first = generation(service)
        service.kill()
    left = (tmp_path / "tasks.db-wal").read_bytes()

    with service:
        assert descriptions(service) == []
        assert generation(service) != first
        created = ask(service.url, "POST", "/tasks/", {"description": "first again"})
    assert b"before the crash" in left
    assert created.document["id"] == 1


# ---------------------------------------------------------------- kept


def test_a_kept_store_survives_shutdown_and_crash(tmp_path: Path) -> None:
    with RunningService(*KEPT, folder=tmp_path) as service:
        add(service, "kept")
        first = generation(service)
        service.stop()
        service.start()
        add(service, "kept over a crash")
        service.kill()
        service.start()
        assert descriptions(service) == ["kept", "kept over a crash"]
        assert generation(service) == first


# ---------------------------------------------------------------- one after the other, in one folder


def test_a_durable_store_is_never_opened_as_scratch(tmp_path: Path) -> None:
    with RunningService(*KEPT, folder=tmp_path) as service:
        add(service, "kept")
    before = (tmp_path / "tasks.db").read_bytes()

    refused = run_tasksvc("--port", "0", folder=tmp_path)

    assert refused.returncode == 1
    assert "holds tasks that are kept" in refused.stderr
    assert (tmp_path / "tasks.db").read_bytes() == before
    with service:
        assert descriptions(service) == ["kept"]


def test_a_durable_store_whose_tasks_are_only_in_the_wal_is_not_opened_as_scratch(tmp_path: Path) -> None:
    with RunningService(*KEPT, folder=tmp_path) as service:
        add(service, "only in the write-ahead log")
        service.kill()

    refused = run_tasksvc("--port", "0", folder=tmp_path)

    assert refused.returncode == 1
    assert "holds tasks that are kept" in refused.stderr
    with service:
        assert descriptions(service) == ["only in the write-ahead log"]


def test_naming_a_scratch_file_that_a_crash_left_keeps_what_is_in_it(tmp_path: Path) -> None:
    with RunningService(folder=tmp_path) as scratch:
        add(scratch, "rescued")
        scratch.kill()

    kept = RunningService(*KEPT, folder=tmp_path)
    with kept:
        assert descriptions(kept) == ["rescued"]
    refused = run_tasksvc("--port", "0", folder=tmp_path)
    with kept:
        assert descriptions(kept) == ["rescued"]
    assert (refused.returncode, "holds tasks that are kept" in refused.stderr) == (1, True)


def test_a_rescue_that_is_killed_at_once_has_kept_the_tasks(tmp_path: Path) -> None:
    with RunningService(folder=tmp_path) as scratch:
        add(scratch, "rescued")
        scratch.kill()
    with RunningService(*KEPT, folder=tmp_path) as kept:
        kept.kill()

    refused = run_tasksvc("--port", "0", folder=tmp_path)
    with kept:
        assert descriptions(kept) == ["rescued"]
    assert refused.returncode == 1


def test_an_empty_kept_store_is_not_scratch(tmp_path: Path) -> None:
    with RunningService(*KEPT, folder=tmp_path):
        pass

    assert run_tasksvc("--port", "0", folder=tmp_path).returncode == 1


# ---------------------------------------------------------------- at the same time


@pytest.mark.parametrize("first", [(), KEPT], ids=["scratch", "kept"])
@pytest.mark.parametrize("second", [(), KEPT], ids=["then scratch", "then kept"])
@pytest.mark.parametrize("same_port", [True, False], ids=["on its port", "on another port"])
def test_a_second_service_on_a_file_is_refused_and_touches_nothing(
    first: tuple[str, ...], second: tuple[str, ...], same_port: bool, tmp_path: Path
) -> None:
    with RunningService(*first, folder=tmp_path) as service:
        add(service, "of the first service")
        before = generation(service)
        port = str(service.port) if same_port else "0"

        refused = run_tasksvc("--port", port, *second, folder=tmp_path)

        assert refused.returncode == 1
        assert "tasks.db is in use already" in refused.stderr
        assert descriptions(service) == ["of the first service"]
        assert generation(service) == before
        add(service, "and it goes on")
        service.kill()
    if first:
        with service:
            assert descriptions(service) == ["of the first service", "and it goes on"]


def test_a_port_that_is_taken_costs_a_kept_store_nothing(tmp_path: Path, taken_port: int) -> None:
    with RunningService(*KEPT, folder=tmp_path) as service:
        add(service, "kept")

    refused = run_tasksvc("--port", str(taken_port), *KEPT, folder=tmp_path)

    assert refused.returncode == 1
    with service:
        assert descriptions(service) == ["kept"]


def test_two_scratch_services_in_two_folders_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    with RunningService(folder=tmp_path / "here") as here, RunningService(folder=tmp_path / "there") as there:
        add(here, "here")
        add(there, "there")
        assert (descriptions(here), descriptions(there)) == (["here"], ["there"])


def test_a_file_is_the_same_by_every_name(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to("tasks.db")
    with RunningService(*KEPT, folder=tmp_path) as service:
        add(service, "of the first service")

        refused = run_tasksvc("--port", "0", "--store", "sqlite:///link.db", folder=tmp_path)

        assert (refused.returncode, "in use already" in refused.stderr) == (1, True)
        assert descriptions(service) == ["of the first service"]
