"""The tasks of several workspaces as one list, which is merged from the pages of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from heapq import merge
from typing import NamedTuple

from tasksvc.application.contract_checks import ContractViolation, check_count, check_page
from tasksvc.application.in_parallel import in_parallel
from tasksvc.application.tasks import Caller, Turns
from tasksvc.domain.change import Position
from tasksvc.domain.query import Cursor, SortField, TaskQuery
from tasksvc.domain.rules import ID_MAX
from tasksvc.domain.sizes import json_size
from tasksvc.domain.task import Task
from tasksvc.ports.store import Page, TaskRepository

SHARE_BYTES = 32 * 1024
"""Bytes of a page that are read of each workspace at least, so that a page of small tasks is as long as it was asked
to be, even if most of them are in one of a hundred workspaces."""


class Place(NamedTuple):
    """A place in a merged list: after this task of this workspace, which need not exist any more.

    Since the list has one order, the place says how far each of its workspaces is.
    """

    workspace: str
    cursor: Cursor


class MergedPage(NamedTuple):
    """A page of a merged list, for each workspace from one snapshot."""

    tasks: Sequence[tuple[str, Task]]
    """Each task after the name of its workspace."""
    next: Place | None
    """The place at which the list goes on; None at its end."""
    positions: Mapping[str, Position]
    """The position of the change log of each workspace in its first snapshot."""


class MergedTasks:
    """Reads the tasks of several workspaces as one list.

    Tasks are ordered as the query says, and those with the same value by workspace and id, in the direction of the
    sort.  Methods raise what those of Tasks raise.
    """

    def __init__(self, workspaces: Sequence[TaskRepository], turns: Turns, *, at_once: int) -> None:
        """Takes different workspaces, of which `at_once` are read at the same time."""
        self._workspaces, self._turns, self._at_once = workspaces, turns, at_once

    async def find(
        self, query: TaskQuery, *, caller: Caller, after: Place | None = None, limit: int, max_bytes: int
    ) -> MergedPage:
        """Returns at most `limit` tasks after the place `after`, of about `max_bytes`; at least one, if there is any.

        It ends earlier where a workspace has so large tasks that they would be most of it.
        """
        merged = self.whole(query, caller=caller, after=after)
        return await merged.next_page(limit=limit, max_bytes=max_bytes, least_share=SHARE_BYTES)

    def whole(self, query: TaskQuery, *, caller: Caller, after: Place | None = None) -> MergedList:
        """Returns the list after the place `after`, to be read to its end."""
        sources = [_Source(repository, query, after) for repository in self._workspaces]
        return MergedList(sources, query, caller, self._turns, at_once=self._at_once)

    async def count(self, query: TaskQuery, *, caller: Caller) -> int:
        """Returns how many tasks match in all workspaces together, when it's the turn of `caller`."""
        calls = [partial(repository.count, query) for repository in self._workspaces]
        counts = await self._turns.at(query).run(caller(), partial(in_parallel, calls, at_once=self._at_once))
        for count in counts:
            check_count(count)
        return sum(counts)


