"""The contract kit catches faults of stores that several processes have open."""

from __future__ import annotations

from pathlib import Path

import pytest
import shared_mutants
from shared_mutants import SHARED_MUTANTS, SharedStore, SharedViolation

from tasksvc import TasksvcError
from tasksvc.testing import TaskRepositoryContract
from tasksvc.testing.sharing import SharingContract
from tasksvc.testing.sharing_erasing import SharingErasureContract
from tasksvc.testing.sharing_workspaces import SharingWorkspacesContract

pytestmark = pytest.mark.slow

PARTS = (SharingContract, SharingWorkspacesContract, SharingErasureContract)
SHARING = [name for part in PARTS for name in vars(part) if name.startswith("test_")]


class Contract(TaskRepositoryContract):
    """The contract kit, on a store of `shared_mutants`."""

    def __init__(self, store: type[SharedStore]) -> None:
        self.store = store

    def store_url(self, tmp_path: Path) -> str:
        return f"shared://{self.store.__name__}{tmp_path}"


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs the broken stores as the adapter of shared: stores."""
    shared_mutants.install(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")


@pytest.mark.parametrize("name", SHARING)
def test_a_sound_store_passes(name: str, tmp_path: Path) -> None:
    getattr(Contract(SharedStore), name)(tmp_path)


@pytest.mark.parametrize("store", SHARED_MUTANTS, ids=lambda store: store.__name__)
def test_the_kit_catches(store: type[SharedViolation], tmp_path: Path) -> None:
    kit = Contract(store)
    kit.patience = 20.0  # half of it is what a deaf store takes

    with pytest.raises((AssertionError, TasksvcError)) as caught:
        getattr(kit, store.caught_by)(tmp_path)

    assert str(caught.value), "the failure explains itself"
