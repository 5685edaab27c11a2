"""tasksvc: tasks over REST, with stores as plugins.

What is named here is the API for authors of adapters: from tasksvc import ...  `help(tasksvc.NAME)` describes one name,
docs/adapters.md explains the whole, and `tasksvc.testing` is the contract kit that says when an adapter is done.
Applications that embed the service use `tasksvc.api.create_app`.

Opening a store
    hookimpl                 marks the functions that implement hooks, which tasksvc.ports.hookspecs describes
    PORT                     the version of the port, which an adapter declares as a number
    StoreURL                 the URL of a store, taken apart
    StoreRefused             the store can't be opened: StoreInUse, StoreIsKept, SchemaOutdated, SchemaTooOld,
                             FormatTooNew
    InvalidStoreURL          the URL isn't valid

The port
    TaskRepository           a store: this is the contract
    StoreReader              a store that is only read
    Capability               what a store may lack
    Found, Page, ChangePage  what reading returns
    ListSummary              what lists() returns; WorkspaceSummary, ChangedWorkspaces, what workspaces() and
                             changed_workspaces() do
    NotSupported             a method of an absent capability was called

What a store holds
    Task, TaskDraft          a task, and what a caller says of a new one; DEFAULT_LIST is the list where it names none
    TASK_FIELDS              the fields of a task, as TaskField, each of a FieldKind; REQUIRED if one has no default
    Record                   a small value of the service's own
    IdempotencyRecord        an idempotency key that was used, with its results
    Change, ChangeKind       an entry of the change log
    StoreHeader              the epoch of the store
    WorkspaceHeader          generation, highest id, numbers of the log of one workspace
    Entry, StoreEntry        one of these, and with its workspace, as dump() yields them; STORE stands for no workspace
    Version, Position        a version of a task and a place in the log, each in one generation of the store
    LOG_START                the position before the first change
    new_generation           makes a random generation, or an epoch
    effective_generation     the generation that positions and versions of a workspace carry
    DEFAULT_WORKSPACE        the name of the workspace that every store has; is_workspace_name and check_workspace_name
                             say what a name may be, and WORKSPACE_NAME_MAX how long

Writing
    Write                    CreateTask, UpdateTask, SkipOccurrence, RestoreTask, DeleteTask, UpdateMatching,
                             DeleteMatching, PutRecord or DeleteRecord
    Precondition             which versions a write accepts; ANY_VERSION accepts all
    IdempotencyKey           makes a commit safe to repeat
    Commit, CommitResult     the arguments and the result of commit(); UpdateResult and DeleteResult are the results
                             of UpdateMatching and DeleteMatching
    Result                   the result of one write
    Reading, ReadSet         what the ledger must know to decide some commits, round by round; read_set gives the first;
                             RELATED_MAX is how many tasks a commit may change besides those that it names
    Ledger, Decision         decides a commit: what it answers and what it changes
    decide_all, decide_each  decide several commits in their order, in one workspace or in several
    settle, Settled          the rows that decided commits write and delete

Reading
    TaskQuery, SortField     which tasks, in which order
    Condition, Operator      what a task must meet, as TaskQuery.conditions() gives it; TERMS is the field of a term,
                             TEXTS that of a search, which looks into the fields SEARCHED
    terms_of, term           the terms under which a task is found by equality
    Cursor                   where a page goes on
    select                   what find() must return
    fold_text                a text as searches compare it
    Due, start_of_day        what due times and days are compared with, and the time that a day stands for
    resolve_position         whether a position is valid, and its number
    json_size, fitting       the size of a task, and how many fit into a page; TASK_BYTES is the least size

Errors
    TasksvcError             the base of all
    RepositoryError          the base of those of an open store
    WriteRefused             a write breaks a rule: TaskNotFound, VersionConflict, RecordConflict, InvalidTask,
                             CommitTooLarge, WorkspaceFull, UidTaken, VersionGone, VersionNotFound, TooManyRelated,
                             MixedCommit, UnknownWrite
    IdempotencyKeyReused     the key came with another request
    PositionGone             a position that the log doesn't have any more
    InvalidWorkspaceName     a text that can't be the name of a workspace
    StoreNotEmpty            restore() into a store that holds something
    StoreUnavailable         nothing was written: StoreFull, StoreClosed, Overloaded; or it's unknown: OutcomeUnknown

Ready-made parts
    InMemoryRepository       a whole store in memory; override persist() and persist_pruned() to keep it on disk
    PrunedWorkspace          what persist_pruned() deletes of one workspace
    Batcher, commit_weight   calls that wait share one transaction, up to a weight
    run_individually         repeats a batch that failed because of one of its items
    SingleFlight             equal reads that wait share one call
    Broadcast, Broadcasts    wake all who wait for something, or for something of a name
    in_turns, load_results   decode much without blocking the event loop
    prunable, Prunable       which changes are due to be pruned
    read_migrations          the numbered SQL files of a schema, as Migrations
    codec                    JSON for everything that a store holds
    tasksvc.sql              a package of its own for SQL databases: rows, queries, statements of bounded size, dumps
    tasksvc.network          one for stores on a server: pools, attempts, deadlines, unknown outcomes
    tasksvc.files            one for stores in files: locks, private files, noticing older copies

Limits
    BY_MAX, IDEMPOTENCY_SCOPE_MAX, IDEMPOTENCY_VALUE_MAX, FINGERPRINT_MAX, RECORD_NAMESPACE_MAX, RECORD_KEY_MAX in
    characters
    RECORD_VALUE_MAX, TERM_BYTES_MAX in bytes
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasksvc.domain.change import LOG_START, Change, ChangeKind, Position, new_generation
    from tasksvc.domain.errors import (
        CommitTooLarge,
        FormatTooNew,
        IdempotencyKeyReused,
        InvalidStoreURL,
        InvalidTask,
        InvalidWorkspaceName,
        MixedCommit,
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
        TooManyRelated,
        UidTaken,
        UnknownWrite,
        VersionConflict,
        VersionGone,
        VersionNotFound,
        WorkspaceFull,
        WriteRefused,
    )
    from tasksvc.domain.fields import REQUIRED, TASK_FIELDS, FieldKind, TaskField
    from tasksvc.domain.ledger import Decision, Ledger
    from tasksvc.domain.query import (
        SEARCHED,
        TERM_BYTES_MAX,
        TERMS,
        TEXTS,
        Condition,
        Cursor,
        Due,
        Operator,
        SortField,
        TaskQuery,
        fitting,
        fold_text,
        select,
        start_of_day,
        term,
        terms_of,
    )
    from tasksvc.domain.reading import Reading, ReadSet, read_set
    from tasksvc.domain.record import Record
    from tasksvc.domain.relations import RELATED_MAX
    from tasksvc.domain.rules import (
        BY_MAX,
        FINGERPRINT_MAX,
        IDEMPOTENCY_SCOPE_MAX,
        IDEMPOTENCY_VALUE_MAX,
        RECORD_KEY_MAX,
        RECORD_NAMESPACE_MAX,
        RECORD_VALUE_MAX,
    )
    from tasksvc.domain.sizes import TASK_BYTES, json_size
    from tasksvc.domain.task import DEFAULT_LIST, Task, TaskDraft, Version
    from tasksvc.domain.workspace import (
        DEFAULT_WORKSPACE,
        WORKSPACE_NAME_MAX,
        check_workspace_name,
        effective_generation,
        is_workspace_name,
    )
    from tasksvc.domain.writes import (
        ANY_VERSION,
        STORE,
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
        RestoreTask,
        Result,
        SkipOccurrence,
        StoreEntry,
        StoreHeader,
        UpdateMatching,
        UpdateResult,
        UpdateTask,
        WorkspaceHeader,
        Write,
    )
    from tasksvc.ports.hookspecs import PORT, hookimpl
    from tasksvc.ports.store import (
        Capability,
        ChangedWorkspaces,
        ChangePage,
        Found,
        ListSummary,
        Page,
        StoreReader,
        TaskRepository,
        WorkspaceSummary,
        resolve_position,
    )
    from tasksvc.ports.store_url import StoreURL
    from tasksvc.stores import codec
    from tasksvc.stores.batcher import Batcher
    from tasksvc.stores.broadcast import Broadcast, Broadcasts
    from tasksvc.stores.deciding import decide_all, decide_each, load_results
    from tasksvc.stores.in_memory import InMemoryRepository, PrunedWorkspace
    from tasksvc.stores.migrations import Migrations, read_migrations
    from tasksvc.stores.pruning import Prunable, prunable
    from tasksvc.stores.run_individually import run_individually
    from tasksvc.stores.settling import Settled, settle
    from tasksvc.stores.single_flight import SingleFlight
    from tasksvc.stores.turns import in_turns
    from tasksvc.stores.weight import commit_weight

__version__ = "0.1.0"

__all__ = [
    "ANY_VERSION",
    "BY_MAX",
    "DEFAULT_LIST",
    "DEFAULT_WORKSPACE",
    "FINGERPRINT_MAX",
    "IDEMPOTENCY_SCOPE_MAX",
    "IDEMPOTENCY_VALUE_MAX",
    "LOG_START",
    "PORT",
    "RECORD_KEY_MAX",
    "RECORD_NAMESPACE_MAX",
    "RECORD_VALUE_MAX",
    "RELATED_MAX",
    "REQUIRED",
    "SEARCHED",
    "STORE",
    "TASK_BYTES",
    "TASK_FIELDS",
    "TERMS",
    "TERM_BYTES_MAX",
    "TEXTS",
    "WORKSPACE_NAME_MAX",
    "Batcher",
    "Broadcast",
    "Broadcasts",
    "Capability",
    "Change",
    "ChangeKind",
    "ChangePage",
    "ChangedWorkspaces",
    "Commit",
    "CommitResult",
    "CommitTooLarge",
    "Condition",
    "CreateTask",
    "Cursor",
    "Decision",
    "DeleteMatching",
    "DeleteRecord",
    "DeleteResult",
    "DeleteTask",
    "Due",
    "Entry",
    "FieldKind",
    "FormatTooNew",
    "Found",
    "IdempotencyKey",
    "IdempotencyKeyReused",
    "IdempotencyRecord",
    "InMemoryRepository",
    "InvalidStoreURL",
    "InvalidTask",
    "InvalidWorkspaceName",
    "Ledger",
    "ListSummary",
    "Migrations",
    "MixedCommit",
    "NotSupported",
    "Operator",
    "OutcomeUnknown",
    "Overloaded",
    "Page",
    "Position",
    "PositionGone",
    "Precondition",
    "Prunable",
    "PrunedWorkspace",
    "PutRecord",
    "ReadSet",
    "Reading",
    "Record",
    "RecordConflict",
    "RepositoryError",
    "RestoreTask",
    "Result",
    "SchemaOutdated",
    "SchemaTooOld",
    "Settled",
    "SingleFlight",
    "SkipOccurrence",
    "SortField",
    "StoreClosed",
    "StoreEntry",
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
    "TaskField",
    "TaskNotFound",
    "TaskQuery",
    "TaskRepository",
    "TasksvcError",
    "TooManyRelated",
    "UidTaken",
    "UnknownWrite",
    "UpdateMatching",
    "UpdateResult",
    "UpdateTask",
    "Version",
    "VersionConflict",
    "VersionGone",
    "VersionNotFound",
    "WorkspaceFull",
    "WorkspaceHeader",
    "WorkspaceSummary",
    "Write",
    "WriteRefused",
    "check_workspace_name",
    "codec",
    "commit_weight",
    "decide_all",
    "decide_each",
    "effective_generation",
    "fitting",
    "fold_text",
    "hookimpl",
    "in_turns",
    "is_workspace_name",
    "json_size",
    "load_results",
    "new_generation",
    "prunable",
    "read_migrations",
    "read_set",
    "resolve_position",
    "run_individually",
    "select",
    "settle",
    "start_of_day",
    "term",
    "terms_of",
]

_MODULES = {
    "domain.change": "LOG_START Change ChangeKind Position new_generation",
    "domain.errors": (
        "CommitTooLarge FormatTooNew IdempotencyKeyReused InvalidStoreURL InvalidTask InvalidWorkspaceName "
        "MixedCommit NotSupported OutcomeUnknown Overloaded PositionGone RecordConflict RepositoryError "
        "SchemaOutdated SchemaTooOld StoreClosed StoreFull StoreInUse StoreIsKept StoreNotEmpty StoreRefused "
        "StoreUnavailable TaskNotFound TasksvcError TooManyRelated UidTaken UnknownWrite VersionConflict "
        "VersionGone VersionNotFound WorkspaceFull WriteRefused"
    ),
    "domain.fields": "REQUIRED TASK_FIELDS FieldKind TaskField",
    "domain.ledger": "Decision Ledger",
    "domain.query": (
        "SEARCHED TERMS TERM_BYTES_MAX TEXTS Condition Cursor Due Operator SortField TaskQuery fitting fold_text "
        "select start_of_day term terms_of"
    ),
    "domain.reading": "Reading ReadSet read_set",
    "domain.record": "Record",
    "domain.relations": "RELATED_MAX",
    "domain.rules": (
        "BY_MAX FINGERPRINT_MAX IDEMPOTENCY_SCOPE_MAX IDEMPOTENCY_VALUE_MAX RECORD_KEY_MAX RECORD_NAMESPACE_MAX "
        "RECORD_VALUE_MAX"
    ),
    "domain.sizes": "TASK_BYTES json_size",
    "domain.task": "DEFAULT_LIST Task TaskDraft Version",
    "domain.writes": (
        "ANY_VERSION Commit CommitResult CreateTask DeleteMatching DeleteRecord DeleteResult DeleteTask Entry "
        "IdempotencyKey IdempotencyRecord Precondition PutRecord RestoreTask Result STORE SkipOccurrence StoreEntry "
        "StoreHeader UpdateMatching UpdateResult UpdateTask WorkspaceHeader Write"
    ),
    "domain.workspace": (
        "DEFAULT_WORKSPACE WORKSPACE_NAME_MAX check_workspace_name effective_generation is_workspace_name"
    ),
    "ports.hookspecs": "PORT hookimpl",
    "ports.store": (
        "Capability ChangePage ChangedWorkspaces Found ListSummary Page StoreReader TaskRepository WorkspaceSummary "
        "resolve_position"
    ),
    "ports.store_url": "StoreURL",
    "stores.batcher": "Batcher",
    "stores.broadcast": "Broadcast Broadcasts",
    "stores.deciding": "decide_all decide_each load_results",
    "stores.in_memory": "InMemoryRepository PrunedWorkspace",
    "stores.migrations": "Migrations read_migrations",
    "stores.pruning": "Prunable prunable",
    "stores.run_individually": "run_individually",
    "stores.settling": "Settled settle",
    "stores.single_flight": "SingleFlight",
    "stores.turns": "in_turns",
    "stores.weight": "commit_weight",
}
"""The names that each module defines.  They are imported when they are used: asyncio, pluggy and urllib take long."""
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "codec":
        return import_module("tasksvc.stores.codec")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"tasksvc.{_MODULE_OF[name]}"), name)
    return value
