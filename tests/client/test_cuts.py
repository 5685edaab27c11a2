"""Writes whose connection is cut at any byte are done exactly once, as the change log shows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from tasksvc_client import Change, Client, Create, Task, Update

from client.conftest import Connect, Service, new_workspace
from client.cutting import CutAt

AT_ONCE = 40
"""Connections that are cut at the same time, so that the waits of the clients overlap."""


class Write(NamedTuple):
    """A write that is tried, each time on a task of its own."""

    do: Callable[[Client, Task, int], Awaitable[Any]]
    """Writes, given a task that nobody else changes, and the number of the case."""
    changes: Callable[[int], Counter[tuple[str, str]]]
    """Returns the type of each change that it makes, with the description, given the number of the case."""
    returned: Callable[[Any], object]
    """Returns what is the same in each result."""
    expected: object


def once(type_: str, text: str) -> Callable[[int], Counter[tuple[str, str]]]:
    return lambda case: Counter({(type_, text.format(case)): 1})


async def edited(client: Client, task: Task, case: int) -> Task:
    return await client.edit(task.id, lambda there: {"priority": there.priority + 1})


WRITES = {
    "create": Write(
        lambda client, task, case: client.create(f"case {case}"),
        once("created", "case {}"),
        lambda task: (task.version, task.etag is not None),
        (1, True),
    ),
    "update": Write(
        lambda client, task, case: client.update(task.id, if_version=task, done=True),
        once("updated", "task {}"),
        lambda task: (task.version, task.done),
        (2, True),
    ),
    "edit": Write(edited, once("updated", "task {}"), lambda task: task.priority, 1),
    "delete": Write(
        lambda client, task, case: client.delete(task.id), once("deleted", "task {}"), lambda result: result, None
    ),
    "delete_matching": Write(
        lambda client, task, case: client.delete_matching(uid=task.uid),
        once("deleted", "task {}"),
        lambda number: number,
        1,
    ),
    "batch": Write(
        lambda client, task, case: client.batch([Create(f"case {case}"), Update(task.id, done=True)]),
        lambda case: Counter({("created", f"case {case}"): 1, ("updated", f"task {case}"): 1}),
        lambda results: [task.version for task in results],
        [1, 2],
    ),
}


async def prepared(client: Client, count: int) -> list[Task]:
    """Creates tasks and returns them."""
    found: list[Task] = []
    while len(found) < count:
        numbers = range(len(found), min(count, len(found) + 1_000))
        made = await client.batch([Create(f"task {number}", uid=f"uid {number}") for number in numbers])
        found += [task for task in made if task is not None]
    return found


async def sizes(connect: Connect, service: Service, write: Write) -> dict[str, int]:
    """Returns how many bytes the requests and answers of a write have."""
    client = connect()
    [task] = await prepared(client, 1)
    async with CutAt(service.port) as proxy:
        await write.do(connect(proxy.url, workspace=client.workspace), task, 0)
        return proxy.passed


async def cut_everywhere(connect: Connect, service: Service, write: Write, step: int) -> None:
    """Does a write with a cut at each `step`th byte of its requests and answers. Fails unless it is done once."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE))
    cuts = [
        (way, at) for way, size in (await sizes(connect, service, write)).items() for at in range(0, size + 8, step)
    ]
    client = connect(workspace=new_workspace())
    tasks = await prepared(client, len(cuts))
    before = [change async for change in client.changes()][-1].position
    limit = asyncio.Semaphore(AT_ONCE)

    async def case(number: int, way: str, at: int) -> object:
        async with limit, CutAt(service.port, **{way: at}) as proxy:
            mine = connect(proxy.url, workspace=client.workspace)
            try:
                return write.returned(await write.do(mine, tasks[number], number))
            finally:
                await mine.close()

    results = await asyncio.gather(*(case(number, *cut) for number, cut in enumerate(cuts)))

    assert [(cut, result) for cut, result in zip(cuts, results, strict=True) if result != write.expected] == []
    expected = sum((write.changes(number) for number in range(len(cuts))), Counter[tuple[str, str]]())
    texts = {task.id: task.description for task in tasks}
    done = Counter([(change.type, described(change, texts)) async for change in client.changes(before)])
    assert done == expected


def described(change: Change, texts: dict[int, str]) -> str:
    return texts[change.task_id] if change.task is None else change.task.description


@pytest.mark.parametrize("name", WRITES)
async def test_a_write_that_is_cut_at_some_bytes_is_done_once(connect: Connect, service: Service, name: str) -> None:
    await cut_everywhere(connect, service, WRITES[name], 29)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["create", "update", "delete"])
async def test_a_write_that_is_cut_at_any_byte_is_done_once(connect: Connect, service: Service, name: str) -> None:
    await cut_everywhere(connect, service, WRITES[name], 1)
