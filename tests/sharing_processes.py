"""The processes that share a store, as leases and consumers see them, within the process of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, cast

from tasksvc import InMemoryRepository, StoreUnavailable, TaskRepository
from tasksvc.application.plugin_records import Records
from tasksvc.ports.store import Capability

NAMESPACE = "plugin:test"

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
    """Never returns."""
    await asyncio.Event().wait()


async def fails_to_write(method: str) -> None:
    """Fails at commits."""
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
