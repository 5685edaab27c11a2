"""One running service for all tests that load tasks; each test has a workspace of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_process import RunningService
from tasksvc_client import SyncClient

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("service")
    with RunningService("--store", "sqlite:///tasks.db", folder=folder) as running:
        yield running


@pytest.fixture
def workspace() -> str:
    """The name of a workspace that no other test uses."""
    return f"load-{next(_numbers)}"


@pytest.fixture
def client(service: RunningService, workspace: str) -> Iterator[SyncClient]:
    """A client of the test's workspace."""
    with SyncClient(service.url, workspace=workspace) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder in which commands run."""
    return tmp_path
