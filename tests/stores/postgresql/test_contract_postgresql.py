"""The PostgreSQL adapter meets the contract, with all capabilities."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tasksvc_postgresql.repository import PostgreSQLRepository

from stores.postgresql.faults import commits_lose_their_answer, end_sessions, tables_locked, writes_fail
from stores.postgresql.repositories import PATIENCE
from stores.postgresql.server import with_parameters
from tasksvc import Capability, TaskRepository
from tasksvc.testing import TaskRepositoryContract

HANGING = 4.0
"""The timeout in seconds of calls in tests of a store that hangs, which wait for it."""


class PostgresqlContract(TaskRepositoryContract):
    """The contract, with the faults of a server."""

    server_url: str
    """The URL of the server itself."""
    timeout = PATIENCE

    def with_parameters(self, url: str, tmp_path: Path) -> str:
        """Returns `url` with the schema that belongs to a folder."""
        schema = "kit_" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]
        return with_parameters(url, schema=schema, timeout=self.timeout, application_name=schema)

    def fail_driver(self, repository: TaskRepository) -> AbstractContextManager[None]:
        return writes_fail(self.server_url, schema_of(repository))

    def cut_commit(self, repository: TaskRepository) -> AbstractContextManager[None]:
        return commits_lose_their_answer()

    def break_connections(self, repository: TaskRepository) -> None:
        end_sessions(self.server_url, f"application_name = '{schema_of(repository)}'")

    def hang_driver(self, repository: TaskRepository) -> AbstractContextManager[None]:
        return tables_locked(self.server_url, schema_of(repository))

    def test_reads_of_a_store_that_hangs_end_by_themselves(self, tmp_path: Path) -> None:
        self.timeout = HANGING
        super().test_reads_of_a_store_that_hangs_end_by_themselves(tmp_path)

    def test_writes_to_a_store_that_hangs_end_by_themselves(self, tmp_path: Path) -> None:
        self.timeout = HANGING
        super().test_writes_to_a_store_that_hangs_end_by_themselves(tmp_path)


class TestPostgresql(PostgresqlContract):
    @pytest.fixture(autouse=True)
    def _on_server(self, server_url: str) -> None:
        self.server_url = server_url

    def store_url(self, tmp_path: Path) -> str:
        return self.with_parameters(self.server_url, tmp_path)


def schema_of(repository: TaskRepository) -> str:
    """Returns the name of the schema that a repository serves."""
    assert isinstance(repository, PostgreSQLRepository)
    return repository._store._settings.schema


def test_no_capability_is_declared_absent() -> None:
    assert PostgreSQLRepository.capabilities == frozenset(Capability)
