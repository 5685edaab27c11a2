"""The TaskRepository on PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from tasksvc import (
    DEFAULT_WORKSPACE,
    Capability,
    ChangedWorkspaces,
    ChangePage,
    Commit,
    CommitResult,
    Cursor,
    Found,
    IdempotencyKey,
    ListSummary,
    Page,
    Position,
    Record,
    SingleFlight,
    StoreEntry,
    TaskNotFound,
    TaskQuery,
    TaskRepository,
    WorkspaceSummary,
    Write,
    check_workspace_name,
    commit_weight,
    effective_generation,
)
from tasksvc.network import DeadlineBatcher, Executor, Look, Notifier, PartitionedBatcher
from tasksvc.sql import (
    FindArgs,
    ReadArgs,
    changes_of_rows,
    changes_statement,
    clamp_int64,
    count_statement,
    find_statement,
    from_microseconds,
    page_of_rows,
    record_from_row,
    task_changes_of_rows,
    task_changes_statement,
    task_from_row,
)
from tasksvc_postgresql.changed import changed_workspaces, look
from tasksvc_postgresql.commit import WorkspaceCommit, write
from tasksvc_postgresql.compacting import compact
from tasksvc_postgresql.dump import restore
from tasksvc_postgresql.erasing import erase
from tasksvc_postgresql.errors import translate_error, translating_errors
from tasksvc_postgresql.find_sql import DIALECT, is_indexed
from tasksvc_postgresql.greeting import Connection
from tasksvc_postgresql.hosts import HostConnector
from tasksvc_postgresql.lineage import Lineage, renew
from tasksvc_postgresql.listener import NotifyListener, notify
from tasksvc_postgresql.lists import lists
from tasksvc_postgresql.migrating import migrate
from tasksvc_postgresql.opening import prepare
from tasksvc_postgresql.prune import prune
from tasksvc_postgresql.reader import PostgreSQLReader
from tasksvc_postgresql.rows import (
    RECORD_COLUMNS,
    TASK_BY_ID,
    TASK_COLUMNS,
    transpose,
)
from tasksvc_postgresql.session import Session
from tasksvc_postgresql.settings import Settings
from tasksvc_postgresql.standbys import warn_of_asynchronous_standbys

_logger = logging.getLogger(__name__)

COMMITTING_SHARE = 3
"""The divisor of the number of connections that gives how many of them may be committing: a third.

Searches have half of them, and what is left is for quick reads.
"""

_TASKS = f"""
    SELECT workspaces.name, generation, workspaces.epoch, store.epoch, {TASK_COLUMNS}
    FROM unnest($1::text[], $2::bigint[]) AS wanted (name, task_id)
    JOIN workspaces ON workspaces.name = wanted.name CROSS JOIN {TASK_BY_ID} CROSS JOIN store
"""
_RECORD = f"SELECT {RECORD_COLUMNS} FROM records WHERE namespace = $1 AND key = $2"
_RECORDS = f"SELECT {RECORD_COLUMNS} FROM records WHERE namespace = $1 AND key > $2 ORDER BY key LIMIT $3"
_WORKSPACES = """
    SELECT name, task_count, open_count,
        (SELECT at FROM changes WHERE workspace = key ORDER BY seq DESC LIMIT 1)
    FROM workspaces
    WHERE generation <> '' AND name > $1 AND name >= $2 AND name < $2 || chr(127) ORDER BY name LIMIT $3
