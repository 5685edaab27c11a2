"""An adapter that misbehaves as its URL says: faulty://METHOD/FAULT. It works correctly until it is armed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from tasksvc import ChangePage, InMemoryRepository, Page, StoreURL, TaskQuery, TaskRepository, hookimpl

BLOCK_SECONDS = 1.5
RELEASE = threading.Event()
"""Releases the calls that hang even when they are cancelled."""

Method = Callable[..., Any]


class FaultyRepository(InMemoryRepository):
    armed = False


async def raises(sound: Method, *arguments: Any, **more: Any) -> None:
    raise ZeroDivisionError("the adapter is broken")


async def is_cancelled(sound: Method, *arguments: Any, **more: Any) -> None:
    raise asyncio.CancelledError


async def gives_text(sound: Method, *arguments: Any, **more: Any) -> str:
    return "text"


async def gives_nothing(sound: Method, *arguments: Any, **more: Any) -> None:
    return None


async def hangs(sound: Method, *arguments: Any, **more: Any) -> None:
    await asyncio.Event().wait()


async def hangs_on(sound: Method, *arguments: Any, **more: Any) -> None:
    """Hangs, also when it is cancelled."""
    while not RELEASE.is_set():
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue


async def hangs_in_a_thread(sound: Method, *arguments: Any, **more: Any) -> None:
    threading.Thread(target=RELEASE.wait, name="a-thread-that-hangs").start()


async def blocks(sound: Method, *arguments: Any, **more: Any) -> Any:
    time.sleep(BLOCK_SECONDS)  # noqa: ASYNC251  # that is the fault
    return await sound(*arguments, **more)


async def leaks(sound: Method, *arguments: Any, **more: Any) -> Any:
    leaked.append(asyncio.create_task(hangs(sound)))
    return await sound(*arguments, **more)


async def lies(sound: Method, *arguments: Any, **more: Any) -> Any:
    """Returns wrong data: another task, or a position or cursor that leads elsewhere."""
    given = await sound(*arguments, **more)
    if isinstance(given, ChangePage):
        return given._replace(next=arguments[0], more=True)
    if isinstance(given, Page):
        return given._replace(next=more["after"] or given.next)
    return given._replace(task=replace(given.task, id=given.task.id + 1))


async def ignores_filters(sound: Method, *arguments: Any, **more: Any) -> Any:
    """Finds the tasks of a list without its filters, as an adapter of before a new filter would."""
    return await sound(TaskQuery(), *arguments[1:], **more)


leaked: list[asyncio.Task[None]] = []
FAULTS = {
    fault.__name__: fault
    for fault in (
        raises,
        is_cancelled,
        gives_text,
        gives_nothing,
        hangs,
        hangs_on,
        hangs_in_a_thread,
        blocks,
        leaks,
        lies,
        ignores_filters,
    )
}


PORT = 3


@hookimpl
async def tasksvc_open_store(url: StoreURL, scratch: bool) -> TaskRepository:
    name, fault = url.netloc, FAULTS[url.path.removeprefix("/")]
    repository = FaultyRepository()
    if name == "open":
        await fault(tasksvc_open_store)
        return repository
    sound = getattr(repository, name)

    async def method(*arguments: Any, **more: Any) -> Any:
        does: Awaitable[Any] = fault(sound, *arguments, **more) if repository.armed else sound(*arguments, **more)
        return await does

    setattr(repository, name, method)
    return repository
