"""Commands that are killed or interrupted: what they create is complete or absent."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from service_process import environment_with

from maintenance.conftest import NewURL
from maintenance.contents import fill_with_many
from tasksvc.application.transfer import Summary, summarize
from tasksvc.store_adapters import open_repository

pytestmark = pytest.mark.slow

TASKS = 5_000
SHARES = (0.5, 0.7, 0.9)
"""Shares of the time that a command takes here, after which it is killed; the first is spent on starting Python."""
PAUSES = (0.01, 0.04, 0.1)
"""Seconds after which a command that has begun its work is interrupted."""


class Command:
    """A command line, in `folder`."""

    def __init__(self, *words: str, folder: Path) -> None:
        self._words, self._folder = words, folder

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [sys.executable, "-m", "tasksvc", *self._words],
            cwd=self._folder, env=environment_with(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            yield process
            process.wait(60)

    def run(self) -> float:
        """Runs it to success and returns the seconds that it took."""
        began = time.monotonic()
        with self.running() as process:
            _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, "")
        return time.monotonic() - began

    def kill(self, after: float) -> None:
        with self.running() as process:
            time.sleep(after)
            process.kill()

    def interrupt(self, after: float, has_begun: Callable[[], object]) -> None:
        """Presses Ctrl-C `after` seconds of its work. It may have ended by then."""
        with self.running() as process:
            while not has_begun() and process.poll() is None:
                time.sleep(0.001)
            time.sleep(after)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (130, "") or process.returncode in (0, -signal.SIGINT)


async def summary_of(url: str) -> Summary:
    """Returns a summary of what a store holds."""
    repository = await open_repository(url)
    try:
        return await summarize(repository)
    finally:
        await repository.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, a backup and an export of many tasks."""
    folder = tmp_path_factory.mktemp("interrupted")

    async def fill() -> None:
        repository = await open_repository(f"sqlite:///{folder}/store.db")
        await fill_with_many(repository, TASKS)
        await repository.close()

    asyncio.run(fill())
    for command in ("backup", "export"):
        Command(command, command, "--store", "sqlite:///store.db", folder=folder).run()
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> Summary:
    """The summary of what they hold."""
    return asyncio.run(summary_of(f"sqlite:///{folder}/store.db"))


# ---------------------------------------------------------------- files


@pytest.fixture
def new(folder: Path) -> Iterator[Path]:
    """The path of a file that doesn't exist, before the test and after it."""
    yield folder / "new"
    for path in folder.glob("new*"):
        path.unlink()


@pytest.mark.parametrize("command", ["backup", "export"])
def test_a_file_gets_its_name_when_it_is_whole(command: str, folder: Path, new: Path) -> None:
    making = Command(command, "new", "--store", "sqlite:///store.db", folder=folder)
    took = making.run()
    size = new.stat().st_size

    for share in SHARES:
        new.unlink(missing_ok=True)
        making.kill(after=share * took)
        assert not new.exists() or new.stat().st_size == size

    new.unlink(missing_ok=True)
    making.run()


@pytest.mark.parametrize("command", ["backup", "export"])
def test_an_interrupted_file_leaves_nothing(command: str, folder: Path, new: Path) -> None:
    making = Command(command, "new", "--store", "sqlite:///store.db", folder=folder)

    for pause in PAUSES:
        making.interrupt(after=pause, has_begun=lambda: list(folder.glob("new*")))
        assert list(folder.glob("new.*")) == []
        new.unlink(missing_ok=True)


# ---------------------------------------------------------------- stores


@pytest.mark.parametrize(
    ("command", "kind"), [("import export", "sqlite"), ("restore backup", "sqlite"), ("restore export", "postgresql")]
)
def test_a_store_is_filled_whole_or_stays_empty(
    command: str, kind: str, folder: Path, whole: Summary, new_url: NewURL
) -> None:
    took = Command(*command.split(), "--store", new_url(kind), folder=folder).run()

    for share in SHARES:
        url = new_url(kind)
        filling = Command(*command.split(), "--store", url, folder=folder)
        filling.kill(after=share * took)
        if (found := asyncio.run(summary_of(url))) != whole:
            assert found[:4] == (0, 0, 0, 0)

    if found != whole:
        filling.run()
        assert asyncio.run(summary_of(url)) == whole, "it can be done again"


def test_an_interrupted_store_stays_empty(folder: Path, whole: Summary, tmp_path: Path) -> None:
    for number, pause in enumerate(PAUSES):
        target = tmp_path / f"{number}.db"
        filling = Command("import", "export", "--store", f"sqlite:///{target}", folder=folder)

        filling.interrupt(after=pause, has_begun=target.exists)

        if (found := asyncio.run(summary_of(f"sqlite:///{target}"))) != whole:
            assert found[:4] == (0, 0, 0, 0)


def test_a_connection_that_is_interrupted_while_it_opens_leaves_no_thread(tmp_path: Path) -> None:
    async def open_and_cancel() -> None:
        opening = asyncio.ensure_future(open_repository(f"sqlite:///{tmp_path}/tasks.db"))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])

    before = set(threading.enumerate())
    for _ in range(50):
        asyncio.run(open_and_cancel())
    end = time.monotonic() + 10
    while (left := set(threading.enumerate()) - before) and time.monotonic() < end:
        time.sleep(0.01)

    assert left == set()
