"""tasksvc: tasks over REST, with stores as plugins.

What is named here is the API for those who write an adapter; `tasksvc.testing` tells when the
adapter is done.  Applications that embed the service use `tasksvc.api.create_app`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tasksvc.domain import codec
from tasksvc.domain.change import LOG_START, Change, ChangeKind, Position, new_generation
from tasksvc.domain.errors import (
    CommitTooLarge,
    IdempotencyKeyReused,
    InvalidStoreURL,
    InvalidTask,
    NotSupported,
    OutcomeUnknown,
    Overloaded,
    PositionGone,
    RecordConflict,
    RepositoryError,
    SchemaOutdated,
    SchemaTooOld,
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
    VersionConflict,
    WriteRefused,
)
from tasksvc.domain.ledger import Decision, Ledger, read_set
from tasksvc.domain.query import Cursor, SortField, TaskQuery, fitting, fold_text, select
from tasksvc.domain.record import Record
from tasksvc.domain.rules import (
    FINGERPRINT_MAX,
    IDEMPOTENCY_SCOPE_MAX,
    IDEMPOTENCY_VALUE_MAX,
    RECORD_KEY_MAX,
    RECORD_NAMESPACE_MAX,
    RECORD_VALUE_MAX,
)
from tasksvc.domain.task import TASK_BYTES, Task, TaskDraft, Version, json_size
from tasksvc.domain.writes import (
    ANY_VERSION,
    Commit,
    CommitResult,
    CreateTask,
    DeleteMatching,
    DeleteRecord,
    DeleteResult,
    DeleteTask,
    Entry,
    IdempotencyKey,
    IdempotencyRecord,
    Precondition,
    PutRecord,
    StoreHeader,
    UpdateTask,
    Write,
)

if TYPE_CHECKING:
    from tasksvc.ports.hookspecs import hookimpl
    from tasksvc.ports.store import Capability, ChangePage, Found, Page, StoreReader, TaskRepository, resolve_position
    from tasksvc.ports.store_url import StoreURL
    from tasksvc.stores.batcher import Batcher
    from tasksvc.stores.deciding import decide_all, load_results
    from tasksvc.stores.in_memory import InMemoryRepository
    from tasksvc.stores.migrations import Migrations, read_migrations
    from tasksvc.stores.pruning import Prunable, prunable
    from tasksvc.stores.single_flight import SingleFlight
    from tasksvc.stores.turns import in_turns
    from tasksvc.stores.weight import commit_weight

__version__ = "0.1.0"

__all__ = [
    "ANY_VERSION",
    "FINGERPRINT_MAX",
    "IDEMPOTENCY_SCOPE_MAX",
    "IDEMPOTENCY_VALUE_MAX",
    "LOG_START",
    "RECORD_KEY_MAX",
    "RECORD_NAMESPACE_MAX",
    "RECORD_VALUE_MAX",
    "TASK_BYTES",
    "Batcher",
    "Capability",
    "Change",
    "ChangeKind",
    "ChangePage",
    "Commit",
    "CommitResult",
    "CommitTooLarge",
    "CreateTask",
    "Cursor",
    "Decision",
    "DeleteMatching",
    "DeleteRecord",
    "DeleteResult",
    "DeleteTask",
    "Entry",
    "Found",
    "IdempotencyKey",
    "IdempotencyKeyReused",
    "IdempotencyRecord",
    "InMemoryRepository",
    "InvalidStoreURL",
    "InvalidTask",
    "Ledger",
    "Migrations",
    "NotSupported",
    "OutcomeUnknown",
    "Overloaded",
    "Page",
    "Position",
    "PositionGone",
    "Precondition",
    "Prunable",
    "PutRecord",
    "Record",
    "RecordConflict",
    "RepositoryError",
    "SchemaOutdated",
    "SchemaTooOld",
    "SingleFlight",
    "SortField",
    "StoreClosed",
    "StoreFull",
    "StoreHeader",
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
    "UpdateTask",
    "Version",
    "VersionConflict",
    "Write",
    "WriteRefused",
    "codec",
    "commit_weight",
    "decide_all",
    "fitting",
    "fold_text",
    "hookimpl",
    "in_turns",
    "json_size",
    "load_results",
    "new_generation",
    "prunable",
    "read_migrations",
    "read_set",
    "resolve_position",
    "select",
]

_WHEN_USED = {
    "ports.hookspecs": {"hookimpl"},
    "ports.store": {"Capability", "ChangePage", "Found", "Page", "StoreReader", "TaskRepository", "resolve_position"},
    "ports.store_url": {"StoreURL"},
    "stores.batcher": {"Batcher"},
    "stores.deciding": {"decide_all", "load_results"},
    "stores.in_memory": {"InMemoryRepository"},
    "stores.migrations": {"Migrations", "read_migrations"},
    "stores.pruning": {"Prunable", "prunable"},
    "stores.single_flight": {"SingleFlight"},
    "stores.turns": {"in_turns"},
    "stores.weight": {"commit_weight"},
}
"""Modules that import asyncio, pluggy or urllib, which take longer than all else here together."""


def __getattr__(name: str) -> Any:
    for module, names in _WHEN_USED.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"tasksvc.{module}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
