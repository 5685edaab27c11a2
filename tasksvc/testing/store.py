"""A store under test: opened through the resolver, closed in every case, with short ways to use it."""

from __future__ import annotations

import asyncio
import copy
import functools
import os
import random
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import pytest

from tasksvc import (
    ANY_VERSION,
    DEFAULT_WORKSPACE,
    LOG_START,
    Capability,
    Change,
    ChangeKind,
    CommitResult,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    Position,
    Precondition,
    StoreEntry,
    StoreRefused,
    StoreURL,
    Task,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    Version,
    Write,
)
from tasksvc.store_adapters import open_repository
from tasksvc.testing.neighbours import Neighbours
from tasksvc.testing.other_process import OtherProcess
from tasksvc.testing.samples import NOW

ANOTHER = "another"
"""The name of the workspace in which each test runs after it ran in the default one."""

Beside = Literal["writers", "data", "nothing"]
"""What is beside the workspace of a test: others that are written to meanwhile, others with data, or none."""

_restart: ContextVar[Callable[[], None] | None] = ContextVar("restart", default=None)
"""What restarts the time limit of the test that runs."""

Error = TypeVar("Error", bound=Exception)
Case = TypeVar("Case")


class StoreUnderTest:
    """What the author of an adapter defines about the store.

    Only store_url() is needed.  Without one of the other methods, the tests that need it are skipped by name.
    """

    patience: float = 120
    """Seconds after which a test fails because the store hangs.  Set more for a slow store."""

    shortening: float = 20
    """Seconds for which the test of arbitrary calls looks for fewer calls that fail in the same way."""

    def store_url(self, tmp_path: Path) -> str:
        """Returns the URL of the store in the folder `tmp_path`: the same folder, the same store."""
        raise NotImplementedError(f"{type(self).__name__} must give store_url(self, tmp_path).")

    def fail_driver(self, repository: TaskRepository) -> AbstractContextManager[None]:
        """Makes every write of the driver fail until the end of the block, with nothing written.

        For stores in files there is `failing_files()`. For a server, make it refuse writes: turn it read-only as an
        administrator, install a trigger that raises, or end the session of each transaction that is open.
        """
        pytest.skip(f"{type(self).__name__} gives no fail_driver(), so what a failing driver does was not tested.")

    def cut_commit(self, repository: TaskRepository) -> AbstractContextManager[None]:
        """Cuts the driver off inside every commit until the end of the block: the store does it, the answer is lost.

        For stores in files there is `failing_syncs()`. For a server, close the connection when the statement that
        commits was done and before the driver sees its result, in a proxy or in a subclass of the driver's connection.
        """
        pytest.skip(f"{type(self).__name__} gives no cut_commit(), so a commit whose answer is lost was not tested.")

    def break_connections(self, repository: TaskRepository) -> None:
        """Closes every idle connection of `repository` from the side of the server, as a restart of it does."""
        pytest.skip(f"{type(self).__name__} gives no break_connections(), so connections that broke were not tested.")

    def hang_driver(self, repository: TaskRepository) -> AbstractContextManager[None]:
        """Makes the store answer no statement until the end of the block, while its connections stay open.

        For a server, lock its tables in another session, or stop passing data on in a proxy. Set the adapter's time
        limit in `store_url()`: each call must end well within `patience`.
        """
        pytest.skip(f"{type(self).__name__} gives no hang_driver(), so a store that hangs was not tested.")


