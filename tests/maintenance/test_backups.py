"""The commands tasksvc backup and tasksvc restore."""

from __future__ import annotations

import http.client
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from heads import generation_of
from service_process import RunningService, environment_with, run_tasksvc, unmeasured

from maintenance.conftest import NewURL, Open
from maintenance.contents import contents, fill
from tasksvc import PositionGone, StoreRefused, Task, TaskQuery
from tasksvc.application.transfer import summarize
from tasksvc.store_adapters import open_repository
from tasksvc.testing.dumping import header_of

pytestmark = pytest.mark.slow


@pytest.fixture
async def store_url(new_url: NewURL) -> str:
    """The URL of a store that is filled and closed."""
    url = new_url("sqlite")
    repository = await open_repository(url)
    await fill(repository)
    await repository.close()
    return url


def files(folder: Path, pattern: str) -> list[str]:
    """Returns the names in `folder` that match."""
    return sorted(path.name for path in folder.glob(pattern))


class Writer:
    """A client that creates tasks, one after the other, until it is stopped."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self.acknowledged = 0
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._service.port, timeout=30)
        while not self._enough.is_set():
            body = json.dumps({"description": "x" * 500})
            connection.request("POST", "/tasks/", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201
            self.acknowledged += 1
        connection.close()

    def stop(self) -> None:
        self._enough.set()
        self._thread.join(30)

    @classmethod
    @contextmanager
    def at_work(cls, service: RunningService) -> Iterator[Writer]:
        writer = cls(service)
        writer._thread.start()
        try:
            yield writer
        finally:
            writer.stop()


async def test_a_backup_of_a_busy_service_is_of_one_moment(store_url: str, tmp_path: Path, open_store: Open) -> None:
    with RunningService("--store", store_url, folder=tmp_path) as service:
        with Writer.at_work(service) as writer:
            moments = []
            for n in range(3):
                before = writer.acknowledged
                done = run_tasksvc("backup", f"backup-{n}.db", "--store", store_url, folder=tmp_path)
                moments.append((before, writer.acknowledged))
                assert (done.returncode, done.stderr) == (0, "")
        checked = [run_tasksvc("check", "--store", f"sqlite:///backup-{n}.db", folder=tmp_path) for n in range(3)]

    assert [done.stdout for done in checked] == [f"sqlite:///backup-{n}.db is in order.\n" for n in range(3)]
    for n, (before, after) in enumerate(moments):
        backup = await open_store(f"sqlite:///{tmp_path}/backup-{n}.db")
        entries = await contents(backup)
        added = sum(isinstance(entry, Task) for _, entry in entries) - 30
        assert before < after, "writes went on meanwhile"
        assert before <= added <= after + 1, "what was acknowledged before is in it; one write may be under way after"
        assert header_of(entries).last_seq == 36 + added, "the head of the log is that of the tasks"


async def test_a_backup_is_one_file_that_is_a_kept_store_of_another_generation(
    store_url: str, tmp_path: Path, open_store: Open
) -> None:
    done = run_tasksvc("backup", "backup.db", "--store", store_url, folder=tmp_path)

    assert files(tmp_path, "backup*") == ["backup.db"]
    assert done.stdout.startswith(f"Backed up {store_url} to {tmp_path}/backup.db: ")
    source, backup = await open_store(store_url), await open_store(f"sqlite:///{tmp_path}/backup.db")
    assert await contents(backup) == await contents(source)
    assert await generation_of(backup) != await generation_of(source)


async def test_a_backup_of_a_scratch_store_is_kept(tmp_path: Path) -> None:
    with RunningService(folder=tmp_path) as service, Writer.at_work(service):
        done = run_tasksvc("backup", "backup.db", "--store", "sqlite:///tasks.db", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    with pytest.raises(StoreRefused, match="holds tasks that are kept"):
        await (await open_repository(f"sqlite:///{tmp_path}/backup.db", scratch=True)).close()


def test_a_file_that_is_there_is_not_written_over(store_url: str, tmp_path: Path) -> None:
    (tmp_path / "backup.db").write_text("mine")

    done = run_tasksvc("backup", "backup.db", "--store", store_url, folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr == (f"tasksvc: {tmp_path}/backup.db is there already. Name another file, or remove it first.\n")
    assert (tmp_path / "backup.db").read_text() == "mine"


@pytest.mark.parametrize(
    ("store", "reason"),
    [
        ("sqlite:///typo.db", "There is no store in {folder}/typo.db. Name a file that is there."),
        ("sqlite:///other.db", "{folder}/other.db is no store of tasksvc. Name another file."),
        ("sqlite:///text.db", "{folder}/text.db is no SQLite database. Name another file."),
        (
            "memory://",
            "The adapter for memory: makes no backups. Use the means of its database. Or run 'tasksvc export FILE'.",
        ),
    ],
)
def test_what_cannot_be_backed_up_is_named_and_nothing_is_left(store: str, reason: str, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE other (x)").connection.close()
    (tmp_path / "text.db").write_text("text " * 200)

    done = run_tasksvc("backup", "backup.db", "--store", store, folder=tmp_path)

    assert (done.returncode, done.stderr) == (1, f"tasksvc: {reason.format(folder=tmp_path)}\n")
    assert files(tmp_path, "*") == ["other.db", "text.db"]


@pytest.mark.parametrize("command", ["backup", "export"])
def test_a_file_that_grows_too_large_is_one_sentence_and_leaves_nothing(
    command: str, store_url: str, tmp_path: Path
) -> None:
    # No coverage is measured: its own file would grow too large as well.
    environment = unmeasured(environment_with())
    done = subprocess.run(
        ["bash", "-c",  # noqa: S607
         'ulimit -f 8 && exec "$@"', "bash",
         sys.executable, "-m", "tasksvc", command, "new", "--store", store_url],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith("tasksvc: ")
    assert done.stderr.count("\n") == 1
    assert files(tmp_path, "new*") == []


# ---------------------------------------------------------------- restore

NOBODY_S = "saved isn't an export of tasksvc, and no installed adapter recognizes it as a backup of its own."


@pytest.mark.parametrize("command", ["backup", "export"])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_restored_store_is_the_same_in_a_new_generation(
    command: str, kind: str, store_url: str, new_url: NewURL, tmp_path: Path, open_store: Open
) -> None:
    run_tasksvc(command, "saved", "--store", store_url, folder=tmp_path)
    target_url = new_url(kind)

    done = run_tasksvc("restore", "saved", "--store", target_url, folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "30 tasks, 26 changes, 2 records, 2 idempotency keys" in done.stdout
    source, restored = await open_store(store_url), await open_store(target_url)
    assert await summarize(restored) == await summarize(source)
    position = (await source.find(TaskQuery(), limit=1)).position
    with pytest.raises(PositionGone):
        await restored.read_changes(position, limit=1)


async def test_a_restored_store_is_of_neither_generation_before(
    store_url: str, tmp_path: Path, open_store: Open
) -> None:
    run_tasksvc("backup", "saved", "--store", store_url, folder=tmp_path)
    empty = await open_repository(f"sqlite:///{tmp_path}/target.db")
    born = await generation_of(empty)
    await empty.close()

    run_tasksvc("restore", "saved", "--store", "sqlite:///target.db", folder=tmp_path)

    urls = (store_url, f"sqlite:///{tmp_path}/saved", f"sqlite:///{tmp_path}/target.db")
    assert len({born, *[await generation_of(await open_store(url)) for url in urls]}) == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", NOBODY_S),
        (b"PGDMP\x01\x0e", NOBODY_S),
        (b"SQLite format 3\0" + bytes(1_000), NOBODY_S),
        (b'{"tasksvc":"export","format":3}\n{"header"', "The export was cut or changed: "),
        (
            b"SQLite format 3\0" + bytes(52) + b"task" + bytes(1_000),
            "{folder}/saved is no SQLite database. Name another file.",
        ),
        (None, "saved cannot be read: No such file or directory."),
    ],
)
def test_a_file_that_cannot_be_restored_is_named_and_no_store_is_created(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "saved").write_bytes(content)

    done = run_tasksvc("restore", "saved", "--store", "sqlite:///target.db", folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith(f"tasksvc: {reason.format(folder=tmp_path)}")
    assert not (tmp_path / "target.db").exists()


def test_a_store_that_is_in_use_or_holds_something_is_not_restored_over(store_url: str, tmp_path: Path) -> None:
    run_tasksvc("backup", "saved", "--store", store_url, folder=tmp_path)

    full = run_tasksvc("restore", "saved", "--store", store_url, folder=tmp_path)
    with RunningService("--store", "sqlite:///served.db", folder=tmp_path):
        served = run_tasksvc("restore", "saved", "--store", "sqlite:///served.db", folder=tmp_path)

    assert (full.returncode, served.returncode) == (1, 1)
    assert f"{store_url} holds something already, and was left as it is." in full.stderr
    assert "is in use already" in served.stderr
