"""Acknowledged writes survive the death of the process."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest
from heads import generation_of

from stores.sqlite.stores import opened, process, raw, url_of
from tasksvc import LOG_START, Task, WorkspaceHeader

WRITE = """
import asyncio, itertools, sys
from datetime import UTC, datetime
from tasksvc import CreateTask, UpdateTask, DeleteTask, IdempotencyKey, TaskDraft
from tasksvc.store_adapters import open_repository

async def write(repository, name):
    now = lambda: datetime.now(UTC)
    for number in itertools.count():
        label = f"{name}-{number}"
        match number % 4:
            case 0:
                await repository.commit((CreateTask(TaskDraft(label, labels=(label,))),), at=now())
            case 1:
                key = IdempotencyKey("", label, "")
                await repository.commit((CreateTask(TaskDraft(label)),), at=now(), idempotency_key=key)
            case 2:
                made = await repository.commit((CreateTask(TaskDraft("x")), CreateTask(TaskDraft("gone"))), at=now())
                await repository.commit((UpdateTask(made.results[0].id, {"description": label}),
                                         DeleteTask(made.results[1].id)), at=now())
            case 3:
                many = [CreateTask(TaskDraft("y" * 500))] * 70
                await repository.commit([CreateTask(TaskDraft(label, labels=("many",))), *many], at=now())
        print(label, flush=True)

async def main():
    repository = await open_repository(sys.argv[1])
    print("open", flush=True)
    places = [repository, *(repository.workspace(name) for name in ("a", "b", "a"))] * 2
    await asyncio.gather(*(write(place, f"{sys.argv[2]}-{writer}") for writer, place in enumerate(places)))

asyncio.run(main())
"""


async def all_tasks(file: Path) -> list[Task]:
    """Returns all tasks of a dump, after checking that the logs lead to the same."""
    async with opened(file) as repository:
        entries = [entry async for entry in repository.dump()]
        tasks = [(name, entry) for name, entry in entries if isinstance(entry, Task)]
        told: dict[tuple[str, int], Task] = {}
        for name in [name for name, entry in entries if isinstance(entry, WorkspaceHeader)]:
            since, more = LOG_START, True
            while more:
                changes, since, more = await repository.workspace(name).read_changes(since, limit=1_000)
                for change in changes:
                    told.pop((name, change.task_id), None)
                    if change.task is not None:
                        told[name, change.task_id] = change.task
        assert told == {(name, task.id): task for name, task in tasks}
        return [task for _, task in tasks]


@pytest.mark.parametrize("rounds", [pytest.param(5, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.soak)])
async def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path, rounds: int) -> None:
    file = tmp_path / "tasks.db"
    acknowledged: set[str] = set()
    generations: set[str] = set()
    randomly = random.Random(rounds)

    for number in range(rounds):
        with process(WRITE, url_of(file), number) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            lines = [writer.stdout.readline().removesuffix("\n") for _ in range(randomly.randint(10, 200))]
            await asyncio.sleep(randomly.uniform(0, 0.01))
            os.kill(writer.pid, signal.SIGKILL)
            *more, _ = writer.stdout.read().split("\n")  # the last one may be cut
            acknowledged.update(lines, more)

        tasks = await all_tasks(file)
        async with opened(file) as repository:
            generations.add(await generation_of(repository))

        kept = [task.description for task in tasks]
        assert acknowledged <= set(kept)
        made = [description for description in kept if "-" in description]
        assert len(made) == len(set(made)), "none is there twice"
        assert "many" not in kept
        with raw(file) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert kept.count("gone") <= 8 * rounds
        many = sum("many" in task.labels for task in tasks)
        filler = sum(task.description.startswith("yyy") for task in tasks)
        assert filler == 70 * many, "a commit is there as a whole, or not at all"

    assert len(acknowledged) > 10 * rounds
    assert len(generations) == 1, "a kill makes no other store of it"
