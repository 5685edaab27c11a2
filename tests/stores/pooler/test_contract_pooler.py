"""The PostgreSQL adapter meets the contract behind PgBouncer, where it shares the sessions of the server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stores.pooler.bouncer import Bouncer
from stores.postgresql.repositories import PATIENCE
from stores.postgresql.server import Server, execute, with_parameters
from tasksvc import TaskRepository
from tasksvc.testing import TaskRepositoryContract

pytestmark = pytest.mark.pooler

FAILS = """
    CREATE FUNCTION {schema}.fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER fail BEFORE UPDATE ON {schema}.store EXECUTE FUNCTION {schema}.fail();
    CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON {schema}.records EXECUTE FUNCTION {schema}.fail();
"""


@pytest.fixture(scope="session")
def sharing_bouncer(server: Server) -> Iterator[Bouncer]:
    """A PgBouncer with fewer sessions than a store has connections, so that transactions change their sessions."""
    with Bouncer(server, pool_mode="transaction", default_pool_size=4, server_round_robin=1) as bouncer:
        yield bouncer


class TestPostgresqlBehindPgBouncer(TaskRepositoryContract):
    @pytest.fixture(autouse=True)
    def _on_server(self, server: Server, sharing_bouncer: Bouncer) -> None:
        self.server, self.bouncer = server, sharing_bouncer

    def _schema(self, tmp_path: Path) -> str:
        return "kit_" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]

    def store_url(self, tmp_path: Path) -> str:
        return with_parameters(self.bouncer.url(), schema=self._schema(tmp_path), timeout=PATIENCE)

    @contextmanager
    def fail_driver(self, repository: TaskRepository) -> Iterator[None]:
        """Makes the server refuse every write, as on a full disk."""
        schema = repository._settings.schema  # type: ignore[attr-defined]
        execute(self.server.url, FAILS.format(schema=schema))
        try:
            yield
        finally:
            execute(self.server.url, f"DROP FUNCTION {schema}.fail CASCADE")
