"""Reads single tasks, pages of lists, counts, the log, and records."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple, cast

from tasksvc import (
    DEFAULT_WORKSPACE,
    LOG_START,
    Batcher,
    ChangePage,
    Cursor,
    Found,
    ListSummary,
    Page,
    Position,
    Record,
    StoreClosed,
    TaskNotFound,
    TaskQuery,
    effective_generation,
    in_turns,
    resolve_position,
    run_individually,
    sql,
)
from tasksvc.sql import INT64_MAX, FindArgs, clamp_int64
from tasksvc_sqlite.cache import Place, StoreCache, TaskKey
from tasksvc_sqlite.connection import ReadConnection
from tasksvc_sqlite.errors import CorruptData
from tasksvc_sqlite.find_sql import count, is_indexed, lists, page, point_lookups, with_store_row, with_workspace_row
from tasksvc_sqlite.history import changes_after, is_known
from tasksvc_sqlite.rows import (
    CHANGE_VALUES,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    VERSION_CHANGE_COLUMNS,
    Statement,
    change_from_row,
    is_storable,
    record_from_row,
    size_of_change,
    size_of_task,
    task_from_row,
)

_SCANS_MAX: Final = 64
"""The most reads that wait for a scan; one more is refused."""

_TRIAL: Final = "SELECT 1 FROM store"
_FOUND_COLUMNS: Final = f"(SELECT generation FROM store), {TASK_COLUMNS}"
_ELSEWHERE: Final = "workspaces CROSS JOIN versions"
_OF_WORKSPACE: Final = "workspace = key AND current IS NOT NULL"
_ELSEWHERE_COLUMNS: Final = f"(SELECT epoch FROM store), name, generation, epoch, {TASK_COLUMNS}"
_PLACE: Final = "SELECT key, generation, epoch, is_large FROM workspaces WHERE name = ?"
_HEAD: Final = """
SELECT generation, epoch, (SELECT epoch FROM store),
  max(pruned_seq, ifnull((SELECT max(seq) FROM versions WHERE workspace = key AND seq IS NOT NULL), 0))
