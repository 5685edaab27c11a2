"""The TaskRepository on PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, Sequence
from datetime import datetime
from functools import partial

from tasksvc import (
    Capability,
    ChangePage,
    Commit,
    CommitResult,
    Cursor,
    Entry,
    Found,
    IdempotencyKey,
    Page,
    Position,
    Record,
    SingleFlight,
    TaskNotFound,
    TaskQuery,
    TaskRepository,
    Write,
    commit_weight,
)
from tasksvc.network import DeadlineBatcher, Executor
from tasksvc.sql import (
    FindArgs,
    ReadArgs,
    changes_of_rows,
    changes_statement,
    clamp_int64,
    count_statement,
    find_statement,
    page_of_rows,
    record_from_row,
    task_from_row,
)
from tasksvc_postgresql.commit import write
from tasksvc_postgresql.dump import restore
from tasksvc_postgresql.errors import translate_error, translating_errors
from tasksvc_postgresql.find_sql import DIALECT, is_indexed
from tasksvc_postgresql.greeting import Connection
from tasksvc_postgresql.hosts import HostConnector
from tasksvc_postgresql.lineage import Lineage, renew
from tasksvc_postgresql.listener import NotifyListener
from tasksvc_postgresql.migrating import migrate
from tasksvc_postgresql.opening import prepare
from tasksvc_postgresql.prune import prune
from tasksvc_postgresql.reader import PostgreSQLReader
from tasksvc_postgresql.rows import (
    RECORD_COLUMNS,
    TASK_COLUMNS,
)
from tasksvc_postgresql.session import Session
from tasksvc_postgresql.settings import Settings
from tasksvc_postgresql.standbys import warn_of_asynchronous_standbys

_logger = logging.getLogger(__name__)

_TASKS = f"SELECT generation, {TASK_COLUMNS} FROM store, tasks WHERE id = ANY($1::bigint[])"
_RECORD = f"SELECT {RECORD_COLUMNS} FROM records WHERE namespace = $1 AND key = $2"
_RECORDS = f"SELECT {RECORD_COLUMNS} FROM records WHERE namespace = $1 AND key > $2 ORDER BY key LIMIT $3"


class PostgreSQLRepository(PostgreSQLReader, TaskRepository):
    """Serves one schema, beside any number of others, in any number of processes."""

    capabilities = TaskRepository.capabilities | {Capability.SHARED}

    def __init__(self, connector: HostConnector, settings: Settings) -> None:
        super().__init__(connector, settings)
        self._lineage = Lineage(settings)
        self._executor: Executor[Connection, Session] = Executor(
            connect=self._connect,
            translate=partial(translate_error, name=settings.name),
            session=Session,
            name=settings.name,
            size=settings.pool_size,
            timeout=settings.timeout,
        )
        self._commits: DeadlineBatcher[Commit, CommitResult] = DeadlineBatcher(
            self._executor, self._write, weight=commit_weight
        )
        self._gets: DeadlineBatcher[int, Found] = DeadlineBatcher(self._executor, self._read)
        self._finds = SingleFlight(self._find)
        self._counts = SingleFlight(self._count)
        self._listener = NotifyListener(connector.connect, settings.schema, settings.timeout)

    async def _connect(self) -> Connection:
        connection = await self._connector.connect()
        try:
            await self._check_state(Session(connection, timeout=self._settings.timeout))
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _check_state(self, session: Session) -> None:
        """Checks the lineage of the store.  Raises what the driver does, and ReadOnlySQLTransactionError."""
        self._listener.note(await self._lineage.check(session, self._listener.position))

    # ------------------------------------------------------------ writing

    async def commit(
        self, writes: Sequence[Write], *, at: datetime, idempotency_key: IdempotencyKey | None = None
    ) -> CommitResult:
        return await self._commits(Commit(writes, at, idempotency_key))

    async def _write(self, session: Session, commits: Sequence[Commit]) -> Sequence[CommitResult | Exception]:
        written = await write(session, commits)
        self._listener.note(written.position)
        return written.outcomes

    # ------------------------------------------------------------ reading

    async def get(self, task_id: int) -> Found:
        return await self._gets(task_id)

    async def _read(self, session: Session, task_ids: Sequence[int]) -> Sequence[Found | Exception]:
        wanted = [task_id for task_id in task_ids if clamp_int64(task_id) == task_id]
        found = {row[1]: Found(task_from_row(row[1:]), row[0]) for row in await session.fetch(_TASKS, wanted)}
        return [found.get(task_id) or TaskNotFound(task_id) for task_id in task_ids]

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        self._check_open()
        return await self._finds(FindArgs(query, after, limit, max_bytes))

    async def _find(self, listing: FindArgs, since: float) -> Page:
        run = self._executor.run if is_indexed(listing.query) else self._executor.run_scan
        return await run(partial(self._list, listing), deadline=self._executor.deadline(since))

    def needs_scan(self, query: TaskQuery) -> bool:
        return not is_indexed(query)

    async def _list(self, listing: FindArgs, session: Session) -> Page:
        statement, values = find_statement(listing, DIALECT)
        return page_of_rows(listing, await session.fetch(statement, *values))

    async def count(self, query: TaskQuery) -> int:
        self._check_open()
        return await self._counts(query)

    async def _count(self, query: TaskQuery, since: float) -> int:
        statement, values = count_statement(query, DIALECT)

        async def work(session: Session) -> int:
            ((found,),) = await session.fetch(statement, *values)
            return int(found)

        return await self._executor.run_scan(work, deadline=self._executor.deadline(since))

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        self._check_open()
        return await self._executor.run(partial(self._read_changes, ReadArgs(since, limit, max_bytes)))

    async def _read_changes(self, arguments: ReadArgs, session: Session) -> ChangePage:
        statement, values = changes_statement(arguments, DIALECT)
        return changes_of_rows(arguments, await session.fetch(statement, *values))

    async def wait_for_change(self, since: Position, *, timeout: float) -> None:
        await self._listener.wait(since, timeout=timeout)

    # ------------------------------------------------------------ records

    async def record(self, namespace: str, key: str) -> Record | None:
        self._check_open()
        rows = await self._executor.run(lambda session: session.fetch(_RECORD, namespace, key))
        return record_from_row(rows[0]) if rows else None

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        self._check_open()
        rows = await self._executor.run(lambda session: session.fetch(_RECORDS, namespace, after, limit))
        return [record_from_row(row) for row in rows]

    # ------------------------------------------------------------ maintenance

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        self._check_open()
        return await self._executor.run(
            lambda session: prune(
                session, log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=limit
            )
        )

    async def restore(self, entries: AsyncIterable[Entry]) -> None:
        async with self._connected() as connection:
            self._listener.note(await restore(connection, self._settings.name, entries))

    async def renew(self) -> None:
        self._check_open()
        self._listener.note(await self._executor.run(renew))

    async def ping(self) -> None:
        self._check_open()
        await self._executor.run(self._check_state)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._commits.close()
        await self._gets.close()
        await self._finds.close()
        await self._counts.close()
        await self._listener.stop()
        await super().close()
        await self._executor.close()


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
    repository = PostgreSQLRepository(connector, settings)
    try:
        await repository.ping()
    except BaseException:
        await repository.close()
        raise
    return repository
