"""Reading: tasks one by one, pages of lists, the log, records."""

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
)
from tasksvc_sqlite.cache import StoreCache
from tasksvc_sqlite.connection import Reader
from tasksvc_sqlite.errors import CorruptData
from tasksvc_sqlite.find_sql import count, is_indexed, lookups, page, with_head
from tasksvc_sqlite.rows import (
    CHANGE_COLUMNS,
    INTEGER_MAX,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    Statement,
    clamp_int64,
    is_storable,
    size_of_change,
    size_of_task,
    to_change,
    to_record,
    to_task,
)
from tasksvc_sqlite.run_individually import run_individually

_SCANS_MAX: Final = 64
"""Pages and counts that wait while many tasks are looked at for another one; one more is refused."""

_TRIAL: Final = "SELECT 1 FROM store"
_FOUND_COLUMNS: Final = f"(SELECT generation FROM store), {TASK_COLUMNS}"


class _Asked(NamedTuple):
    """A page that is asked for."""

    query: TaskQuery
    after: Cursor | None
    limit: int
    max_bytes: int | None


class _Counted(NamedTuple):
    """A count that is asked for."""

    query: TaskQuery


class _Reading:
    """A page or a count that somebody waits for."""

    def __init__(self, answer: asyncio.Future[Page | int]) -> None:
        self.answer = answer
        """Cancelled when nobody waits any more."""
        self.callers = 0
        """How many wait."""


_Lane = Batcher[_Asked | _Counted, Page | int]
"""Pages and counts that take turns at one connection."""


