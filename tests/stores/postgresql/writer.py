"""A process that writes to a store: python writer.py URL WRITERS COMMITS.

It prints "ready", waits for a line, has WRITERS tasks commit COMMITS times each, and prints what was acknowledged: a
JSON array of [ids of the tasks, seq of the last change] for each commit.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys

from tasksvc import CreateTask, TaskDraft, UpdateTask
from tasksvc.application.clock import now
from tasksvc.store_adapters import open_repository


async def main(url: str, writers: int, commits: int) -> None:
    repository = await open_repository(url)
    acknowledged = []

    async def write(writer: int) -> None:
        chance = random.Random(f"{url} {writer}")
        for _ in range(commits):
            adds = [CreateTask(TaskDraft(f"of {writer}", labels=("x",))) for _ in range(chance.choice((1, 1, 1, 5)))]
            # Half of the commits only add; the others take the longer way.
            patches = [UpdateTask(1, {"metadata": {str(writer): chance.random()}})] if chance.random() < 0.5 else []
            committed = await repository.commit([*adds, *patches], at=now())
            ids = [getattr(result, "id", 0) for result in committed.results[: len(adds)]]
            acknowledged.append((ids, committed.position.seq))

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    await asyncio.gather(*map(write, range(writers)))
    await repository.close()
    sys.stdout.write(json.dumps(acknowledged))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
