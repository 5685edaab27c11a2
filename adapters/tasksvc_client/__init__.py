"""A client of tasksvc: `Client` for programs on asyncio, and `SyncClient` for others, which are alike.

    with SyncClient("http://127.0.0.1:8000") as tasks:
        task = tasks.create("Water the plants", labels=["home"])
        tasks.edit(task.id, lambda there: {"priority": there.priority + 1})

Every write has an idempotency key, so that it is done once however often a connection breaks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tasksvc_client.batches import Create, Delete, Restore, Update
from tasksvc_client.errors import (
    BodyTooLarge,
    BodyTooSlow,
    CommitTooLarge,
    ConditionFailed,
    Forbidden,
    ForeignHost,
    ForeignOrigin,
    HeaderTooLong,
    IdempotencyKeyReused,
    InternalError,
    InvalidRequest,
    IssuerUnavailable,
    ListNotFound,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    NotSupported,
    NotTasksvc,
    OutcomeUnknown,
    PositionGone,
    Problem,
    StoreFull,
    StoreUnavailable,
    TargetTooLong,
    TaskNotFound,
    TasksvcError,
    TokenAlreadyMade,
    TokenNotFound,
    TooManyRelated,
    TooManyRequests,
    TooManyWebhooks,
    UidTaken,
    Unauthorized,
    Unreachable,
    UnsupportedMediaType,
    VersionConflict,
    VersionGone,
    VersionNotFound,
    WebhookNotFound,
    WebhookWithoutSecret,
    WorkspaceForbidden,
    WorkspaceFull,
)
from tasksvc_client.models import (
    Change,
    Me,
    Page,
    Task,
    TaskList,
    Token,
    Webhook,
    WebhookAttempt,
    Workspace,
    WorkspaceLeft,
)

if TYPE_CHECKING:
    from tasksvc_client.async_client import Client
    from tasksvc_client.positions import NoRoom, between
    from tasksvc_client.replica import Replica
    from tasksvc_client.replica_conflicts import DELETION, Conflict, Decision
    from tasksvc_client.replica_file import UnusableReplica
    from tasksvc_client.replica_queue import RefusedWrite, Write
    from tasksvc_client.replica_sync import SyncReplica
    from tasksvc_client.sync_client import SyncClient

__all__ = [
    "DELETION",
    "BodyTooLarge",
    "BodyTooSlow",
    "Change",
    "Client",
    "CommitTooLarge",
    "ConditionFailed",
    "Conflict",
    "Create",
    "Decision",
    "Delete",
    "Forbidden",
    "ForeignHost",
    "ForeignOrigin",
    "HeaderTooLong",
    "IdempotencyKeyReused",
    "InternalError",
    "InvalidRequest",
    "IssuerUnavailable",
    "ListNotFound",
    "MalformedRequest",
    "Me",
    "MethodNotAllowed",
    "NoRoom",
    "NotFound",
    "NotSupported",
    "NotTasksvc",
    "OutcomeUnknown",
    "Page",
    "PositionGone",
    "Problem",
    "RefusedWrite",
    "Replica",
    "Restore",
    "StoreFull",
    "StoreUnavailable",
    "SyncClient",
    "SyncReplica",
    "TargetTooLong",
    "Task",
    "TaskList",
    "TaskNotFound",
    "TasksvcError",
    "Token",
    "TokenAlreadyMade",
    "TokenNotFound",
    "TooManyRelated",
    "TooManyRequests",
    "TooManyWebhooks",
    "UidTaken",
    "Unauthorized",
    "Unreachable",
    "UnsupportedMediaType",
    "UnusableReplica",
    "Update",
    "VersionConflict",
    "VersionGone",
    "VersionNotFound",
    "Webhook",
    "WebhookAttempt",
    "WebhookNotFound",
    "WebhookWithoutSecret",
    "Workspace",
    "WorkspaceForbidden",
    "WorkspaceFull",
    "WorkspaceLeft",
    "Write",
    "between",
]

_LATER = {
    "Client": "async_client",
    "SyncClient": "sync_client",
    "NoRoom": "positions",
    "between": "positions",
    "Replica": "replica",
    "SyncReplica": "replica_sync",
    "DELETION": "replica_conflicts",
    "Conflict": "replica_conflicts",
    "Decision": "replica_conflicts",
    "UnusableReplica": "replica_file",
    "RefusedWrite": "replica_queue",
    "Write": "replica_queue",
}
"""The modules of names that are imported when they are used first, since a program needs only some of them."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