"""
"""All characters of names come before number 127."""


class _TaskName(NamedTuple):
    """The name of a task in the whole store."""

    workspace: str
    task_id: int


class _Finding(NamedTuple):
    """A call of find()."""

    workspace: str
    arguments: FindArgs


class _Counting(NamedTuple):
    """A call of count()."""

    workspace: str
    query: TaskQuery


class Store(PostgreSQLReader):
    """What the repositories of all workspaces of one schema share: connections, and batches of calls."""

    def __init__(self, connector: HostConnector, settings: Settings) -> None:
        super().__init__(connector, settings)
        self.lineage = Lineage(settings)
        self.executor: Executor[Connection, Session] = Executor(
            connect=self._connect,
            translate=partial(translate_error, name=settings.name),
            session=Session,
            name=settings.name,
            size=settings.pool_size,
            timeout=settings.timeout,
        )
        self.commits: PartitionedBatcher[WorkspaceCommit, CommitResult] = PartitionedBatcher(
            self.executor,
            self._write,
            partition=lambda item: item.workspace,
            weight=lambda item: commit_weight(item.commit),
            parallel=max(1, settings.pool_size // COMMITTING_SHARE),
        )
        self.gets: DeadlineBatcher[_TaskName, Found] = DeadlineBatcher(self.executor, self._get)
        self.finds = SingleFlight(self._find)
        self.counts = SingleFlight(self._count)
        self.listener = NotifyListener(
            lambda token: self.executor.run(partial(_look, token)),
            connector.connect,
            self.lineage.saw,
            schema=settings.schema,
            timeout=settings.timeout,
        )
        self.notifier = Notifier(
            lambda heads: self.executor.run(lambda session: notify(session, settings.schema, heads))
        )

    async def _connect(self) -> Connection:
        connection = await self._connector.connect()
        try:
            await self.check_state(Session(connection, timeout=self._settings.timeout))
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def check_state(self, session: Session) -> None:
        """Checks the lineage of the store.  Raises what the driver does, and ReadOnlySQLTransactionError."""
        if await self.lineage.check(session):
            self.listener.wake()

    async def _write(self, session: Session, items: Sequence[WorkspaceCommit]) -> Sequence[CommitResult | Exception]:
        written = await write(session, items)
        for workspace, position in written.changed.items():
            self.listener.note(workspace, position)
        self.notifier.tell(written.changed)
        return written.outcomes

    async def _get(self, session: Session, names: Sequence[_TaskName]) -> Sequence[Found | Exception]:
        wanted = {name for name in names if clamp_int64(name.task_id) == name.task_id}
        found = {}
        for workspace, generation, epoch, store_epoch, *row in await session.fetch(_TASKS, *transpose(wanted, 2)):
            task = task_from_row(row)
            generation = effective_generation(generation, epoch, store_epoch)
            found[workspace, task.id] = Found(task, generation)
        return [found.get(name) or TaskNotFound(name.task_id) for name in names]

    async def _find(self, call: _Finding, since: float) -> Page:
        run = self.executor.run if is_indexed(call.arguments.query) else self.executor.run_scan
        return await run(partial(_list, call), deadline=self.executor.deadline(since))

    async def _count(self, call: _Counting, since: float) -> int:
        statement, values = count_statement(call.workspace, call.query, DIALECT)

        async def work(session: Session) -> int:
            ((found,),) = await session.fetch(statement, *values)
            return int(found)

        return await self.executor.run_scan(work, deadline=self.executor.deadline(since))

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        """Does what TaskRepository.restore() promises."""
        async with self._connected() as connection:
            await restore(connection, self._settings.name, entries)
        self.listener.wake()

    async def erase(self, workspace: str) -> None:
        """Erases a workspace, and tells those who wait for a change in it, in other processes too."""
        self._check_open()
        position = await self.executor.run(lambda session: erase(session, workspace))
        if position is not None:
            self.listener.note(workspace, position)
            self.notifier.tell({workspace: position})

    async def compact(self) -> None:
        """Does what TaskRepository.compact() promises."""
        async with self._connected() as connection:
            await compact(connection, self._settings)

    async def close(self) -> None:
        """Does what TaskRepository.close() promises."""
        if self._closed:
            return
        self._closed = True
        await self.commits.close()
        await self.gets.close()
        await self.finds.close()
        await self.counts.close()
        await self.listener.stop()
        await self.notifier.close()
        await super().close()
        await self.executor.close()

    def check_open(self) -> None:
        """Raises StoreClosed if the store is closed."""
        self._check_open()


async def _look(token: str, session: Session) -> Look:
    return await look(session, token)


async def _list(call: _Finding, session: Session) -> Page:
    statement, values = find_statement(*call, DIALECT)
    return page_of_rows(call.arguments, await session.fetch(statement, *values))


class PostgreSQLRepository(TaskRepository):
    """Serves one workspace of a schema, beside any number of others, in any number of processes."""

    capabilities = TaskRepository.capabilities | {Capability.SHARED}

    def __init__(self, store: Store, workspace_name: str = DEFAULT_WORKSPACE) -> None:
        self._store, self.workspace_name = store, workspace_name

    # ------------------------------------------------------------ workspaces

    def workspace(self, name: str) -> TaskRepository:
        check_workspace_name(name)
        return self if name == self.workspace_name else PostgreSQLRepository(self._store, name)

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        self._store.check_open()
        rows = await self._store.executor.run_scan(lambda session: session.fetch(_WORKSPACES, after, prefix, limit))
        return [
            WorkspaceSummary(name, tasks, open_tasks, None if at is None else from_microseconds(at))
            for name, tasks, open_tasks, at in rows
        ]

    async def erase(self) -> None:
        await self._store.erase(self.workspace_name)

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        self._store.check_open()
        return await self._store.executor.run(lambda session: changed_workspaces(session, since, limit))

    # ------------------------------------------------------------ writing

    async def commit(
        self,
        writes: Sequence[Write],
        *,
        at: datetime,
        idempotency_key: IdempotencyKey | None = None,
        tasks_max: int | None = None,
        by: str | None = None,
    ) -> CommitResult:
        commit = Commit(writes, at, idempotency_key, tasks_max, by)
        return await self._store.commits(WorkspaceCommit(self.workspace_name, commit))

    # ------------------------------------------------------------ reading

    async def get(self, task_id: int) -> Found:
        return await self._store.gets(_TaskName(self.workspace_name, task_id))

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        self._store.check_open()
        return await self._store.finds(_Finding(self.workspace_name, FindArgs(query, after, limit, max_bytes)))

    def needs_scan(self, query: TaskQuery) -> bool:
        return not is_indexed(query)

    async def count(self, query: TaskQuery) -> int:
        self._store.check_open()
        return await self._store.counts(_Counting(self.workspace_name, query))

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        self._store.check_open()
        return await self._store.executor.run_scan(
            lambda session: lists(session, self.workspace_name, after=after, limit=limit)
        )

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        self._store.check_open()
        return await self._store.executor.run(partial(self._read_changes, ReadArgs(since, limit, max_bytes)))

    async def _read_changes(self, arguments: ReadArgs, session: Session) -> ChangePage:
        statement, values = changes_statement(self.workspace_name, arguments, DIALECT)
        return changes_of_rows(arguments, await session.fetch(statement, *values))

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        self._store.check_open()
        return await self._store.executor.run(
            partial(self._read_task_changes, task_id, ReadArgs(since, limit, max_bytes))
        )

    async def _read_task_changes(self, task_id: int, arguments: ReadArgs, session: Session) -> ChangePage:
        statement, values = task_changes_statement(self.workspace_name, task_id, arguments, DIALECT)
        return task_changes_of_rows(task_id, arguments, await session.fetch(statement, *values))

    async def wait_for_change(self, since: Position, *, timeout: float) -> None:
        await self._store.listener.wait(self.workspace_name, since, timeout=timeout)

    # ------------------------------------------------------------ records

    async def record(self, namespace: str, key: str) -> Record | None:
        self._store.check_open()
        rows = await self._store.executor.run(lambda session: session.fetch(_RECORD, namespace, key))
        return record_from_row(rows[0]) if rows else None

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        self._store.check_open()
        rows = await self._store.executor.run(lambda session: session.fetch(_RECORDS, namespace, after, limit))
        return [record_from_row(row) for row in rows]

    # ------------------------------------------------------------ maintenance

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        self._store.check_open()
        return await self._store.executor.run(
            lambda session: prune(
                session, log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=limit
            )
        )

    async def compact(self) -> None:
        await self._store.compact()

    def dump(self) -> AsyncIterator[StoreEntry]:
        return self._store.dump()

    async def check(self) -> Sequence[str]:
        return await self._store.check()

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        await self._store.restore(entries)

    async def renew(self) -> None:
        self._store.check_open()
        await self._store.executor.run(renew)
        self._store.listener.wake()

    async def ping(self) -> None:
        self._store.check_open()
        await self._store.executor.run(self._store.check_state)

    async def close(self) -> None:
        await self._store.close()


async def open_postgresql(settings: Settings) -> PostgreSQLRepository:
    """Opens a repository, and migrates its schema.  Raises StoreRefused, StoreUnavailable."""
    connector = HostConnector(settings)
    connection = await prepare(connector, settings, migrate)
    try:
        with translating_errors(settings.name):
            await warn_of_asynchronous_standbys(Session(connection, timeout=settings.timeout), settings.name)
    finally:
        connection.terminate()
    if connection.is_pooled:
        _logger.warning(
            "%s is reached through a connection pooler: statements are not prepared, and changes by other processes"
            " are polled for. Connect to the server itself where you can, since each process has a pool of its own.",
            settings.name,
        )
    repository = PostgreSQLRepository(Store(connector, settings))
    try:
        await repository.ping()
    except BaseException:
        await repository.close()
        raise
    return repository
