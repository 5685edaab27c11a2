"""A process that queues writes in a replica and sends them until it is killed: worker.py URL WORKSPACE FILE NAME MODE.

It prints a line for each write that is queued. MODE is `sync` or `async`.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from contextlib import suppress

from tasksvc_client import Client, Replica, SyncClient, SyncReplica, TasksvcError

COUNTER = "counter"
"""The description of a task whose metadata count the updates of it."""


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write(replica: Replica | SyncReplica, name: str) -> str:
    """Queues one write and returns what it is."""
    choice = random.random()
    counter = replica.find(q=COUNTER)
    if choice < 0.4 and counter:
        count = replica.edit(counter[0].id, lambda task: {"metadata": {"n": task.metadata.get("n", 0) + 1}})
        return f"counted {count.metadata['n']}"
    mine = replica.find(list=name)
    if choice < 0.8 or not mine:
        parent = random.choice(mine).id if mine and choice < 0.6 else None
        task = replica.create(f"{name} {random.getrandbits(64):x}", list=name, parent_id=parent)
        return f"created {task.description}"
    task = random.choice(mine)
    replica.delete(task.id)
    return f"deleted {task.description}"


def work(url: str, workspace: str, path: str, name: str) -> None:
    """Works with the client that blocks."""
    with SyncClient(url, workspace=workspace) as client, SyncReplica(path, client) as replica:
        say("ready")
        for number in itertools.count():
            if number % 5 == 4:
                with suppress(TasksvcError):
                    replica.sync()
            say(write(replica, name))


async def work_async(url: str, workspace: str, path: str, name: str) -> None:
    """Works with the async client, which sends at the same time."""
    async with Client(url, workspace=workspace) as client:
        with Replica(path, client) as replica:
            say("ready")
            async with asyncio.TaskGroup() as group:
                group.create_task(replica.run())
                while True:
                    say(write(replica, name))
                    await asyncio.sleep(random.uniform(0, 0.03))


if __name__ == "__main__":
    if sys.argv[-1] == "sync":
        work(*sys.argv[1:-1])
    else:
        asyncio.run(work_async(*sys.argv[1:-1]))
