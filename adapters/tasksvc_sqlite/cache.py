"""What this process knows of the file without asking it: bounded, and never older than a read would be.

That is so because no other process writes to the file, and each commit is noted here twice: before
it is written, from when on readers may see it there, and after.  In between, what it touches is
neither answered from here nor taken in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Mapping
from sys import getsizeof
from typing import Final

from tasksvc import Found, Ledger, Page, Position, StoreHeader, Task, codec

_TASKS_BYTES: Final = 8 * 2**20
"""Of the tasks of each of the two generations."""
_TASK_BYTES: Final = 64 * 2**10
"""Of the largest task that is worth it."""
_PAGES_MAX: Final = 8
_PAGES_BYTES: Final = 2**20
"""Of all pages."""


class StoreCache:
    """The last change, the highest id, and the recent tasks and pages."""

    def __init__(self, header: StoreHeader) -> None:
        self.generation, self.last_id, self.last_seq, _ = header
        self.tasks = TaskCache()
        self.pages = PageCache()
        self.changed = asyncio.Event()
        """Set at the next commit; then it is another one."""

    @property
    def position(self) -> Position:
        """The position of the last change."""
        return Position(self.generation, self.last_seq)

    def begin_commit(self, task_ids: Iterable[int]) -> None:
        """A commit that changes these tasks is about to be written."""
        self.tasks.begin_commit(task_ids)
        self.pages.begin_commit()

    def end_commit(self, ledger: Ledger, tasks: Mapping[int, Task | None]) -> None:
        """It is written, and left the store and these tasks so."""
        self.last_id, self.last_seq = ledger.last_id, ledger.last_seq
        self.tasks.end_commit([Found(task, self.generation) for task in tasks.values() if task is not None])
        self.pages.end_commit()
        self.wake()

    def abort_commit(self) -> None:
        """It is not written, as far as is known."""
        self.tasks.end_commit(())
        self.pages.end_commit()

    def restore_begins(self) -> None:
        """The store, which is empty, is about to be filled."""
        self.begin_commit(())

    def restore_ends(self, header: StoreHeader) -> None:
        """It is filled, or still empty; this is its header."""
        self.generation, self.last_id, self.last_seq, _ = header
        self.abort_commit()
        self.wake()

    def wake(self) -> None:
        """Wakes those who wait for a change."""
        self.changed.set()
        self.changed = asyncio.Event()


class TaskCache:
    """Tasks that were written or read lately, each with the generation that it was found in.

    They live in two generations: when the young one is full it becomes the old one, whose tasks are
    forgotten next time, unless they were asked for.  That is nearly as good as an order of use, and cheaper.
    """

    def __init__(self) -> None:
        self._young: dict[int, Found] = {}
        self._old: dict[int, Found] = {}
        self._bytes = 0
        self._changing: frozenset[int] = frozenset()
        self._reading: set[int] = set()

    def get(self, task_id: int) -> Found | None:
        found = self._young.get(task_id)
        if found is None and (found := self._old.pop(task_id, None)) is not None:
            self._put(found)
        return found

    def begin_read(self, task_ids: Iterable[int]) -> None:
        """These are about to be read.  There is one reading at a time."""
        self._reading = set(task_ids) - self._changing

    def end_read(self, read: Iterable[Found]) -> None:
        """These were read, and are taken in where no commit came between."""
        for found in read:
            if found.task.id in self._reading:
                self._put(found)

    def begin_commit(self, task_ids: Iterable[int]) -> None:
        self._changing = frozenset(task_ids)
        self._reading -= self._changing
        for task_id in self._changing:
            self._old.pop(task_id, None)
            if (found := self._young.pop(task_id, None)) is not None:
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
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[found.task.id] = found
        self._bytes += size


class PageCache:
    """Pages that were read since the last commit."""

    def __init__(self) -> None:
        self._pages: dict[Hashable, Page] = {}
        self._bytes = 0
        self._calm: object | None = object()

    @property
    def epoch(self) -> object | None:
        """The time between two commits; None while there is a commit."""
        return self._calm

    def get(self, key: Hashable) -> Page | None:
        return self._pages.get(key)

    def put(self, key: Hashable, page: Page, *, since: object | None) -> None:
        """Takes in a page whose reading began in the calm `since`, if that goes on."""
        if since is None or since is not self._calm:
            return
        size = sum(map(size_of, page.tasks))
        if len(self._pages) >= _PAGES_MAX or self._bytes + size > _PAGES_BYTES:
            self._clear()
        if size <= _PAGES_BYTES:
            self._pages[key] = page
            self._bytes += size

    def begin_commit(self) -> None:
        self._calm = None
        self._clear()

    def end_commit(self) -> None:
        self._calm = object()

    def _clear(self) -> None:
        self._pages, self._bytes = {}, 0


def size_of(task: Task) -> int:
    """About as many bytes as `task` takes in memory, and rather too many."""
    if isinstance(task.metadata, codec.EncodedObject):
        metadata = len(task.metadata.encoded)
    else:
        metadata = 32 * len(codec.dumps(task.metadata)) if task.metadata else 0
    return 700 + getsizeof(task.description) + 160 * len(task.labels) + metadata