class Store:
    """An open store under test, and one of its workspaces. The default for each time is NOW."""

    def __init__(self, under_test: StoreUnderTest, folder: Path, workspace: str = DEFAULT_WORKSPACE) -> None:
        self._under_test, self._folder = under_test, folder
        self.workspace = workspace
        """The name of the workspace that the methods read and write."""
        self.beside: Neighbours | None = None
        """The other workspaces of the store that hold data."""
        self.writes_beside = False
        """Whether these are written to while this one is."""
        self._idle: list[OtherProcess] = []
        self._processes: list[OtherProcess] = []
        self._closing = AsyncExitStack()
        self.folder_of_another = folder
        """The folder of the last URL that url_of_another() returned."""
        self._others = 0
        self._opened: TaskRepository | None = None

    async def __aenter__(self) -> Store:
        self._folder.mkdir(parents=True)
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        async with asyncio.timeout(self.patience):
            await self._closing.aclose()

    async def _open(self) -> None:
        self._opened = await open_repository(self.url)
        self._closing.push_async_callback(self._opened.close)

    @property
    def patience(self) -> float:
        """The number of seconds after which the test fails because the store hangs."""
        return self._under_test.patience

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self._under_test.store_url(self._folder)

    @property
    def opened(self) -> TaskRepository:
        """The repository that the adapter's hook returned, which is that of the default workspace."""
        assert self._opened is not None
        return self._opened

    @property
    def repository(self) -> TaskRepository:
        """The repository of the workspace."""
        return self._of_workspace(self.opened)

    def _of_workspace(self, repository: TaskRepository) -> TaskRepository:
        return repository if self.workspace == DEFAULT_WORKSPACE else repository.workspace(self.workspace)

    async def reopen(self) -> None:
        """Closes the store and opens it again."""
        await self.close()
        await self._open()

    async def close(self) -> None:
        """Closes the store, if it is open."""
        if self.beside is not None:
            await self.beside.rest()
        await self.opened.close()

    def within(self, workspace: str) -> Store:
        """Returns this store, as it is open now, for use of another workspace."""
        other = copy.copy(self)
        other.workspace = workspace
        return other

    def enter(self, workspace: str) -> None:
        """Goes on in another workspace."""
        self.workspace = workspace
        self._idle, self._processes = self._processes, []

    async def replica(self, url: str | None = None) -> TaskRepository:
        """Opens this store, or that of `url`, once more in this process, until the end of the test."""
        try:
            repository = await open_repository(url or self.url)
        except StoreRefused as error:
            name = type(self.opened).__name__
            raise AssertionError(f"{name} declares SHARED, so the store can be opened a second time") from error
        self._closing.push_async_callback(repository.close)
        return self._of_workspace(repository)

    async def other_process(self, url: str | None = None) -> OtherProcess:
        """Opens this store, or that of `url`, in another process, until the end of the test.

        A process that has it open since the test ran in the workspace before is taken again.
        """
        while url is None and self._idle:
            if (process := self._idle.pop()).is_running:
                break
        else:
            process = OtherProcess(url or self.url, patience=self.patience)
            await self._closing.enter_async_context(process)
        if url is None:
            self._processes.append(process)
        return process.workspace(self.workspace)

    @property
    def scheme(self) -> str:
        """The scheme of the store's URL."""
        return StoreURL(self.url).scheme

    def atomic_write(self) -> Path:
        """Returns an empty file outside of the store's folder."""
        file = self._folder_of_another().with_suffix(".file")
        file.touch()
        return file

    def files_open_to_others(self) -> list[str]:
        """Returns the files in the store's folder that other users may read or write, with their permissions."""
        found = []
        for folder, _, names in os.walk(self._folder):
            mode = os.stat(folder).st_mode
            if folder != str(self._folder) and not mode & 0o077:
                continue  # other users can't reach what is in it
            modes = {name: os.stat(os.path.join(folder, name)).st_mode for name in names}
            found += [f"{name}: {stat.S_IMODE(mode):o}" for name, mode in modes.items() if mode & 0o077]
        return found

    @property
    def folder(self) -> Path:
        """The folder of the store."""
        return self._folder

    def url_of_another(self) -> str:
        """Returns the URL of another store, which was never opened."""
        self.folder_of_another = self._folder_of_another()
        self.folder_of_another.mkdir()
        return self._under_test.store_url(self.folder_of_another)

    async def another(self) -> Store:
        """Returns another store, open and empty, which is closed with this one."""
        store = Store(self._under_test, self._folder_of_another(), self.workspace)
        return await self._closing.enter_async_context(store)

    def _folder_of_another(self) -> Path:
        self._others += 1
        return self._folder.with_name(f"{self._folder.name}-{self._others}")

    def share(self, cases: Sequence[Case]) -> Sequence[Case]:
        """Returns the half of many cases that the test looks at in this workspace; the other one has the rest."""
        if Capability.WORKSPACES not in self.opened.capabilities:
            return cases
        shuffled = random.Random(len(cases)).sample(range(len(cases)), len(cases))  # the same in both
        half = len(cases) // 2
        return [cases[n] for n in sorted(shuffled[half:] if self.workspace == DEFAULT_WORKSPACE else shuffled[:half])]

    def need(self, *capabilities: Capability) -> None:
        """Skips the test if the store declares one of `capabilities` absent."""
        for capability in capabilities:
            if capability not in self.opened.capabilities:
                pytest.skip(f"{type(self.opened).__name__} declares {capability.name} absent.")

    def fail_driver(self) -> AbstractContextManager[None]:
        """Makes the driver fail, or skips the test."""
        return self._under_test.fail_driver(self.opened)

    def cut_commit(self) -> AbstractContextManager[None]:
        """Loses the answers to commits, or skips the test."""
        return self._under_test.cut_commit(self.opened)

    def break_connections(self) -> None:
        """Breaks all idle connections, or skips the test."""
        self._under_test.break_connections(self.opened)

    def hang_driver(self) -> AbstractContextManager[None]:
        """Makes the store hang, or skips the test."""
        return self._under_test.hang_driver(self.opened)

    # ------------------------------------------------------------ writing

    async def commit(
        self,
        *writes: Write,
        at: datetime = NOW,
        idempotency_key: IdempotencyKey | None = None,
        tasks_max: int | None = None,
        by: str | None = None,
    ) -> CommitResult:
        if self.beside is not None and self.writes_beside:
            self.beside.test_commits()
        return await self.repository.commit(writes, at=at, idempotency_key=idempotency_key, tasks_max=tasks_max, by=by)

    async def add(self, description: str = "a task", *, at: datetime = NOW, **fields: Any) -> Task:
        return await self.add_draft(TaskDraft(description, **fields), at=at)

    async def add_draft(self, draft: TaskDraft, *, at: datetime = NOW) -> Task:
        return cast(Task, (await self.commit(CreateTask(draft), at=at)).results[0])

    async def add_all(self, drafts: Sequence[TaskDraft]) -> list[Task]:
        """Creates all `drafts` in one commit."""
        return cast(list[Task], list((await self.commit(*map(CreateTask, drafts))).results))

    async def patch(
        self, task: Task, *, at: datetime = NOW, expected: Precondition = ANY_VERSION, **fields: Any
    ) -> Task:
        return cast(Task, (await self.commit(UpdateTask(task.id, fields, expected), at=at)).results[0])

    async def remove(self, task: Task, *, at: datetime = NOW, expected: Precondition = ANY_VERSION) -> None:
        await self.commit(DeleteTask(task.id, expected), at=at)

    # ------------------------------------------------------------ reading

    async def get(self, task_id: int) -> Task:
        return (await self.repository.get(task_id)).task

    async def listed(self, query: TaskQuery | None = None, *, page_size: int = 1_000) -> list[Task]:
        """Returns the whole list, read page by page."""
        tasks: list[Task] = []
        after = None
        while True:
            page = await self.repository.find(query or TaskQuery(), after=after, limit=page_size)
            tasks += page.tasks
            if page.next is None:
                return tasks
            assert page.next != after, "the next place lies behind the page"
            after = page.next

    async def log(self, since: Position = LOG_START, *, page_size: int = 1_000) -> list[Change]:
        """Returns the whole log after `since`, read page by page."""
        changes: list[Change] = []
        while True:
            page = await self.repository.read_changes(since, limit=page_size)
            changes += page.changes
            if not page.more:
                return changes
            assert page.next.seq > since.seq, "one reads on behind the page"
            since = page.next

    async def head(self) -> Position:
        """Returns the position of the last change."""
        return (await self.repository.find(TaskQuery(), limit=1)).position

    async def generation(self) -> str:
        """Returns the generation of the workspace; "" if nothing was ever written to it."""
        return (await self.head()).generation

    async def versions(self, *numbers: int) -> frozenset[Version]:
        """Returns versions of a task in this generation of the workspace, for a Precondition."""
        generation = await self.generation()
        return frozenset(Version(generation, number) for number in numbers)

    async def check(self) -> None:
        """Checks that the log has no gaps and leads to the list, in one snapshot of the list."""
        page = await self.repository.find(TaskQuery(), limit=1_000)
        assert page.next is None, "check() is for stores of at most 1,000 tasks"
        log = (await self.log())[: page.position.seq]
        assert [change.seq for change in log] == list(range(1, page.position.seq + 1)), (
            "the log is numbered 1, 2, 3, ... without gaps, up to the position of a page"
        )
        assert replayed(log) == {task.id: task for task in page.tasks}, "the log, replayed, gives the tasks of the list"
        for task in page.tasks:
            assert await self.get(task.id) == task, "get() answers what find() lists"


