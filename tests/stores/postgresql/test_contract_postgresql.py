"""The PostgreSQL adapter meets the contract, with all capabilities."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tasksvc_postgresql.repository import PostgreSQLRepository

from stores.postgresql.repositories import PATIENCE
from stores.postgresql.server import execute, with_parameters
from tasksvc import Capability, TaskRepository
from tasksvc.testing import TaskRepositoryContract

FAILS = """
    CREATE FUNCTION {schema}.fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER fail BEFORE UPDATE ON {schema}.store EXECUTE FUNCTION {schema}.fail();
    CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON {schema}.records EXECUTE FUNCTION {schema}.fail();
"""


class TestPostgresql(TaskRepositoryContract):
    @pytest.fixture(autouse=True)
    def _on_server(self, server_url: str) -> None:
        self.server_url = server_url

    def store_url(self, tmp_path: Path) -> str:
        schema = "kit_" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]
        return with_parameters(self.server_url, schema=schema, timeout=PATIENCE)

    @contextmanager
    def fail_driver(self, repository: TaskRepository) -> Iterator[None]:
        """Makes the server refuse every write, as on a full disk."""
        assert isinstance(repository, PostgreSQLRepository)
        schema = repository._settings.schema
        execute(self.server_url, FAILS.format(schema=schema))
        try:
            yield
        finally:
            execute(self.server_url, f"DROP FUNCTION {schema}.fail CASCADE")


def test_no_capability_is_declared_absent() -> None:
    assert PostgreSQLRepository.capabilities == frozenset(Capability)
