"""A service for all tests of a module, and commands that ask it within this process."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_process import RunningService

from people.person import Person

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that keeps its tasks in memory."""
    with RunningService("--store", "memory:", "--no-plugins", folder=tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def ann(service: RunningService, tmp_path: Path) -> Iterator[Person]:
    """A user with a workspace and a home folder of their own."""
    person = Person(service.url, tmp_path, workspace=f"ann-{next(_NUMBERS)}")
    with person.tasks:
        yield person
