"""A bounded cache of tasks and pages that is never staler than the file.

No other process writes to the file, and each commit is announced to the cache twice: before it is written, since
readers may see it from then on, and after.  In between it neither returns nor takes in what the commit touches.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from sys import getsizeof
from typing import Final

from tasksvc import Broadcast, Found, Ledger, Page, Position, StoreHeader, Task, codec

_TASKS_BYTES: Final = 8 * 2**20
"""The most bytes of tasks in each of the two generations."""
_TASK_BYTES: Final = 64 * 2**10
"""The most bytes of a task that is cached."""
_PAGES_MAX: Final = 8
_PAGES_BYTES: Final = 2**20
"""The most bytes of all pages."""


class StoreCache:
    """The last change, the highest id, and the recent tasks and pages."""

    def __init__(self, header: StoreHeader) -> None:
        self.generation, self.last_id, self.last_seq, _ = header
        self.tasks = TaskCache()
        self.pages = PageCache()
        self.changed = Broadcast()
        """Notifies of each commit."""

    @property
    def position(self) -> Position:
        """The position of the last change."""
        return Position(self.generation, self.last_seq)

    def begin_commit(self, task_ids: Iterable[int]) -> None:
        """Prepares for a commit that changes these tasks, before it is written."""
        self.tasks.begin_commit(task_ids)
        self.pages.begin_commit()

    def end_commit(self, ledger: Ledger, tasks: Mapping[int, Task | None]) -> None:
        """Takes in what the commit left, after it was written."""
        self.last_id, self.last_seq = ledger.last_id, ledger.last_seq
        self.tasks.end_commit([Found(task, self.generation) for task in tasks.values() if task is not None])
        self.pages.end_commit()
        self.changed.notify()

    def abort_commit(self) -> None:
        """Takes note that the commit wasn't written, as far as is known."""
        self.tasks.end_commit(())
        self.pages.end_commit()

    def begin_restore(self) -> None:
        """Prepares for the restore of an empty store."""
        self.begin_commit(())

    def end_restore(self, header: StoreHeader) -> None:
        """Takes in the header of the store after a restore, which may have failed."""
        self.generation, self.last_id, self.last_seq, _ = header
        self.abort_commit()
        self.changed.notify()


class TaskCache:
    """Tasks that were written or read lately, each with the generation that it was found in.

    They are in two generations: when the recent one is full it becomes the older one, whose tasks are
    dropped the next time, unless they were asked for.  That is nearly as good as an order of use, and cheaper.
    """

    def __init__(self) -> None:
        self._recent: dict[int, Found] = {}
        self._older: dict[int, Found] = {}
        self._bytes = 0
        self._changing: frozenset[int] = frozenset()
        self._reading: set[int] = set()

    def get(self, task_id: int) -> Found | None:
        found = self._recent.get(task_id)
        if found is None and (found := self._older.pop(task_id, None)) is not None:
            self._put(found)
        return found

    def begin_read(self, task_ids: Iterable[int]) -> None:
        """Prepares for a read of these tasks.  There is one read at a time."""
        self._reading = set(task_ids) - self._changing

    def end_read(self, read: Iterable[Found]) -> None:
        """Takes in the tasks that were read, except those that a commit touched in between."""
        for found in read:
            if found.task.id in self._reading:
                self._put(found)

    def begin_commit(self, task_ids: Iterable[int]) -> None:
        self._changing = frozenset(task_ids)
        self._reading -= self._changing
        for task_id in self._changing:
            self._older.pop(task_id, None)
            if (found := self._recent.pop(task_id, None)) is not None:
                self._bytes -= size_of(found.task)

    def end_commit(self, written: Iterable[Found]) -> None:
        self._changing = frozenset()
        for found in written:
            self._put(found)

    def _put(self, found: Found) -> None:
        size = size_of(found.task)
        if size > _TASK_BYTES:
            return
        if self._bytes + size > _TASKS_BYTES:
            self._older, self._recent, self._bytes = self._recent, {}, 0
        self._recent[found.task.id] = found
        self._bytes += size


class PageCache:
    """Pages that were read since the last commit."""

    def __init__(self) -> None:
        self._pages: dict[Hashable, Page] = {}
        self._bytes = 0
        self._epoch: object | None = object()

    @property
    def epoch(self) -> object | None:
        """An object that changes with every commit, compared by identity; None while a commit is written."""
        return self._epoch

    def get(self, key: Hashable) -> Page | None:
        return self._pages.get(key)

    def put(self, key: Hashable, page: Page, *, since: object | None) -> None:
        """Takes in a page whose read began in the epoch `since`, if that hasn't ended."""
        if since is None or since is not self._epoch:
            return
        size = sum(map(size_of, page.tasks))
        if len(self._pages) >= _PAGES_MAX or self._bytes + size > _PAGES_BYTES:
            self._clear()
        if size <= _PAGES_BYTES:
            self._pages[key] = page
            self._bytes += size

    def begin_commit(self) -> None:
        self._epoch = None
        self._clear()

    def end_commit(self) -> None:
        self._epoch = object()

    def _clear(self) -> None:
        self._pages, self._bytes = {}, 0


def size_of(task: Task) -> int:
    """Returns an upper estimate of the bytes that `task` takes in memory."""
    if isinstance(task.metadata, codec.EncodedObject):
        metadata = len(task.metadata.encoded)
    else:
        metadata = 32 * len(codec.dumps(task.metadata)) if task.metadata else 0
    return 700 + getsizeof(task.description) + 160 * len(task.labels) + metadata
