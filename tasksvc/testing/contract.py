"""The whole contract, in one class."""

from __future__ import annotations

from tasksvc.testing.backups import BackupsContract, ReadersContract
from tasksvc.testing.cancellation import CancellationContract
from tasksvc.testing.change_log import ChangeLogContract
from tasksvc.testing.connections import ConnectionsContract
from tasksvc.testing.dumping import DumpingContract
from tasksvc.testing.erasing import ErasingContract
from tasksvc.testing.lifecycle import LifecycleContract
from tasksvc.testing.limits import LimitsContract
from tasksvc.testing.lists import ListsContract
from tasksvc.testing.metadata_filters import MetadataFiltersContract
from tasksvc.testing.pruning import PruningContract
from tasksvc.testing.quotas import QuotasContract
from tasksvc.testing.races import RacesContract
from tasksvc.testing.reading import ReadingContract
from tasksvc.testing.records import RecordsContract
from tasksvc.testing.relations import RelationsContract
from tasksvc.testing.repeating import RepeatingContract
from tasksvc.testing.restoring import RestoringContract
from tasksvc.testing.retries import RetriesContract
from tasksvc.testing.sharing import SharingContract
from tasksvc.testing.sharing_erasing import SharingErasureContract
from tasksvc.testing.sharing_workspaces import SharingWorkspacesContract
from tasksvc.testing.state_machine import StateMachineContract
from tasksvc.testing.task_history import TaskHistoryContract
from tasksvc.testing.uids import UidsContract
from tasksvc.testing.values import ValuesContract
from tasksvc.testing.whole_stores import WholeStoresContract
from tasksvc.testing.workspace_lists import WorkspaceListsContract
from tasksvc.testing.workspaces import WorkspacesContract
from tasksvc.testing.writing import WritingContract


class TaskRepositoryContract(
    WritingContract,
    ValuesContract,
    LimitsContract,
    ReadingContract,
    ListsContract,
    MetadataFiltersContract,
    ChangeLogContract,
    RepeatingContract,
    RestoringContract,
    TaskHistoryContract,
    RelationsContract,
    UidsContract,
    RetriesContract,
    RecordsContract,
    QuotasContract,
    PruningContract,
    DumpingContract,
    ReadersContract,
    BackupsContract,
    LifecycleContract,
    ConnectionsContract,
    RacesContract,
    SharingContract,
    WorkspacesContract,
    WorkspaceListsContract,
    WholeStoresContract,
    ErasingContract,
    SharingWorkspacesContract,
    SharingErasureContract,
    CancellationContract,
    StateMachineContract,
):
    """The contract that every store must meet. A test module subclasses it and defines `store_url()`."""
