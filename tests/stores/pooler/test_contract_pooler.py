"""The PostgreSQL adapter meets the contract behind PgBouncer, where it shares the sessions of the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stores.pooler.bouncer import Bouncer
from stores.postgresql.faults import end_sessions
from stores.postgresql.server import Server
from stores.postgresql.test_contract_postgresql import PostgresqlContract
from tasksvc import TaskRepository

pytestmark = pytest.mark.pooler


@pytest.fixture(scope="session")
def sharing_bouncer(server: Server) -> Iterator[Bouncer]:
    """A PgBouncer with fewer sessions than a store has connections, so that transactions change their sessions."""
    with Bouncer(server, pool_mode="transaction", default_pool_size=4, server_round_robin=1) as bouncer:
        yield bouncer


class TestPostgresqlBehindPgBouncer(PostgresqlContract):
    @pytest.fixture(autouse=True)
    def _on_server(self, server: Server, sharing_bouncer: Bouncer) -> None:
        self.server_url, self.bouncer = server.url, sharing_bouncer

    def store_url(self, tmp_path: Path) -> str:
        return self.with_parameters(self.bouncer.url(), tmp_path)

    def break_connections(self, repository: TaskRepository) -> None:
        end_sessions(self.server_url, "true")  # those of PgBouncer, which belong to no store
