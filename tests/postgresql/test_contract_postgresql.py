"""The PostgreSQL adapter meets the contract, with no capability absent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tasksvc_postgresql.repository import PostgresqlRepository

from postgresql.server import with_parameters
from tasksvc import Capability
from tasksvc.testing import TaskRepositoryContract


class TestPostgresql(TaskRepositoryContract):
    @pytest.fixture(autouse=True)
    def _on_server(self, server_url: str) -> None:
        self.server_url = server_url

    def store_url(self, tmp_path: Path) -> str:
        schema = "kit_" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]
        return with_parameters(self.server_url, schema=schema)


def test_no_capability_is_declared_absent() -> None:
    assert PostgresqlRepository.capabilities == frozenset(Capability)
