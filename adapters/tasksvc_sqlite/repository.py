"""Tasks in one SQLite file."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import datetime
from functools import partial
from typing import Any, Final

import aiosqlite

from tasksvc import (
    DEFAULT_WORKSPACE,
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
    StoreClosed,
    StoreEntry,
    StoreRefused,
    StoreUnavailable,
    TaskQuery,
    TaskRepository,
    WorkspaceSummary,
    Write,
    check_workspace_name,
)
from tasksvc.files import FileLock, check_file_system, make_private
from tasksvc_sqlite import dump
from tasksvc_sqlite.cache import StoreCache
from tasksvc_sqlite.commit import Committer
from tasksvc_sqlite.connection import ReadConnection, connect, run_to_completion
from tasksvc_sqlite.directory import Directory
from tasksvc_sqlite.errors import open_failure, read_failure
from tasksvc_sqlite.find_sql import contains
from tasksvc_sqlite.marking import MarkingConnection
from tasksvc_sqlite.queries import Queries
from tasksvc_sqlite.reader import SQLiteReader
from tasksvc_sqlite.rows import Restoring
from tasksvc_sqlite.schema import check_path, empty, inspect_file, prepare
from tasksvc_sqlite.settings import DEFAULTS, Settings
from tasksvc_sqlite.writer import WriteConnection

_RENEWED: Final = (
    "%s %s. It has a new generation now: clients that follow its changes start over, and older ETags don't match."
)

_logger = logging.getLogger(__name__)


class SQLiteRepository(TaskRepository):
    """Everything that the port asks for.

    A commit appends to the change log, and triggers of the schema do the rest in the same
    statement.  Commits that wait share a transaction, and reads that wait a statement.
    """

    def __init__(
        self, path: str, cache: StoreCache, writer: WriteConnection, reads: Queries, resources: AsyncExitStack
    ) -> None:
        self._path, self._cache, self._writer, self._reads = path, cache, writer, reads
        self._resources = resources
        self._root = self
        """The repository of the default workspace."""
        self._commits = Committer(writer, cache)
        self._directory = Directory(reads.quick, cache)
        self._dumping: set[aiosqlite.Connection] = set()
        self._closing: asyncio.Task[None] | None = None

    def workspace(self, name: str) -> TaskRepository:
        check_workspace_name(name)
        if name == self.workspace_name:
            return self
        if name == DEFAULT_WORKSPACE:
            return self._root
        return _Workspace(self._root, name)

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        self._reads.check_open()
        return await self._root._directory.summaries(prefix, after, limit)

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        self._reads.check_open()
        return await self._root._directory.changed(since, limit)

    async def erase(self) -> None:
        self._reads.check_open()
        await self._commits.erase(self.workspace_name)

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
        return await self._commits.commit(self.workspace_name, commit)

    async def get(self, task_id: int) -> Found:
        return await self._reads.get(self.workspace_name, task_id)

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        return await self._reads.find(self.workspace_name, query, after=after, limit=limit, max_bytes=max_bytes)

    def needs_scan(self, query: TaskQuery) -> bool:
        return self._reads.needs_scan(self.workspace_name, query)

    async def count(self, query: TaskQuery) -> int:
        return await self._reads.count(self.workspace_name, query)

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        return await self._reads.lists(self.workspace_name, after=after, limit=limit)

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        return await self._reads.changes(self.workspace_name, since, limit=limit, max_bytes=max_bytes)

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        return await self._reads.task_changes(self.workspace_name, task_id, since, limit=limit, max_bytes=max_bytes)

    async def wait_for_change(self, since: Position, *, timeout: float) -> None:
        await self._reads.wait_for_change(self.workspace_name, since, timeout=timeout)

    async def record(self, namespace: str, key: str) -> Record | None:
        return await self._reads.record(namespace, key)

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        return await self._reads.records(namespace, after=after, limit=limit)

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        self._reads.check_open()
        return await self._commits.prune(
            log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=limit
        )

    async def compact(self) -> None:
        self._reads.check_open()
        await self._commits.compact()

    async def dump(self) -> AsyncIterator[StoreEntry]:
        self._reads.check_open()
        try:
            connection = await connect(self._path)
            self._dumping.add(connection)
            try:
                async with aclosing(dump.dump(connection)) as entries:
                    async for entry in entries:
                        yield entry
            finally:
                self._dumping.discard(connection)
                await connection.close()
        except sqlite3.Error as error:
            raise read_failure(error, self._path) from error
        except ValueError as error:
            if self._closing is None:
                raise
            raise StoreClosed("The store is closed.") from error  # aiosqlite raised it of the connection

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        async with self._replacing():
            await dump.restore(self._writer, Restoring(self._cache.position, self._cache.last_key), entries)

    async def renew(self) -> None:
        async with self._replacing():
            await run_to_completion(self._writer.write([await self._writer.renewal()]))

    @contextlib.asynccontextmanager
    async def _replacing(self) -> AsyncIterator[None]:
        """A turn of the writer after which nothing is taken for known that was read before."""
        self._reads.check_open()
        async with self._writer:
            self._cache.begin_restore()
            try:
                yield
            finally:
                await run_to_completion(self._look_again())

    async def _look_again(self) -> None:
        state = await self._writer.state()
        self._cache.end_restore(state)
        await self._writer.keep_mark(state)

    async def check(self) -> Sequence[str]:
        self._reads.check_open()
        return await SQLiteReader(self._path).check()

    def statistics(self) -> Mapping[str, float]:
        return {**self._commits.statistics(), **self._reads.statistics()}

    async def ping(self) -> None:
        self._reads.check_open()
        self._writer.check()
        await self._reads.ping()

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await run_to_completion(self._closing)

    async def _close(self) -> None:
        async with self._resources:
            await self._commits.close()
            await self._writer.close()
            await self._reads.close()
            self._cache.changed.notify_all()
            for connection in tuple(self._dumping):
                await connection.close()


class _Workspace(SQLiteRepository):
    """A workspace of the store that `root` has open."""

    def __init__(self, root: SQLiteRepository, name: str) -> None:
        self.workspace_name = name
        self._root, self._commits, self._reads = root, root._commits, root._reads

    def dump(self) -> AsyncIterator[StoreEntry]:
        return self._root.dump()

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        await self._root.restore(entries)

    async def renew(self) -> None:
        await self._root.renew()

    async def check(self) -> Sequence[str]:
        return await self._root.check()

    async def ping(self) -> None:
        await self._root.ping()

    async def close(self) -> None:
        await self._root.close()


async def open_file(path: str, *, scratch: bool, settings: Settings = DEFAULTS) -> SQLiteRepository:
    """The store in the file `path`, which is absolute and free of symbolic links.  Raises StoreRefused."""
    check_path(path)
    check_file_system(path)
    try:
        async with AsyncExitStack() as stack:

            async def connected(**options: Any) -> aiosqlite.Connection:
                connection = await connect(path, busy_timeout=settings.busy_timeout, **options)
                stack.push_async_callback(connection.close)
                return connection

            lock = FileLock(path)
            stack.callback(lock.release)
            await inspect_file(path)
            _make(path)
            lock.lock_store()
            # The first, so the last to close, which is when SQLite checkpoints.
            connection = await connected(native_connect=partial(MarkingConnection, lock.mark))
            is_new = await prepare(connection, path, scratch=scratch)
            writer = WriteConnection(connection, path, lock.mark, settings)
            await writer.set_up()
            state = await writer.state()
            if not is_new and (doubt := lock.mark.doubt(state.mark)) is not None:
                await connection.execute_fetchall(*await writer.renewal())
                state = await writer.state()
                _logger.warning(_RENEWED, path, doubt)
            await writer.keep_mark(state)
            quick, lists, scans, searches = [ReadConnection(await connected(), path) for _ in range(4)]
            await searches.create_function("contains", contains)
            cache = StoreCache(state)
            reads = Queries(cache, quick=quick, lists=lists, scans=scans, searches=searches)
            await reads.set_up()
            if scratch:
                stack.push_async_callback(_empty, connection, path, writer)
            return SQLiteRepository(path, cache, writer, reads, stack.pop_all())
    except sqlite3.Error as error:
        raise StoreRefused(open_failure(error, path)) from error


def _make(path: str) -> None:
    try:
        make_private(path)
    except OSError as error:
        raise StoreRefused(f"{path} cannot be made: {error.strerror}. Make its folder writable.") from error


async def _empty(connection: aiosqlite.Connection, path: str, writer: WriteConnection) -> None:
    try:
        await empty(connection)
        await writer.keep_mark(await writer.state())
    except sqlite3.Error as error:  # the scratch mark stays
        raise StoreUnavailable(f"{path} could not be emptied ({error}). The next start does it.") from error