def replayed(log: Sequence[Change]) -> dict[int, Task]:
    """Returns the tasks that exist after the changes of `log`, which must be a whole one."""
    tasks: dict[int, Task] = {}
    for change in log:
        is_new = change.task_id not in tasks
        assert (change.kind is ChangeKind.CREATED) == is_new, "a task is created where there is none, and only there"
        if change.task is None:
            del tasks[change.task_id]
        else:
            tasks[change.task_id] = change.task
    return tasks


async def raised(kind: type[Error] | tuple[type[Error], ...], call: Awaitable[object], rule: str) -> Error:
    """Returns the error of `kind`, or of one of these kinds, that `call` raises; it must follow `rule`."""
    __tracebackhide__ = True
    names = " or ".join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))
    try:
        answer = await call
    except kind as error:
        return error
    except Exception as error:
        raise AssertionError(f"{rule}: must raise {names}, and raised {error!r}") from error
    raise AssertionError(f"{rule}: must raise {names}, and answered {answer!r}")


async def each_of(entries: Iterable[StoreEntry]) -> AsyncIterator[StoreEntry]:
    """Yields `entries` as restore() takes them."""
    for entry in entries:
        yield entry


Test = TypeVar("Test", bound=StoreUnderTest)


def on_store(
    *needed: Capability, alone: bool = False, beside: Beside = "writers"
) -> Callable[[Callable[[Test, Store], Coroutine[Any, Any, None]]], Callable[[Test, Path], None]]:
    """Turns a coroutine function with an open, empty store that has the `needed` capabilities into a test.

    The test runs in the default workspace and then in another one, with `beside` beside it.  A test that is about a
    whole store runs `alone`: once, in the default workspace of a store that has no other.

    The test is a plain function that runs its own event loop, so it doesn't depend on how a project runs coroutines in
    tests.
    """

    def decorate(test: Callable[[Test, Store], Coroutine[Any, Any, None]]) -> Callable[[Test, Path], None]:
        def run(self: Test, tmp_path: Path) -> None:
            __tracebackhide__ = True

            async def part(store: Store, *, is_last: bool) -> None:
                __tracebackhide__ = True
                try:
                    await _run_beside(functools.partial(test, self), store, beside, is_last=is_last)
                except Exception as error:
                    error.add_note(f"This was in the workspace {store.workspace!r}.")
                    raise

            async def whole() -> None:
                __tracebackhide__ = True
                async with Store(self, tmp_path / "store") as store:
                    store.need(*needed)
                    if alone or Capability.WORKSPACES not in store.opened.capabilities:
                        await test(self, store)
                        return
                    stays = beside != "nothing" and Capability.RECORDS not in needed  # which are the store's
                    await part(store, is_last=not stays)
                    if stays:
                        store.enter(ANOTHER)
                        goes_on()
                        await part(store, is_last=True)
                        return
                async with Store(self, tmp_path / "second", ANOTHER) as store:
                    goes_on()
                    await part(store, is_last=True)

            run_alone(whole(), patience=self.patience)

        run.__name__, run.__qualname__, run.__doc__ = test.__name__, test.__qualname__, test.__doc__
        run.__module__ = test.__module__
        return run

    return decorate


