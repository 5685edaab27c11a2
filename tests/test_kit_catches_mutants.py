"""The contract kit catches faults: each broken store fails the test that is about its fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mutants
import pytest
from erasure_mutants import ERASURE_MUTANTS
from history_mutants import HISTORY_MUTANTS
from list_mutants import LIST_MUTANTS
from metadata_mutants import METADATA_MUTANTS
from mutants import MUTANTS, ContractViolation, CountedStore, HealthyStore
from quota_mutants import QUOTA_MUTANTS
from relation_mutants import RELATION_MUTANTS
from repeat_mutants import REPEAT_MUTANTS
from restoring_mutants import RESTORING_MUTANTS
from uid_mutants import UID_MUTANTS
from workspace_mutants import WORKSPACE_MUTANTS

from tasksvc import TaskRepository, TasksvcError
from tasksvc.testing import TaskRepositoryContract

pytestmark = pytest.mark.slow

OPEN_AT_ONCE = 4
"""Stores that a test of the kit has open at most, since each may take several connections of a server."""
PATIENCE = 10.0
"""Seconds after which the kit gives up on a broken store, some of which hang."""


class Contract(TaskRepositoryContract):
    """The contract kit, on a store of `mutants`."""

    def __init__(self, store: type[HealthyStore]) -> None:
        self.store = store

    def store_url(self, tmp_path: Path) -> str:
        return f"broken://{self.store.__name__}{tmp_path}"

    @contextmanager
    def fail_driver(self, repository: TaskRepository) -> Iterator[None]:
        assert isinstance(repository, HealthyStore)
        repository.driver.fails = True
        yield
        repository.driver.fails = False

    @contextmanager
    def cut_commit(self, repository: TaskRepository) -> Iterator[None]:
        assert isinstance(repository, HealthyStore)
        repository.driver.loses_answers = True
        yield
        repository.driver.loses_answers = False

    def break_connections(self, repository: TaskRepository) -> None:
        assert isinstance(repository, HealthyStore)
        repository.driver.is_cut_off = True

    @contextmanager
    def hang_driver(self, repository: TaskRepository) -> Iterator[None]:
        assert isinstance(repository, HealthyStore)
        repository.driver.hangs = True
        yield
        repository.driver.hangs = False


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs the broken stores as the adapter of broken: stores."""
    mutants.install(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(mutants, "DISKS", {})


@pytest.mark.parametrize("name", [name for name in dir(Contract) if name.startswith("test_")])
def test_a_sound_store_passes_with_few_stores_open_at_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CountedStore, "most", 0)

    getattr(Contract(CountedStore), name)(tmp_path)

    assert CountedStore.now == set(), "all are closed"
    assert CountedStore.most <= OPEN_AT_ONCE


@pytest.mark.parametrize(
    "store",
    [
        *MUTANTS,
        *WORKSPACE_MUTANTS,
        *ERASURE_MUTANTS,
        *QUOTA_MUTANTS,
        *REPEAT_MUTANTS,
        *HISTORY_MUTANTS,
        *RELATION_MUTANTS,
        *RESTORING_MUTANTS,
        *UID_MUTANTS,
        *LIST_MUTANTS,
        *METADATA_MUTANTS,
    ],
    ids=lambda store: store.__name__,
)
def test_the_kit_catches(store: type[ContractViolation], tmp_path: Path) -> None:
    broken = Contract(store)
    broken.patience = PATIENCE
    broken.shortening = 1
    with pytest.raises((AssertionError, TasksvcError)) as caught:
        getattr(broken, store.caught_by)(tmp_path)

    assert str(caught.value), "the failure explains itself"