FROM workspaces WHERE name = ?"""
_VERSIONS_AFTER: Final = (
    f"SELECT {VERSION_CHANGE_COLUMNS} FROM versions WHERE workspace = ? AND seq IS NOT NULL AND seq > ? ORDER BY seq"
)


class _Counted(NamedTuple):
    """The argument of count()."""

    query: TaskQuery


class _At(NamedTuple):
    """A read of the workspace at a place; those of the default one are asked for as they are."""

    place: Place
    asked: _Wanted


class _Lists(NamedTuple):
    """The arguments of lists()."""

    after: str
    limit: int


class _History(NamedTuple):
    """The arguments of task_changes()."""

    task_id: int
    since: Position
    limit: int
    max_bytes: int | None


_Wanted = FindArgs | _Counted | _Lists | _History
_Asked = _Wanted | _At
_Answer = Page | int | Sequence[ListSummary] | ChangePage


class _Reading:
    """A read that callers wait for."""

    def __init__(self, answer: asyncio.Future[_Answer]) -> None:
        self.answer = answer
        """A future that is cancelled when no caller waits any more."""
        self.callers = 0
        """The number of callers that wait."""


_Lane = Batcher[_Asked, _Answer]
"""A queue of reads that take turns at one connection."""


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
        self._cache, self.quick = cache, quick
        self._readers = (quick, lists, scans, searches)
        self._asked: dict[_Asked, _Reading] = {}
        """The reads that have not started."""
        self._gets: Batcher[TaskKey, Found | None] = Batcher(self._get_group)
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

    async def get(self, workspace: str, task_id: int) -> Found:
        """Does what TaskRepository.get() promises."""
        self.check_open()
        key = task_id if workspace == DEFAULT_WORKSPACE else (workspace, task_id)
        found = self._cache.tasks.get(key)
        if found is None and (found := await self._gets(key)) is None:
            raise TaskNotFound(task_id)
        return found

    async def _get_group(self, keys: Sequence[TaskKey]) -> Sequence[Found | Exception | None]:
        try:
            return await self._get_together(keys)
        except CorruptData:
            if len(keys) == 1:
                raise
        return await run_individually(self._get_together, keys)

    async def _get_together(self, keys: Sequence[TaskKey]) -> Sequence[Found | None]:
        default: set[int] = set()
        others: set[tuple[str, int]] = set()
        for key in keys:
            if isinstance(key, int):
                if 0 < key <= INT64_MAX:
                    default.add(key)
            elif 0 < key[1] <= INT64_MAX:
                others.add(key)
        self._cache.tasks.begin_read(default | others)
        found: dict[TaskKey, Found] = {}
        for statement in point_lookups(_FOUND_COLUMNS, "tasks", ("id",), [(task_id,) for task_id in default]):
            for generation, *row in await self.quick.rows(*statement):
                found[row[0]] = Found(task_from_row(row), generation)
        for statement in point_lookups(_ELSEWHERE_COLUMNS, _ELSEWHERE, ("name", "id"), list(others), _OF_WORKSPACE):
            for store_epoch, name, generation, epoch, *row in await self.quick.rows(*statement):
                effective = effective_generation(generation, epoch, store_epoch)
                found[name, row[0]] = Found(task_from_row(row), effective)
        self._cache.tasks.end_read(found.items())
        return [found.get(key) for key in keys]

    # ------------------------------------------------------------ lists

    async def find(
        self, workspace: str, query: TaskQuery, *, after: Cursor | None, limit: int, max_bytes: int | None
    ) -> Page:
        """Does what TaskRepository.find() promises."""
        self.check_open()
        place, asked = await self._at(workspace, FindArgs(query, after, limit, max_bytes))
        if asked is None:
            return Page((), None, LOG_START)
        if (remembered := self._cache.pages.get(asked)) is not None:
            return remembered
        lane = self._lists if is_indexed(query) else self._lane_of(query, place)
        return cast(Page, await self._shared(lane, asked))

    async def count(self, workspace: str, query: TaskQuery) -> int:
        """Does what TaskRepository.count() promises."""
        self.check_open()
        place, asked = await self._at(workspace, _Counted(query))
        if asked is None:
            return 0
        return cast(int, await self._shared(self._lane_of(query, place), asked))

    async def lists(self, workspace: str, *, after: str, limit: int) -> Sequence[ListSummary]:
        """Does what TaskRepository.lists() promises."""
        self.check_open()
        place, asked = await self._at(workspace, _Lists(after, limit))
        if asked is None or not is_storable(after):
            return []
        return cast(Sequence[ListSummary], await self._shared(self._lane_of(TaskQuery(), place), asked))

    async def _at(self, workspace: str, wanted: _Wanted) -> tuple[Place | None, _Asked | None]:
        """Returns the place of a workspace, None for the default one, and the read of it, None if it isn't made."""
        if workspace == DEFAULT_WORKSPACE:
            return None, wanted
        place = await self._place(workspace)
        return place, None if place is None else _At(place, wanted)

    def needs_scan(self, workspace: str, query: TaskQuery) -> bool:
        """Does what TaskRepository.needs_scan() promises."""
        if is_indexed(query):
            return False
        if workspace == DEFAULT_WORKSPACE or query.q is not None:
            return True
        place = self._cache.places.get(workspace)
        return place is None or place.is_large

    def _lane_of(self, query: TaskQuery, place: Place | None) -> _Lane:
        """Returns the lane for a read that examines all tasks of the workspace at `place`."""
        if query.q is not None:
            return self._searches
        return self._scans if place is None or place.is_large else self._lists

    async def _place(self, workspace: str) -> Place | None:
        """Returns the place of a workspace beside the default one, or None if it isn't made."""
        cache = self._cache
        place = cache.places.get(workspace)
        if place is None:
            erasures = cache.erasures
            rows = await self.quick.rows(_PLACE, (workspace,))
            for key, generation, epoch, is_large in rows:
                place = Place(key, generation, epoch, bool(is_large))
                # Another read, or a commit, may know more by now; and it may have been erased.
                if cache.places.get(workspace) is None and cache.erasures == erasures:
                    cache.places.put(workspace, place)
        return place

    async def _shared(self, lane: _Lane, asked: _Asked) -> _Answer:
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

    async def _read(self, reader: ReadConnection, items: Sequence[_Asked]) -> Sequence[_Answer]:
        (asked,) = items
        del self._asked[asked]  # who asks from now on must see what is committed until then
        return [await self._answer(reader, asked)]

    async def _scan(self, reader: ReadConnection, items: Sequence[_Asked]) -> Sequence[_Answer]:
        (asked,) = items
        wanted = self._asked.pop(asked).answer
        scan = asyncio.ensure_future(self._answer(reader, asked))
        await asyncio.wait((wanted, scan), return_when=asyncio.FIRST_COMPLETED)
        if not scan.done():  # nobody waits for it any more
            await reader.interrupt(scan)
        return [scan.result()]

    async def _answer(self, reader: ReadConnection, asked: _Asked) -> _Answer:
        self.check_open()
        place, wanted = (asked.place, asked.asked) if isinstance(asked, _At) else (None, asked)
        match wanted:
            case FindArgs():
                return await self._read_page(reader, asked, place, wanted)
            case _Counted(query):
                return await self._read_count(reader, place, query)
            case _Lists(after, limit):
                rows = await reader.rows(*lists(after, limit, place))
                return [ListSummary(*row) for row in rows]
            case _History():
                return await self._read_history(reader, place, wanted)

    async def _read_page(self, reader: ReadConnection, asked: _Asked, place: Place | None, find: FindArgs) -> Page:
        epoch = self._cache.pages.epoch
        query, after, limit, max_bytes = find
        statement = page(query, after, limit + 1, place)
        (life, last_seq, *_), rows, more = await reader.page(statement, size=size_of_task, max_bytes=max_bytes)
        if last_seq is None:  # it was erased since its place was read
            return Page((), None, LOG_START)
        tasks = await in_turns(task_from_row, rows[:limit])
        following = query.cursor(tasks[-1]) if more or len(rows) > limit else None
        found = Page(tasks, following, Position(_generation(place, life), last_seq))
        self._cache.pages.put(asked, found, since=epoch)
        return found

    async def _read_count(self, reader: ReadConnection, place: Place | None, query: TaskQuery) -> int:
        statement = count(query, place)
        if statement is None:
            return 0
        rows = await reader.rows(*statement)
        return int(rows[0][0]) if rows else 0

    # ------------------------------------------------------------ the log and the records

    async def changes(self, workspace: str, since: Position, *, limit: int, max_bytes: int | None) -> ChangePage:
        """Does what TaskRepository.read_changes() promises."""
        self.check_open()
        header = self._cache.header(workspace)
        if header is not None and since == header.position:
            return ChangePage((), since, more=False)
        width, seq = len(sql.CHANGE_COLUMNS), clamp_int64(since.seq)
        place = None
        if workspace == DEFAULT_WORKSPACE:
            log = Statement(f"SELECT {CHANGE_VALUES} FROM changes WHERE seq > ? ORDER BY seq", (seq,))
            statement = with_store_row(width, [log], limit)
        elif (place := await self._place(workspace)) is None:
            return _unmade(since)
        else:
            log = Statement(_VERSIONS_AFTER, (place.key, seq))
            statement = with_workspace_row(place.key, width, [log], limit)
        (life, last_seq, pruned_seq, *_), rows, _ = await self.quick.page(
            statement, size=size_of_change, max_bytes=max_bytes
        )
        if last_seq is None:  # it was erased since its place was read
            return _unmade(since)
        generation = _generation(place, life)
        end = resolve_position(since, generation=generation, last_seq=last_seq, pruned_seq=pruned_seq) + len(rows)
        return ChangePage(await in_turns(change_from_row, rows), Position(generation, end), more=end < last_seq)

    async def task_changes(
        self, workspace: str, task_id: int, since: Position, *, limit: int, max_bytes: int | None
    ) -> ChangePage:
        """Does what TaskRepository.task_changes() promises."""
        self.check_open()
        _, asked = await self._at(workspace, _History(task_id, since, limit, max_bytes))
        if asked is None:
            _unmade(since)
            raise TaskNotFound(task_id)
        return cast(ChangePage, await self._shared(self._lists, asked))

    async def _read_history(self, reader: ReadConnection, place: Place | None, history: _History) -> ChangePage:
        task_id, since, limit, max_bytes = history
        key = None if place is None else place.key
        width, is_task = len(sql.CHANGE_COLUMNS), 0 < task_id <= INT64_MAX
        parts = [changes_after(key, task_id, clamp_int64(since.seq), limit + 1)] if is_task else []
        also = is_known(key, task_id) if is_task else Statement("0")
        statement = (
            with_store_row(width, parts, limit + 1, also)
            if key is None
            else with_workspace_row(key, width, parts, limit + 1, also)
        )
        head, rows, more = await reader.page(statement, size=size_of_change, max_bytes=max_bytes)
        life, last_seq, pruned_seq, known, *_ = head
        if last_seq is None:  # it was erased since its place was read
            _unmade(since)
            raise TaskNotFound(task_id)
        generation = _generation(place, life)
        if since != LOG_START:
            resolve_position(since, generation=generation, last_seq=last_seq, pruned_seq=pruned_seq)
        if not known:
            raise TaskNotFound(task_id)
        changes = await in_turns(change_from_row, rows[:limit])
        more = more or len(rows) > limit
        return ChangePage(changes, Position(generation, changes[-1].seq if more else last_seq), more)

    async def wait_for_change(self, workspace: str, since: Position, *, timeout: float) -> None:
        """Does what TaskRepository.wait_for_change() promises."""
        self.check_open()
        header = self._cache.header(workspace)
        if header is not None:
            if _is_end(since, header.position):
                await self._cache.changed.wait(workspace, timeout)
            return
        # It waits from before the file is read, so that no commit is missed.
        waiting = asyncio.ensure_future(self._cache.changed.wait(workspace, timeout))
        try:
            end = LOG_START
            for generation, epoch, store_epoch, last_seq in await self.quick.rows(_HEAD, (workspace,)):
                end = Position(effective_generation(generation, epoch, store_epoch), last_seq)
            if _is_end(since, end):
                await waiting
        finally:
            waiting.cancel()

    async def record(self, namespace: str, key: str) -> Record | None:
        """Does what TaskRepository.record() promises."""
        self.check_open()
        if not is_storable(namespace, key):
            return None
        sql = f"SELECT {RECORD_COLUMNS} FROM records WHERE namespace = ? AND key = ?"
        rows = await self.quick.rows(sql, (namespace, key))
        return record_from_row(rows[0]) if rows else None

    async def records(self, namespace: str, *, after: str, limit: int) -> Sequence[Record]:
        """Does what TaskRepository.records() promises."""
        self.check_open()
        if not is_storable(namespace, after):
            return []
        sql = f"SELECT {RECORD_COLUMNS} FROM records WHERE namespace = ? AND key > ? ORDER BY key LIMIT ?"
        return [record_from_row(row) for row in await self.quick.rows(sql, (namespace, after, limit))]

    async def ping(self) -> None:
        """Raises StoreUnavailable if the file can't be read."""
        self.check_open()
        await self.quick.rows(_TRIAL)


def _unmade(since: Position) -> ChangePage:
    """Returns the page of the log after `since` in a workspace that isn't made.  Raises PositionGone."""
    start = resolve_position(since, generation="", last_seq=0, pruned_seq=0)
    return ChangePage((), Position("", start), more=False)


def _is_end(since: Position, end: Position) -> bool:
    """Returns whether a log that ends at `end` has no change after `since`; one of another generation is gone."""
    return since.seq >= end.seq and (since.generation == end.generation or since == LOG_START)


def _generation(place: Place | None, life: str) -> str:
    """Returns the effective generation of a workspace.

    `life` is the generation of the default one, or the epoch of the store for one at a place.
    """
    return life if place is None else effective_generation(place.generation, place.epoch, life)