class Queries:
    """Reads that wait share a statement; one that takes long holds up only its like."""

    def __init__(self, memory: StoreCache, *, quick: Reader, lists: Reader, scans: Reader, searches: Reader) -> None:
        """`quick` finds by number and name, and `lists` what an index has in order.

        `searches` looks into descriptions, which takes the longest, and `scans` does the rest.
        """
        self._memory, self._quick = memory, quick
        self._readers = (quick, lists, scans, searches)
        self._asked: dict[_Asked | _Counted, _Reading] = {}
        """Those that have not begun."""
        self._gets: Batcher[int, Found | None] = Batcher(self._get_group)
        self._lists: _Lane = Batcher(partial(self._read, lists), group=1)
        self._scans: _Lane = Batcher(partial(self._scan, scans), group=1, waiting=_SCANS_MAX)
        self._searches: _Lane = Batcher(partial(self._scan, searches), group=1, waiting=_SCANS_MAX)
        self._scanning = ((scans, self._scans), (searches, self._searches))
        self._closed = False

    async def set_up(self) -> None:
        """Once, before all: SQLite opens the file and its log with the first statement.  Raises StoreUnavailable."""
        for reader in self._readers:
            await reader.rows(_TRIAL)

    def check_open(self) -> None:
        """Raises StoreClosed."""
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
        """How many reads of each kind wait."""
        return {
            "gets_waiting": self._gets.waiting,
            "lists_waiting": self._lists.waiting,
            "scans_waiting": self._scans.waiting,
            "searches_waiting": self._searches.waiting,
        }

    # ------------------------------------------------------------ tasks

    async def get(self, task_id: int) -> Found:
        """As the port says."""
        self.check_open()
        found = self._memory.tasks.get(task_id)
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
        wanted = {task_id for task_id in task_ids if 0 < task_id <= INTEGER_MAX}
        self._memory.tasks.begin_read(wanted)
        found: dict[int, Found] = {}
        for statement in lookups(_FOUND_COLUMNS, "tasks", ("id",), [(task_id,) for task_id in wanted]):
            for generation, *row in await self._quick.rows(*statement):
                found[row[0]] = Found(to_task(row), generation)
        self._memory.tasks.end_read(found.values())
        return [found.get(task_id) for task_id in task_ids]

    # ------------------------------------------------------------ lists

    async def find(self, query: TaskQuery, *, after: Cursor | None, limit: int, max_bytes: int | None) -> Page:
        """As the port says."""
        self.check_open()
        asked = _Asked(query, after, limit, max_bytes)
        if (remembered := self._memory.pages.get(asked)) is not None:
            return remembered
        return cast(Page, await self._shared(self._lists if is_indexed(query) else self._lane_of(query), asked))

    async def count(self, query: TaskQuery) -> int:
        """As the port says."""
        self.check_open()
        return cast(int, await self._shared(self._lane_of(query), _Counted(query)))

    def _lane_of(self, query: TaskQuery) -> _Lane:
        """For what has to look at many tasks."""
        return self._scans if query.q is None else self._searches

    async def _shared(self, lane: _Lane, asked: _Asked | _Counted) -> Page | int:
        """The answer of a reading that others may share, who asked for the same before it started.

        It ends when all of them are cancelled.
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

    async def _read(self, reader: Reader, units: Sequence[_Asked | _Counted]) -> Sequence[Page | int]:
        (asked,) = units
        del self._asked[asked]  # who asks from now on must see what is committed until then
        return [await self._answer(reader, asked)]

    async def _scan(self, reader: Reader, units: Sequence[_Asked | _Counted]) -> Sequence[Page | int]:
        (asked,) = units
        wanted = self._asked.pop(asked).answer
        scan = asyncio.ensure_future(self._answer(reader, asked))
        await asyncio.wait((wanted, scan), return_when=asyncio.FIRST_COMPLETED)
        if not scan.done():  # nobody waits for it any more
            await reader.interrupt(scan)
        return [scan.result()]

    async def _answer(self, reader: Reader, asked: _Asked | _Counted) -> Page | int:
        self.check_open()
        match asked:
            case _Asked():
                return await self._read_page(reader, asked)
            case _Counted(query):
                return await self._read_count(reader, query)

    async def _read_page(self, reader: Reader, asked: _Asked) -> Page:
        epoch = self._memory.pages.epoch
        query, after, limit, max_bytes = asked
        statement = page(query, after, limit + 1)
        (generation, head, *_), rows, more = await reader.page(statement, size=size_of_task, max_bytes=max_bytes)
        tasks = await in_turns(to_task, rows[:limit])
        following = query.cursor(tasks[-1]) if more or len(rows) > limit else None
        found = Page(tasks, following, Position(generation, head))
        self._memory.pages.put(asked, found, since=epoch)
        return found

    async def _read_count(self, reader: Reader, query: TaskQuery) -> int:
        statement = count(query)
        if statement is None:
            return 0
        ((found,),) = await reader.rows(*statement)
        return int(found)

    # ------------------------------------------------------------ the log and the records

    async def changes(self, since: Position, *, limit: int, max_bytes: int | None) -> ChangePage:
        """As the port says of read_changes()."""
        self.check_open()
        if since == self._memory.position:
            return ChangePage((), since, more=False)
        log = Statement(f"SELECT {CHANGE_COLUMNS} FROM changes WHERE seq > ? ORDER BY seq", (clamp_int64(since.seq),))
        statement = with_head(CHANGE_COLUMNS, [log], limit)
        (generation, last_seq, pruned_seq, *_), rows, _ = await self._quick.page(
            statement, size=size_of_change, max_bytes=max_bytes
        )
        end = resolve_position(since, generation=generation, last_seq=last_seq, pruned_seq=pruned_seq) + len(rows)
        return ChangePage(await in_turns(to_change, rows), Position(generation, end), more=end < last_seq)

    async def record(self, namespace: str, key: str) -> Record | None:
        """As the port says."""
        self.check_open()
        if not is_storable(namespace, key):
            return None
        sql = f"SELECT {RECORD_COLUMNS} FROM records WHERE namespace = ? AND key = ?"
        rows = await self._quick.rows(sql, (namespace, key))
        return to_record(rows[0]) if rows else None

    async def records(self, namespace: str, *, after: str, limit: int) -> Sequence[Record]:
        """As the port says."""
        self.check_open()
        if not is_storable(namespace, after):
            return []
        sql = f"SELECT {RECORD_COLUMNS} FROM records WHERE namespace = ? AND key > ? ORDER BY key LIMIT ?"
        return [to_record(row) for row in await self._quick.rows(sql, (namespace, after, limit))]

    async def ping(self) -> None:
        """Raises StoreUnavailable where the file cannot be read."""
        self.check_open()
        await self._quick.rows(_TRIAL)
