"""The progress bar is shown on a terminal, and nowhere else."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from service_process import environment_with
from terminals import read_to_end

from maintenance.contents import fill_with_many
from tasksvc.cli.progress import progress_bar
from tasksvc.store_adapters import open_repository


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a store of a few thousand tasks."""

    async def fill() -> None:
        repository = await open_repository(f"sqlite:///{tmp_path}/tasks.db")
        await fill_with_many(repository, 3_000)
        await repository.close()

    asyncio.run(fill())
    return tmp_path


def on_terminal(*words: str, folder: Path) -> tuple[str, str]:
    """Returns what a command writes to standard output, which is a pipe, and to standard error, which is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tasksvc", *words],
        cwd=folder, env=environment_with(), stdout=subprocess.PIPE, stderr=theirs, text=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        said = read_to_end(ours)
        assert process.stdout is not None
        printed = process.stdout.read()
    assert process.returncode == 0, said
    return printed, said.decode()


def test_a_terminal_sees_every_step_and_is_left_with_an_empty_line(folder: Path) -> None:
    printed, said = on_terminal("copy", "sqlite:///tasks.db", "sqlite:///copy.db", folder=folder)

    looks = said.split("\r\x1b[K")
    assert looks[-1] == ""
    assert any(re.fullmatch(r"copying    \[#*\.*\] +\d+%(, \d+:\d\d left)?", look) for look in looks), looks
    assert any(look.startswith("reading    [") for look in looks)
    assert printed.startswith("Copied sqlite:///tasks.db to sqlite:///copy.db: 3,000 tasks")


def test_a_log_is_not_filled_with_bars(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tasksvc", "export", "-", "--store", "sqlite:///tasks.db"],
        cwd=folder, env=environment_with(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.stderr.startswith("Exported sqlite:///tasks.db: 3,000 tasks")
    assert done.stderr.count("\n") == 1


def test_the_remaining_time_is_shown_when_it_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moments = iter([100.0, 100.05, 110.0, 111.0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("time.monotonic", lambda: next(moments))

    with progress_bar() as progress:
        progress("copying", 0)
        progress("copying", 0.01)
        progress("copying", 0.1)
        progress("reading", 0.5)

    looks = capsys.readouterr().err.split("\r\x1b[K")
    assert looks == [
        "",
        "copying    [..............................]   0%",
        "copying    [###...........................]  10%, 1:30 left",
        "reading    [###############...............]  50%",
        "",
    ]
