"""The SQLite adapter meets the contract."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tasksvc import TaskRepository
from tasksvc.testing import TaskRepositoryContract, failing_files


class TestSQLite(TaskRepositoryContract):
    def store_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/tasks.db"

    def fail_driver(self, repository: TaskRepository) -> AbstractContextManager[None]:
        return failing_files()

    @pytest.mark.slow  # it opens hundreds of stores
    def test_a_store_behaves_as_its_model(self, tmp_path: Path) -> None:
        super().test_a_store_behaves_as_its_model(tmp_path)
