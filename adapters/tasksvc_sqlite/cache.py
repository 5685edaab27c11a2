"""A bounded cache of tasks and pages that is never staler than the file.

No other process writes to the file, and each commit is announced to the cache twice: before it is written, since
readers may see it from then on, and after.  In between it neither returns nor takes in what the commit touches.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from sys import getsizeof
from typing import Final, Generic, NamedTuple, TypeVar

from tasksvc import DEFAULT_WORKSPACE, Broadcasts, Found, Page, Position, Task, codec

_TASKS_BYTES: Final = 8 * 2**20
"""The most bytes of tasks in each of the two generations."""
_TASK_BYTES: Final = 64 * 2**10
"""The most bytes of a task that is cached."""
_PAGES_MAX: Final = 8
_PAGES_BYTES: Final = 2**20
"""The most bytes of all pages."""
_OTHER_KEY_BYTES: Final = 400
"""The bytes that the key of a task beside those of the default workspace takes more, with its name and generation."""
_WORKSPACES_MAX: Final = 2_048
"""The most workspaces in each of the two generations; one takes about 500 bytes."""

TaskKey = int | tuple[str, int]
"""The id of a task of the default workspace; that of another one with the name of its workspace."""


def task_key(workspace: str, task_id: int) -> TaskKey:
    """Returns the key of a task in the cache."""
    return task_id if workspace == DEFAULT_WORKSPACE else (workspace, task_id)


class StoreState(NamedTuple):
    """What the rows of a store say of it, for the writer that continues it."""

    epoch: str
    life: str
    """A generation that is another one after each restore and each renewal of the store."""
    generation: str
    """The effective generation of the default workspace."""
    last_id: int
    last_seq: int
    """The highest id and the last change of the default workspace."""
    position: int
    """The position of the last change of all other workspaces.  Each erasure takes one too."""
    last_key: int
    """The last key of a workspace."""
    has_parents: bool
    """Whether a task of the default workspace has a parent."""

    @property
    def mark(self) -> Position:
        """What the mark beside the file says of it: `seq` grows with each change in any workspace."""
        return Position(self.life, self.last_seq + self.position)


class Header:
    """The numbers of a workspace, as the last commit left them; only the writer changes them."""

    __slots__ = ("generation", "has_parents", "is_large", "key", "last_id", "last_seq", "pruned_seq", "task_count")

    def __init__(
        self,
        key: int,
        generation: str,
        last_id: int,
        last_seq: int,
        pruned_seq: int,
        *,
        is_large: bool = False,
        has_parents: bool = False,
    ) -> None:
        """Takes the key, 0 for the default workspace or one that isn't made, and the effective generation."""
        self.key, self.generation = key, generation
        self.last_id, self.last_seq, self.pruned_seq = last_id, last_seq, pruned_seq
        self.is_large = is_large
        self.has_parents = has_parents
        """Whether a task has a parent, or had one lately; if not, nobody needs to look for tasks below others."""
        self.task_count: int | None = None
        """The number of tasks, which is counted when a commit bounds it for the first time."""

    @property
    def position(self) -> Position:
        """The position of the last change."""
        return Position(self.generation, self.last_seq)


class Place(NamedTuple):
    """Where to read what is in a workspace that is made; this never changes, but that it grows large."""

    key: int
    generation: str
    epoch: str
    is_large: bool


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """The values that were used lately, in two generations as those of TaskCache."""

    def __init__(self, size: int = _WORKSPACES_MAX) -> None:
        self._size = size
        self._recent: dict[Key, Value] = {}
        self._older: dict[Key, Value] = {}

    def get(self, key: Key) -> Value | None:
        value = self._recent.get(key)
        if value is None and (value := self._older.pop(key, None)) is not None:
            self.put(key, value)
        return value

    def put(self, key: Key, value: Value) -> None:
        if len(self._recent) >= self._size:
            self._older, self._recent = self._recent, {}
        self._recent[key] = value

    def drop(self, key: Key) -> None:
        self._recent.pop(key, None)
        self._older.pop(key, None)

    def clear(self) -> None:
        self._recent, self._older = {}, {}


