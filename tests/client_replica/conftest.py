"""One service for the tests of replicas, with a workspace and a file for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from service_process import RunningService
from tasksvc_client import Replica, SyncClient, SyncReplica
from tasksvc_client.replica_conflicts import OnConflict


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService("--store", "memory://", folder=tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def others(service: RunningService) -> Iterator[SyncClient]:
    """Another client, which writes to the workspace of the test."""
    with SyncClient(service.url, workspace=uuid4().hex) as client:
        yield client


class Replicas:
    """Opens replicas, and closes them at the end of the test."""

    def __init__(self, folder: Path, client: SyncClient) -> None:
        self._folder, self._client, self._stack = folder, client, ExitStack()

    def __call__(
        self, name: str = "copy.db", client: SyncClient | None = None, on_conflict: OnConflict | None = None
    ) -> SyncReplica:
        """Opens the replica in a file, of the workspace of the test or of another client."""
        return self._stack.enter_context(SyncReplica(self._folder / name, client or self._client, on_conflict))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def replicas(tmp_path: Path, others: SyncClient) -> Iterator[Replicas]:
    opener = Replicas(tmp_path, others)
    yield opener
    opener.close()


@pytest.fixture
def replica(replicas: Replicas) -> SyncReplica:
    """A replica that was equal to the empty workspace."""
    opened = replicas()
    opened.sync()
    return opened


def contents(tasks: SyncClient | SyncReplica | Replica) -> list[object]:
    """Returns all that there is, as JSON."""
    return [task.json for task in tasks.find()]