class MergedList:
    """A merged list that is read page by page, and keeps what was read and isn't in a page yet."""

    def __init__(
        self, sources: Sequence[_Source], query: TaskQuery, caller: Caller, turns: Turns, *, at_once: int
    ) -> None:
        self._sources, self._query, self._caller = sources, query, caller
        self._turns, self._at_once = turns, at_once

    async def next_page(self, *, limit: int, max_bytes: int, least_share: int = 0) -> MergedPage:
        """Returns the next `limit` tasks, of about `max_bytes`; fewer where a workspace would have to be read again.

        What is read at once of all workspaces has about `max_bytes`, or of each of them `least_share`.
        """
        share = max(max_bytes // len(self._sources), least_share)
        await self._read([source for source in self._sources if source.is_dry], limit, share)
        return _take(self._sources, self._query, limit=limit, max_bytes=max_bytes)

    async def _read(self, sources: Sequence[_Source], limit: int, max_bytes: int) -> None:
        """Reads the next page of each of `sources`: all in one turn of the caller, if there are turns."""

        def calls(find: Callable[..., Awaitable[Page]]) -> Iterator[Callable[[], Awaitable[None]]]:
            for source in sources:
                yield partial(source.read, find, limit, max_bytes)

        query, turns = self._query, self._turns
        if any(source.repository.needs_scan(query) for source in sources):
            scan = partial(in_parallel, calls(_find), at_once=self._at_once)
            await turns.at(query).run(self._caller(), scan)
        else:
            async with turns.merged:
                await in_parallel(calls(turns.pages.find), at_once=self._at_once)


async def _find(
    repository: TaskRepository, query: TaskQuery, *, after: Cursor | None, limit: int, max_bytes: int
) -> Page:
    return await repository.find(query, after=after, limit=limit, max_bytes=max_bytes)


class _Source:
    """The list of one workspace, as far as it was read."""

    def __init__(self, repository: TaskRepository, query: TaskQuery, after: Place | None) -> None:
        self.repository, self._query = repository, query
        self.name = repository.workspace_name
        self._after = None if after is None else _cursor_at(after, self.name, query)
        self.tasks: Sequence[Task] = ()
        """What was read, and has not been taken."""
        self.has_more = True
        """Whether the workspace has more than that."""
        self.position: Position | None = None
        """The position of the change log when the first page was read."""

    @property
    def is_dry(self) -> bool:
        """Whether the next task isn't known."""
        return self.has_more and not self.tasks

    async def read(self, find: Callable[..., Awaitable[Page]], limit: int, max_bytes: int) -> None:
        """Reads the next page with `find`."""
        page = await find(self.repository, self._query, after=self._after, limit=limit, max_bytes=max_bytes)
        check_page(page, self._query, limit)
        if page.next is not None and not page.tasks:
            raise ContractViolation("The store gave an empty page that isn't the last one.")
        self.tasks, self._after, self.has_more = page.tasks, page.next, page.next is not None
        self.position = self.position or page.position


def _cursor_at(place: Place, workspace: str, query: TaskQuery) -> Cursor | None:
    """Returns the cursor for what comes after `place` in the list of one workspace."""
    value, task_id = place.cursor
    if workspace == place.workspace:
        return place.cursor
    is_given = (workspace < place.workspace) != query.descending
    """Whether the tasks with the same value come before the place."""
    if query.sort is not SortField.ID:
        return Cursor(value, ID_MAX if is_given != query.descending else 0)
    if is_given:
        return Cursor(task_id, task_id)
    before = task_id + 1 if query.descending else task_id - 1
    return Cursor(before, before) if 1 <= before <= ID_MAX else None


def _take(sources: Sequence[_Source], query: TaskQuery, *, limit: int, max_bytes: int) -> MergedPage:
    """Takes the next tasks of all sources, none of which is dry, until one is, or a bound is reached."""
    descending = query.descending

    def order(entry: tuple[_Source, Task]) -> tuple[bool, object, str, int]:
        source, task = entry
        value = query.value_of(task)
        return (value is None) != descending, value, source.name, task.id  # nulls come last in both directions

    taken: list[tuple[str, Task]] = []
    counts = dict.fromkeys(sources, 0)
    size = 0
    for source, task in merge(*map(_entries, sources), key=order, reverse=descending):
        size += json_size(task)
        if taken and size > max_bytes:
            break
        taken.append((source.name, task))
        counts[source] += 1
        if len(taken) == limit or (source.has_more and counts[source] == len(source.tasks)):
            break
    for source, count in counts.items():
        source.tasks = source.tasks[count:]
    more = any(source.has_more or source.tasks for source in sources)
    positions = {source.name: source.position for source in sources if source.position is not None}
    return MergedPage(taken, Place(taken[-1][0], query.cursor(taken[-1][1])) if more else None, positions)


def _entries(source: _Source) -> Iterable[tuple[_Source, Task]]:
    return ((source, task) for task in source.tasks)
