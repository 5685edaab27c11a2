"""The memory adapter meets the contract."""

from pathlib import Path

from tasksvc.testing import TaskRepositoryContract


class TestMemory(TaskRepositoryContract):
    def store_url(self, tmp_path: Path) -> str:
        return "memory://"
