"""The SQLite adapter meets the contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from tasksvc import TaskRepository
from tasksvc.testing import TaskRepositoryContract, failing_files


class TestSQLite(TaskRepositoryContract):
    def store_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/tasks.db"

    def fail_driver(self, repository: TaskRepository) -> AbstractContextManager[None]:
        return failing_files()

    def cut_commit(self, repository: TaskRepository) -> AbstractContextManager[None]:
        return commits_that_fail_to_sync()

    @pytest.mark.slow  # it opens hundreds of stores
    def test_a_store_behaves_as_its_model(self, tmp_path: Path) -> None:
        super().test_a_store_behaves_as_its_model(tmp_path)


@contextmanager
def commits_that_fail_to_sync() -> Iterator[None]:
    """Makes SQLite report, for each transaction that it has committed, that syncing the file failed."""
    run = aiosqlite.Connection.execute_fetchall

    async def run_and_fail(connection: aiosqlite.Connection, sql: str, parameters: Iterable[Any] = ()) -> Any:
        before = connection.total_changes
        rows = await run(connection, sql, parameters)
        if sql == "COMMIT" or (connection.total_changes > before and not connection.in_transaction):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiosqlite.Connection, "execute_fetchall", run_and_fail)
        yield
