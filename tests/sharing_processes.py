"""The processes that share a store, as leases and consumers see them, within the process of a test."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, ClassVar, cast

from patience import until

from tasksvc import Change, CreateTask, InMemoryRepository, Position, StoreUnavailable, TaskDraft, TaskRepository
from tasksvc.application.change_watch import ChangeWatch
from tasksvc.application.clock import now
from tasksvc.application.consumers import Consumer, Start
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.plugin_records import Records
from tasksvc.ports.store import Capability

NAMESPACE = "plugin:test"
CONSUMING = Timeouts(
    consumer_poll=0.01, consumer_retry=0.01, consumer_retry_max=0.05, consumer_token=0.05, feed_retry=0.01
)
"""The timeouts of a consumer that is quick."""

POLLS = {"changed_workspaces", "find"}
"""What a consumer that is idle asks a store, with workspaces or without."""

Hook = Callable[[str], Awaitable[None]]


class SharedRepository(InMemoryRepository):
    """A store in memory that several processes may serve, as far as it says."""

    capabilities: ClassVar = InMemoryRepository.capabilities | {Capability.SHARED}


async def works(method: str) -> None:
    """Lets a call pass."""


async def fails(method: str) -> None:
    """Fails, before a call or after it."""
    raise StoreUnavailable("The disk is on fire.")


async def hangs(method: str) -> None:
    """Hangs as if the store did."""
    await asyncio.Event().wait()


async def fails_to_write(method: str) -> None:
    """Fails at commits, and only there."""
    if method == "commit":
        await fails(method)


async def hangs_at_writing(method: str) -> None:
    """Never returns from a commit, not even if it's cancelled."""
    while method == "commit":
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            if RELEASED.is_set():
                raise


RELEASED = asyncio.Event()
"""Set where commits that hang may be cancelled, at the end of a test."""


class Link:
    """The way of one process to a store, which may fail."""

    def __init__(self, store: TaskRepository) -> None:
        self.store = store
        self.before: Hook = works
        """Called with the name of each method, before the store is."""
        self.after: Hook = works
        """Called after that, when the store has done it."""
        self.calls: list[str] = []

    @property
    def repository(self) -> TaskRepository:
        """The store at the end of the link."""
        return self.workspace(self.store.workspace_name)

    def workspace(self, name: str) -> TaskRepository:
        """A workspace of the store."""
        return cast(TaskRepository, _Linked(self, self.store.workspace(name)))

    def records(self) -> Records:
        """The records of a plugin."""
        return Records(lambda: self.repository, NAMESPACE)


class _Linked:
    """A repository at the end of a link."""

    def __init__(self, link: Link, repository: TaskRepository) -> None:
        self._link, self._repository = link, repository

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._repository, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **more: Any) -> Any:
            self._link.calls.append(name)
            await self._link.before(name)
            result = await found(*arguments, **more)
            await self._link.after(name)
            return result

        return call


class ConsumingProcess:
    """A process with a consumer, which keeps what that was given."""

    def __init__(
        self,
        store: TaskRepository,
        *,
        start: Start = Start.BEGINNING,
        timeouts: Timeouts = CONSUMING,
        limits: Limits = Limits(),  # noqa: B008  (it's a tuple)
        concurrency: int = 8,
    ) -> None:
        self.link = Link(store)
        self.watch = ChangeWatch(lambda: self.link.repository, timeouts)
        self.given: list[tuple[str, list[int]]] = []
        """The workspace and the numbers of the changes of each call."""
        self.lost: list[tuple[str, Position, Position]] = []
        self.handling: Callable[[str], Awaitable[None]] = works
        """Called with the workspace, before the changes count as given."""
        self.consumer = Consumer(
            "test",
            self._handle,
            records=self.link.records(),
            workspace=self.link.workspace,
            watch=self.watch,
            start=start,
            lost=self._lost,
            concurrency=concurrency,
            timeouts=timeouts,
            limits=limits,
        )
        self.task = asyncio.create_task(self.consumer.run())

    async def _handle(self, workspace: str, changes: Sequence[Change], position: Position) -> None:
        assert position.seq == changes[-1].seq
        await self.handling(workspace)
        self.given.append((workspace, [change.seq for change in changes]))

    async def _lost(self, workspace: str, since: Position, start: Position) -> None:
        self.lost.append((workspace, since, start))

    def numbers(self, workspace: str) -> list[int]:
        """Returns the numbers of all changes of a workspace that were given, in their order."""
        return [number for name, numbers in self.given if name == workspace for number in numbers]

    async def until_given(self, workspace: str, last: int) -> None:
        """Waits until the change `last` of a workspace was given."""
        await until(lambda: last in self.numbers(workspace))

    async def until_idle(self) -> None:
        """Waits until it has begun and has nothing to do."""
        while await self.link.store.record(NAMESPACE, "consumer:test") is None:
            await asyncio.sleep(0.01)
        while True:
            asked, noticed = len(self.link.calls), self.watch.noticed
            await until(lambda asked=asked: sum(call in POLLS for call in self.link.calls[asked:]) > 2)  # type: ignore[misc]
            if not self.consumer.pending and noticed == self.watch.noticed:
                return

    async def stop(self) -> None:
        """Ends the process in order."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def kill(self) -> None:
        """Ends the process without another word to the store."""
        self.link.before = hangs
        await self.stop()


async def change(store: TaskRepository, workspace: str = "default", count: int = 1) -> Position:
    """Makes changes in a workspace, a commit for each, and returns the end of its log."""
    for _ in range(count):
        committed = await store.workspace(workspace).commit([CreateTask(TaskDraft("x"))], at=now())
    return committed.position


async def prune(store: TaskRepository, left: int) -> None:
    """Leaves as many changes in the log of each workspace."""
    long_ago = now() - timedelta(days=1)
    await store.prune(log_before=long_ago, max_changes=left, keys_before=long_ago, limit=10_000)


async def keys(store: TaskRepository) -> Counter[str]:
    """Returns how many records there are of each kind."""
    return Counter(each.key.partition(":")[0] for each in await store.records(NAMESPACE, limit=1_000))


async def unseen(store: TaskRepository) -> Sequence[str]:
    """Returns the workspaces that have changed after the token in the consumer's state."""
    state = await store.record(NAMESPACE, "consumer:test")
    assert state is not None
    return (await store.changed_workspaces(state.value["token"], limit=10)).names


class Gate:
    """Holds up the handling of some workspaces."""

    def __init__(self, *workspaces: str) -> None:
        self.workspaces, self.opened, self.waiting = set(workspaces), asyncio.Event(), set[str]()

    async def __call__(self, workspace: str) -> None:
        if workspace in self.workspaces:
            self.waiting.add(workspace)
            await self.opened.wait()
