"""A service, and an agent that works with its tasks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from service_process import RunningService
from tasksvc_client import SyncClient

from mcp_server.agent import Agent


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service whose store is in memory, for all tests of a module."""
    with RunningService("--store", "memory://", folder=tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="module")
def agent(service: RunningService) -> Iterator[Agent]:
    """An agent for all tests of a module, which leave their tasks behind, each in a list of its own."""
    with Agent("--url", service.url) as agent:
        yield agent


@pytest.fixture
def tasks(service: RunningService) -> Iterator[SyncClient]:
    """The tasks, as somebody else sees and changes them."""
    with SyncClient(service.url) as tasks:
        yield tasks


@pytest.fixture
def name() -> str:
    """The name of a list that no other test has."""
    return uuid.uuid4().hex
