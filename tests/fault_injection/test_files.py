"""Files that can't be written, vanish, or are replaced while they are served."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from http_client import Answer, ask
from service_process import RunningService, run_tasksvc
from stores.sqlite.stores import WITHOUT_OVERRIDE, make_read_only

from fault_injection.conftest import Disk

pytestmark = pytest.mark.slow

KEPT = ("--store", "sqlite:///kept.db", "--log-format", "none")


def add(service: RunningService, description: str) -> Answer:
    return ask(service.url, "POST", "/tasks/", {"description": description})


def descriptions(service: RunningService) -> list[str]:
    answer = ask(service.url, "GET", "/tasks/")
    assert answer.status == 200
    return [task["description"] for task in answer.document]


# ---------------------------------------------------------------- read-only


@pytest.mark.parametrize("crashed", [False, True], ids=["after an orderly end", "after a crash"])
def test_a_read_only_disk_is_refused_in_one_sentence(crashed: bool, disk: Disk) -> None:
    with RunningService(*KEPT, folder=disk.folder) as service:
        add(service, "before")
        if crashed:
            service.kill()
    make_read_only(disk.folder)

    refused = run_tasksvc("--port", "0", *KEPT, folder=disk.folder)

    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "kept.db cannot be written" in refused.stderr


@pytest.mark.parametrize("what", ["kept.db", "."])
def test_a_file_or_folder_that_may_not_be_written_is_refused_in_one_sentence(what: str, tmp_path: Path) -> None:
    with RunningService(*KEPT, folder=tmp_path, before=WITHOUT_OVERRIDE) as service:
        add(service, "before")
    (tmp_path / "kept.db.lock").unlink()
    (tmp_path / what).chmod(0o500)
    try:
        service.begin()
        started, status = service.gets_ready(), service.wait()
    finally:
        (tmp_path / what).chmod(0o700)

    assert (started, status, service.output.count("\n")) == (False, 1, 1)
    assert "writable, or name another file" in service.output
    with service:
        assert descriptions(service) == ["before"]


# ---------------------------------------------------------------- files that change while they are served


def vanishes(folder: Path) -> None:
    (folder / "kept.db").rename(folder / "elsewhere.db")


def is_replaced(folder: Path) -> None:
    vanishes(folder)
    (folder / "another.db").rename(folder / "kept.db")


def log_vanishes(folder: Path) -> None:
    (folder / "kept.db-wal").rename(folder / "elsewhere.db-wal")


def lock_vanishes(folder: Path) -> None:
    (folder / "kept.db.lock").unlink()


@pytest.mark.parametrize("meddle", [vanishes, is_replaced, log_vanishes, lock_vanishes], ids=lambda f: f.__name__)
def test_a_file_that_vanishes_or_is_replaced_ends_writing_and_readiness_says_why(
    meddle: Callable[[Path], None], tmp_path: Path
) -> None:
    with RunningService("--store", "sqlite:///another.db", folder=tmp_path) as another:
        add(another, "of another store")
    with RunningService(*KEPT, folder=tmp_path) as service:
        add(service, "before")

        meddle(tmp_path)

        written = add(service, "after")
        ready = ask(service.url, "GET", "/health/ready")
        listed = descriptions(service)
        status = service.stop()
    assert (written.status, written.document["outcome"]) == (503, "not-done")
    assert "was moved, removed or replaced" in written.document["detail"]
    assert (ready.status, "was moved, removed or replaced" in ready.document["detail"]) == (503, True)
    assert listed == ["before"]
    assert status == 0


def test_a_file_that_is_put_back_is_written_again(tmp_path: Path) -> None:
    with RunningService(*KEPT, folder=tmp_path) as service:
        add(service, "before")
        vanishes(tmp_path)
        assert add(service, "meanwhile").status == 503

        (tmp_path / "elsewhere.db").rename(tmp_path / "kept.db")

        assert add(service, "after").status == 201
        assert ask(service.url, "GET", "/health/ready").status == 200
        service.kill()
        service.start()
        assert descriptions(service) == ["before", "after"]


def test_a_file_that_took_the_place_is_left_as_it_is(tmp_path: Path) -> None:
    with RunningService("--store", "sqlite:///another.db", folder=tmp_path) as another:
        add(another, "of another store")
    shutil.copy(tmp_path / "another.db", tmp_path / "copy.db")
    with RunningService(*KEPT, folder=tmp_path) as service:
        add(service, "before")
        is_replaced(tmp_path)
        add(service, "after")

    assert (tmp_path / "kept.db").read_bytes() == (tmp_path / "copy.db").read_bytes()


def test_a_scratch_file_that_was_replaced_is_not_emptied(tmp_path: Path) -> None:
    with RunningService("--store", "sqlite:///another.db", folder=tmp_path) as another:
        add(another, "of another store")
    before = (tmp_path / "another.db").read_bytes()
    with RunningService(folder=tmp_path) as service:
        add(service, "scratch")
        (tmp_path / "another.db").rename(tmp_path / "tasks.db")

    assert (tmp_path / "tasks.db").read_bytes() == before