async def _run_beside(test: Callable[[Store], Awaitable[None]], store: Store, beside: Beside, *, is_last: bool) -> None:
    """Runs a test in a workspace of `store` beside others, and checks these if it's the last one in that store."""
    __tracebackhide__ = True
    if beside == "nothing":
        await test(store)
        return
    if store.beside is None:
        store.beside = Neighbours(lambda: store.opened)
        await store.beside.fill()
    store.writes_beside = beside == "writers"
    await test(store)
    if beside == "data":  # the test may have left the store closed, or broken
        await store.reopen()
        if Capability.DURABLE not in store.opened.capabilities:
            store.beside = None
            return
    if is_last:
        await store.beside.check()


def goes_on() -> None:
    """Restarts the time limit of the test after a part of it, since many parts may take their time."""
    if (restart := _restart.get()) is not None:
        restart()


def run_alone(coroutine: Coroutine[Any, Any, None], *, patience: float) -> None:
    """Runs `coroutine` on a new event loop, and leaves the thread's event-loop policy unchanged.

    It fails after `patience` seconds.
    """
    __tracebackhide__ = True

    async def outcome() -> Exception | None:
        __tracebackhide__ = True
        limit = asyncio.timeout(patience)
        try:
            async with limit:
                loop = asyncio.get_running_loop()
                _restart.set(lambda: limit.reschedule(loop.time() + patience))
                await coroutine
        except TimeoutError as error:
            quiet()
            if not limit.expired():
                return error
            late = AssertionError(f"the test ends within {patience:g} s (`patience`): the store hangs, or is too slow")
            late.__cause__ = error
            return late
        except Exception as error:
            quiet()
            return error
        return None

    def quiet() -> None:
        """Keeps asyncio from reporting how the calls ended that were still running when the test failed."""
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        error = runner.run(outcome())
    if error is not None:
        raise error  # from here, so that a report shows the test and not the loop
