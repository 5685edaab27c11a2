"""Reads single tasks, pages of lists, counts, the log, and records."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple, cast

from tasksvc import (
    Batcher,
    ChangePage,
    Cursor,
    Found,
    Page,
    Position,
    Record,
    StoreClosed,
    TaskNotFound,
    TaskQuery,
    in_turns,
    resolve_position,
    run_individually,
    sql,
)
from tasksvc.sql import INT64_MAX, FindArgs, clamp_int64
from tasksvc_sqlite.cache import StoreCache
from tasksvc_sqlite.connection import ReadConnection
from tasksvc_sqlite.errors import CorruptData
from tasksvc_sqlite.find_sql import count, is_indexed, page, point_lookups, with_store_row
from tasksvc_sqlite.rows import (
    CHANGE_VALUES,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    Statement,
    change_from_row,
    is_storable,
    record_from_row,
    size_of_change,
    size_of_task,
    task_from_row,
)

_SCANS_MAX: Final = 64
"""The most pages and counts that wait for a scan; one more is refused."""

_TRIAL: Final = "SELECT 1 FROM store"
_FOUND_COLUMNS: Final = f"(SELECT generation FROM store), {TASK_COLUMNS}"


class _Counted(NamedTuple):
    """The argument of count()."""

    query: TaskQuery


class _Reading:
    """A page or a count that callers wait for."""

    def __init__(self, answer: asyncio.Future[Page | int]) -> None:
        self.answer = answer
        """A future that is cancelled when no caller waits any more."""
        self.callers = 0
        """The number of callers that wait."""


_Lane = Batcher[FindArgs | _Counted, Page | int]
"""A queue of pages and counts that take turns at one connection."""


class Queries:
    """Lets reads that wait share a statement; a read that takes long delays only others of its kind."""

    def __init__(
        self,
        cache: StoreCache,
        *,
        quick: ReadConnection,
        lists: ReadConnection,
        scans: ReadConnection,
        searches: ReadConnection,
    ) -> None:
        """Takes the connections: `quick` finds by number and name, and `lists` what an index has in order.

        `searches` looks into descriptions, which takes the longest, and `scans` does the rest.
        """
        self._cache, self._quick = cache, quick
        self._readers = (quick, lists, scans, searches)
        self._asked: dict[FindArgs | _Counted, _Reading] = {}
        """The reads that have not started."""
        self._gets: Batcher[int, Found | None] = Batcher(self._get_group)
        self._lists: _Lane = Batcher(partial(self._read, lists), max_batch=1)
        self._scans: _Lane = Batcher(partial(self._scan, scans), max_batch=1, max_queue=_SCANS_MAX)
        self._searches: _Lane = Batcher(partial(self._scan, searches), max_batch=1, max_queue=_SCANS_MAX)
        self._scanning = ((scans, self._scans), (searches, self._searches))
        self._closed = False

    async def set_up(self) -> None:
        """Opens the file and its log, as SQLite does with the first statement.  Raises StoreUnavailable."""
        for reader in self._readers:
            await reader.rows(_TRIAL)

    def check_open(self) -> None:
        """Raises StoreClosed if the store is closed."""
        if self._closed:
            raise StoreClosed("The store is closed.")

    async def close(self) -> None:
        """Ends scans and searches, and lets other reads finish."""
        self._closed = True
        for reader, lane in self._scanning:
            await reader.interrupt(asyncio.ensure_future(lane.close()))
        await self._gets.close()
        await self._lists.close()

    def statistics(self) -> dict[str, float]:
        """Returns the number of reads of each kind that wait."""
        return {
            "gets_waiting": self._gets.queued,
            "lists_waiting": self._lists.queued,
            "scans_waiting": self._scans.queued,
            "searches_waiting": self._searches.queued,
        }

    # ------------------------------------------------------------ tasks

    async def get(self, task_id: int) -> Found:
        """Does what TaskRepository.get() promises."""
        self.check_open()
        found = self._cache.tasks.get(task_id)
        if found is None and (found := await self._gets(task_id)) is None:
            raise TaskNotFound(task_id)
        return found

    async def _get_group(self, task_ids: Sequence[int]) -> Sequence[Found | Exception | None]:
        try:
            return await self._get_together(task_ids)
        except CorruptData:
            if len(task_ids) == 1:
                raise
        return await run_individually(self._get_together, task_ids)

    async def _get_together(self, task_ids: Sequence[int]) -> Sequence[Found | None]:
        wanted = {task_id for task_id in task_ids if 0 < task_id <= INT64_MAX}
        self._cache.tasks.begin_read(wanted)
        found: dict[int, Found] = {}
        for statement in point_lookups(_FOUND_COLUMNS, "tasks", ("id",), [(task_id,) for task_id in wanted]):
            for generation, *row in await self._quick.rows(*statement):
                found[row[0]] = Found(task_from_row(row), generation)
        self._cache.tasks.end_read(found.values())
        return [found.get(task_id) for task_id in task_ids]

    # ------------------------------------------------------------ lists

    async def find(self, query: TaskQuery, *, after: Cursor | None, limit: int, max_bytes: int | None) -> Page:
        """Does what TaskRepository.find() promises."""
        self.check_open()
        asked = FindArgs(query, after, limit, max_bytes)
        if (remembered := self._cache.pages.get(asked)) is not None:
            return remembered
        return cast(Page, await self._shared(self._lists if is_indexed(query) else self._lane_of(query), asked))

    async def count(self, query: TaskQuery) -> int:
        """Does what TaskRepository.count() promises."""
        self.check_open()
        return cast(int, await self._shared(self._lane_of(query), _Counted(query)))

    def _lane_of(self, query: TaskQuery) -> _Lane:
        """Returns the lane for a read that examines many tasks."""
        return self._scans if query.q is None else self._searches

    async def _shared(self, lane: _Lane, asked: FindArgs | _Counted) -> Page | int:
        """Returns the answer of a read, which callers share if they asked for the same before it started.

        The read ends when all of them are cancelled.
        """
        if (reading := self._asked.get(asked)) is None:
            reading = self._asked[asked] = _Reading(lane(asked))
        reading.callers += 1
        try:
            return await asyncio.shield(reading.answer)
        finally:
            reading.callers -= 1
            if not reading.callers and not reading.answer.done():
                reading.answer.cancel()
                if self._asked.get(asked) is reading:
                    del self._asked[asked]

    async def _read(self, reader: ReadConnection, items: Sequence[FindArgs | _Counted]) -> Sequence[Page | int]:
        (asked,) = items
        del self._asked[asked]  # who asks from now on must see what is committed until then
        return [await self._answer(reader, asked)]

    async def _scan(self, reader: ReadConnection, items: Sequence[FindArgs | _Counted]) -> Sequence[Page | int]:
        (asked,) = items
        wanted = self._asked.pop(asked).answer
        scan = asyncio.ensure_future(self._answer(reader, asked))
        await asyncio.wait((wanted, scan), return_when=asyncio.FIRST_COMPLETED)
        if not scan.done():  # nobody waits for it any more
            await reader.interrupt(scan)
        return [scan.result()]

    async def _answer(self, reader: ReadConnection, asked: FindArgs | _Counted) -> Page | int:
        self.check_open()
        match asked:
            case FindArgs():
                return await self._read_page(reader, asked)
            case _Counted(query):
                return await self._read_count(reader, query)

    async def _read_page(self, reader: ReadConnection, asked: FindArgs) -> Page:
        epoch = self._cache.pages.epoch
        query, after, limit, max_bytes = asked
        statement = page(query, after, limit + 1)
        (generation, head, *_), rows, more = await reader.page(statement, size=size_of_task, max_bytes=max_bytes)
        tasks = await in_turns(task_from_row, rows[:limit])
        following = query.cursor(tasks[-1]) if more or len(rows) > limit else None
        found = Page(tasks, following, Position(generation, head))
        self._cache.pages.put(asked, found, since=epoch)
        return found

    async def _read_count(self, reader: ReadConnection, query: TaskQuery) -> int:
        statement = count(query)
        if statement is None:
            return 0
        ((found,),) = await reader.rows(*statement)
        return int(found)

    # ------------------------------------------------------------ the log and the records

    async def changes(self, since: Position, *, limit: int, max_bytes: int | None) -> ChangePage:
        """Does what TaskRepository.read_changes() promises."""
        self.check_open()
        if since == self._cache.position:
            return ChangePage((), since, more=False)
        log = Statement(f"SELECT {CHANGE_VALUES} FROM changes WHERE seq > ? ORDER BY seq", (clamp_int64(since.seq),))
        statement = with_store_row(len(sql.CHANGE_COLUMNS), [log], limit)
        (generation, last_seq, pruned_seq, *_), rows, _ = await self._quick.page(
            statement, size=size_of_change, max_bytes=max_bytes
        )
        end = resolve_position(since, generation=generation, last_seq=last_seq, pruned_seq=pruned_seq) + len(rows)
        return ChangePage(await in_turns(change_from_row, rows), Position(generation, end), more=end < last_seq)

    async def record(self, namespace: str, key: str) -> Record | None:
        """Does what TaskRepository.record() promises."""
        self.check_open()
        if not is_storable(namespace, key):
            return None
        sql = f"SELECT {RECORD_COLUMNS} FROM records WHERE namespace = ? AND key = ?"
        rows = await self._quick.rows(sql, (namespace, key))
        return record_from_row(rows[0]) if rows else None

    async def records(self, namespace: str, *, after: str, limit: int) -> Sequence[Record]:
        """Does what TaskRepository.records() promises."""
        self.check_open()
        if not is_storable(namespace, after):
            return []
        sql = f"SELECT {RECORD_COLUMNS} FROM records WHERE namespace = ? AND key > ? ORDER BY key LIMIT ?"
        return [record_from_row(row) for row in await self._quick.rows(sql, (namespace, after, limit))]

    async def ping(self) -> None:
        """Raises StoreUnavailable if the file can't be read."""
        self.check_open()
        await self._quick.rows(_TRIAL)
