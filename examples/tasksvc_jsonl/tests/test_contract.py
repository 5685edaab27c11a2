"""The adapter meets the contract."""

from contextlib import AbstractContextManager
from pathlib import Path

from tasksvc import TaskRepository
from tasksvc.testing import TaskRepositoryContract, failing_files, failing_syncs


class TestJSONL(TaskRepositoryContract):
    def store_url(self, tmp_path: Path) -> str:
        return f"jsonl:///{tmp_path}/tasks.jsonl"

    def fail_driver(self, repository: TaskRepository) -> AbstractContextManager[None]:
        return failing_files()

    def cut_commit(self, repository: TaskRepository) -> AbstractContextManager[None]:
        return failing_syncs()
