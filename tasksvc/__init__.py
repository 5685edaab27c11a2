"""tasksvc: tasks over REST, with stores as plugins.

What is named here is the API for those who write an adapter; `tasksvc.testing` tells when the
adapter is done.  Applications that embed the service use `tasksvc.api.create_app`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tasksvc.domain import codec
from tasksvc.domain.change import BEGINNING, Change, Kind, Position, new_generation
from tasksvc.domain.errors import (
    CommitTooLarge,
    InvalidStoreURL,
    InvalidTask,
    OutcomeUnknown,
    Overloaded,
    PositionGone,
    RecordConflict,
    RepositoryError,
    RetryKeyReused,
    SchemaOutdated,
    StoreClosed,
    StoreFull,
    StoreInUse,
    StoreIsKept,
    StoreNotEmpty,
    StoreRefused,
    StoreUnavailable,
    TaskNotFound,
    TasksvcError,
    UnknownWrite,
    Unsupported,
    VersionConflict,
    WriteRefused,
)
from tasksvc.domain.ledger import Decision, Ledger, named
from tasksvc.domain.query import Cursor, SortField, TaskQuery, fitting, fold_text, select
from tasksvc.domain.record import Record
from tasksvc.domain.task import TASK_BYTES, Task, TaskDraft, Version, json_size
from tasksvc.domain.writes import (
    WHATEVER,
    Add,
    Commit,
    Committed,
    DropRecord,
    Entry,
    Expected,
    Header,
    Patch,
    PutRecord,
    Remembered,
    Remove,
    Removed,
    RemoveMatching,
    RetryKey,
    Write,
)

if TYPE_CHECKING:
    from tasksvc.ports.hookspecs import hookimpl
    from tasksvc.ports.store import Capability, ChangePage, Found, Page, StoreReader, TaskRepository, seq_of
    from tasksvc.ports.store_url import StoreURL
    from tasksvc.stores.batcher import GroupCommit
    from tasksvc.stores.deciding import decide_all, load_results
    from tasksvc.stores.in_memory import LedgerRepository
    from tasksvc.stores.turns import in_turns

__version__ = "0.1.0"

__all__ = [
    "BEGINNING",
    "TASK_BYTES",
    "WHATEVER",
    "Add",
    "Capability",
    "Change",
    "ChangePage",
    "Commit",
    "CommitTooLarge",
    "Committed",
    "Cursor",
    "Decision",
    "DropRecord",
    "Entry",
    "Expected",
    "Found",
    "GroupCommit",
    "Header",
    "InvalidStoreURL",
    "InvalidTask",
    "Kind",
    "Ledger",
    "LedgerRepository",
    "OutcomeUnknown",
    "Overloaded",
    "Page",
    "Patch",
    "Position",
    "PositionGone",
    "PutRecord",
    "Record",
    "RecordConflict",
    "Remembered",
    "Remove",
    "RemoveMatching",
    "Removed",
    "RepositoryError",
    "RetryKey",
    "RetryKeyReused",
    "SchemaOutdated",
    "SortField",
    "StoreClosed",
    "StoreFull",
    "StoreInUse",
    "StoreIsKept",
    "StoreNotEmpty",
    "StoreReader",
    "StoreRefused",
    "StoreURL",
    "StoreUnavailable",
    "Task",
    "TaskDraft",
    "TaskNotFound",
    "TaskQuery",
    "TaskRepository",
    "TasksvcError",
    "UnknownWrite",
    "Unsupported",
    "Version",
    "VersionConflict",
    "Write",
    "WriteRefused",
    "codec",
    "decide_all",
    "fitting",
    "fold_text",
    "hookimpl",
    "in_turns",
    "json_size",
    "load_results",
    "named",
    "new_generation",
    "select",
    "seq_of",
]

_WHEN_USED = {
    "ports.hookspecs": {"hookimpl"},
    "ports.store": {"Capability", "ChangePage", "Found", "Page", "StoreReader", "TaskRepository", "seq_of"},
    "ports.store_url": {"StoreURL"},
    "stores.batcher": {"GroupCommit"},
    "stores.deciding": {"decide_all", "load_results"},
    "stores.in_memory": {"LedgerRepository"},
    "stores.turns": {"in_turns"},
}
"""Modules that import asyncio, pluggy or urllib, which take longer than all else here together."""


def __getattr__(name: str) -> Any:
    for module, names in _WHEN_USED.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"tasksvc.{module}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