class StoreCache:
    """The last changes and highest ids of workspaces, and the recent tasks and pages."""

    def __init__(self, state: StoreState) -> None:
        self.tasks = TaskCache()
        self.pages = PageCache()
        self.changed = Broadcasts()
        """Notifies of each commit, by the name of its workspace."""
        self.headers: Recent[str, Header] = Recent()
        """The headers of workspaces beside the default one that were written to lately."""
        self.places: Recent[str, Place] = Recent()
        """The places of workspaces that were read lately."""
        self.erasures = 0
        """A number that changes when an erasure begins, and when it ends."""
        self._take(state)

    def _take(self, state: StoreState) -> None:
        self.epoch, self.life, self.position, self.last_key = state.epoch, state.life, state.position, state.last_key
        self.default = Header(
            0, state.generation, state.last_id, state.last_seq, 0, has_parents=bool(state.has_parents)
        )
        self.headers.clear()
        self.places.clear()

    def header(self, workspace: str) -> Header | None:
        """Returns the header of a workspace, if it's known."""
        return self.default if workspace == DEFAULT_WORKSPACE else self.headers.get(workspace)

    def begin_commit(self, tasks: Iterable[TaskKey]) -> None:
        """Prepares for a commit that changes these tasks, before it is written."""
        self.tasks.begin_commit(tasks)
        self.pages.begin_commit()

    def end_commit(self, tasks: Iterable[tuple[TaskKey, Found]], workspaces: Sequence[str]) -> None:
        """Takes in the tasks that the commit left, after it was written to `workspaces`."""
        self.tasks.end_commit(tasks)
        self.pages.end_commit()
        self.changed.notify(workspaces)

    def abort_commit(self) -> None:
        """Takes note that the commit wasn't written, as far as is known."""
        self.tasks.end_commit(())
        self.pages.end_commit()

    def begin_erasure(self, workspace: str) -> None:
        """Prepares for the erasure of a workspace, before it is written."""
        self.erasures += 1
        self.headers.drop(workspace)
        self.places.drop(workspace)
        self.tasks.begin_erasure(workspace)
        self.pages.begin_commit()

    def end_erasure(self, workspace: str) -> None:
        """Forgets what was read of the workspace meanwhile, after it was erased or the erasure failed."""
        self.erasures += 1
        self.places.drop(workspace)
        self.abort_commit()
        self.changed.notify((workspace,))

    def begin_restore(self) -> None:
        """Prepares for the restore of an empty store."""
        self.begin_commit(())

    def end_restore(self, state: StoreState) -> None:
        """Takes in the state of the store after a restore, which may have failed."""
        self._take(state)
        self.tasks.clear()
        self.abort_commit()
        self.changed.notify_all()


class TaskCache:
    """Tasks that were written or read lately, each with the generation that it was found in.

    They are in two generations: when the recent one is full it becomes the older one, whose tasks are
    dropped the next time, unless they were asked for.  That is nearly as good as an order of use, and cheaper.
    """

    def __init__(self) -> None:
        self._recent: dict[TaskKey, Found] = {}
        self._older: dict[TaskKey, Found] = {}
        self._bytes = 0
        self._changing: frozenset[TaskKey] = frozenset()
        self._reading: set[TaskKey] = set()
        self._erasing: str | None = None
        """The workspace that is being erased."""

    def get(self, key: TaskKey) -> Found | None:
        found = self._recent.get(key)
        if found is None and (found := self._older.pop(key, None)) is not None:
            self._put(key, found)
        return found

    def begin_read(self, keys: Iterable[TaskKey]) -> None:
        """Prepares for a read of these tasks.  There is one read at a time."""
        self._reading = set(keys) - self._changing
        if self._erasing is not None:
            self._reading -= _of_workspace(self._reading, self._erasing)

    def end_read(self, read: Iterable[tuple[TaskKey, Found]]) -> None:
        """Takes in the tasks that were read, except those that a commit touched in between."""
        for key, found in read:
            if key in self._reading:
                self._put(key, found)

    def begin_commit(self, keys: Iterable[TaskKey]) -> None:
        self._changing = frozenset(keys)
        self._reading -= self._changing
        for key in self._changing:
            self._older.pop(key, None)
            if (found := self._recent.pop(key, None)) is not None:
                self._bytes -= _size(key, found)

    def begin_erasure(self, workspace: str) -> None:
        self._erasing = workspace
        self.begin_commit(
            key for keys in (self._recent, self._older, self._reading) for key in _of_workspace(keys, workspace)
        )

    def end_commit(self, written: Iterable[tuple[TaskKey, Found]]) -> None:
        """Takes in the tasks that a commit left.  An erasure ends with it too."""
        self._changing, self._erasing = frozenset(), None
        for key, found in written:
            self._put(key, found)

    def clear(self) -> None:
        """Forgets all tasks, those too that are being read."""
        self._recent, self._older, self._bytes = {}, {}, 0
        self._reading = set()

    def _put(self, key: TaskKey, found: Found) -> None:
        size = _size(key, found)
        if size > _TASK_BYTES:
            return
        if self._bytes + size > _TASKS_BYTES:
            self._older, self._recent, self._bytes = self._recent, {}, 0
        self._recent[key] = found
        self._bytes += size


def _of_workspace(keys: Iterable[TaskKey], workspace: str) -> set[TaskKey]:
    """Returns those of `keys` that are of tasks of the workspace."""
    return {key for key in keys if (DEFAULT_WORKSPACE if isinstance(key, int) else key[0]) == workspace}


def _size(key: TaskKey, found: Found) -> int:
    return size_of(found.task) + (0 if type(key) is int else _OTHER_KEY_BYTES)


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
    return (
        800
        + getsizeof(task.description)
        + getsizeof(task.notes)
        + getsizeof(task.list)
        + (getsizeof(task.uid) if task.uid else 0)
        + (getsizeof(task.position) if task.position else 0)
        + 160 * len(task.labels)
        + metadata
        + (1_000 if task.repeat else 0)
    )
