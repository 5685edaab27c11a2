"""Stores in files, opened through the resolver."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from tasksvc_sqlite.repository import open_file
from tasksvc_sqlite.settings import Settings

from tasksvc import CreateTask, Task, TaskDraft, TaskQuery, TaskRepository
from tasksvc.store_adapters import open_repository

NOW = datetime(2026, 11, 24, 15, 0, 0, 123456, tzinfo=UTC)
WITHOUT_OVERRIDE = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""A prefix of commands with which root obeys the permissions of files."""


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


@asynccontextmanager
async def opened(
    file: Path, *, scratch: bool = False, settings: Settings | None = None
) -> AsyncIterator[TaskRepository]:
    """Opens the store in `file`, and closes it at the end."""
    repository: TaskRepository
    if settings is None:
        repository = await open_repository(url_of(file), scratch=scratch)
    else:
        repository = await open_file(os.path.realpath(file), scratch=scratch, settings=settings)
    try:
        yield repository
    finally:
        await repository.close()


async def open_and_close(file: Path, *, scratch: bool = False, settings: Settings | None = None) -> None:
    """Opens a store whose opening should be refused."""
    async with opened(file, scratch=scratch, settings=settings):
        pass


async def add(repository: TaskRepository, description: str = "a task", **fields: Any) -> Task:
    committed = await repository.commit((CreateTask(TaskDraft(description, **fields)),), at=NOW)
    return cast(Task, committed.results[0])


async def add_all(repository: TaskRepository, drafts: Sequence[TaskDraft]) -> None:
    """Creates tasks in commits of 1,000."""
    for start in range(0, len(drafts), 1_000):
        await repository.commit([CreateTask(draft) for draft in drafts[start : start + 1_000]], at=NOW)


async def descriptions(repository: TaskRepository) -> list[str]:
    """Returns the descriptions of the first 1,000 tasks."""
    page = await repository.find(TaskQuery(), limit=1_000)
    return [task.description for task in page.tasks]


@contextmanager
def raw(file: Path) -> Iterator[sqlite3.Connection]:
    """Opens another program's connection to the same file."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as connection:
        yield connection


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Mounts a small disk in `folder`."""
    mounting = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=False, capture_output=True)
    if mounting.returncode:
        pytest.skip("only root may mount, and not everywhere")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def make_read_only(folder: Path) -> None:
    """Makes the mounted disk read-only."""
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


@contextmanager
def process(script: str, *arguments: object, before: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    """Starts another Python that runs `script`, and kills it at the end, if it hasn't ended.

    `before` is a command that runs it.
    """
    with subprocess.Popen(
        [*before, sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as running:
        try:
            yield running
        finally:
            running.kill()
