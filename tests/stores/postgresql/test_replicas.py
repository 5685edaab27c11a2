"""Several processes on one schema, beyond what the contract kit tests: many writers, notifications, and HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

import asyncpg
from pytest_aiohttp import AiohttpClient

from stores.postgresql.repositories import PATIENCE, Open
from stores.postgresql.server import with_parameters
from tasksvc import (
    LOG_START,
    Change,
    ChangeKind,
    CommitResult,
    CreateTask,
    TaskDraft,
    TaskQuery,
    TaskRepository,
)
from tasksvc.api import create_app
from tasksvc.application.clock import now

WRITER = Path(__file__).with_name("writer.py")


async def replicas(open_store: Open, url: str, count: int = 4) -> list[TaskRepository]:
    return [await open_store(url) for _ in range(count)]


async def add(repository: TaskRepository, description: str = "x") -> CommitResult:
    return await repository.commit([CreateTask(TaskDraft(description))], at=now())


# ---------------------------------------------------------------- the log


async def test_64_writers_in_four_processes_write_one_log_that_readers_see_in_order(
    open_store: Open, store_url: str
) -> None:
    repository = await open_store(store_url)
    await add(repository, "the one that all of them patch")
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            str(WRITER),
            with_parameters(store_url, timeout=PATIENCE),
            "16",
            "6",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(4)
    ]
    done = asyncio.Event()

    async def follow() -> list[Change]:
        seen: list[Change] = []
        since = LOG_START
        while True:
            last_round = done.is_set()
            page = await repository.read_changes(since, limit=7)
            seen += page.changes
            since = page.next
            if last_round and not page.changes:
                return seen

    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    readers = [asyncio.create_task(follow()) for _ in range(3)]
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    done.set()
    logs = await asyncio.gather(*readers)

    log = logs[0]
    assert [change.seq for change in log] == list(range(1, len(log) + 1)), "a reader meets no gap and nothing twice"
    assert logs[1] == logs[2] == log, "all readers see the same"
    acknowledged = [commit for output, _ in outputs for commit in json.loads(output)]
    assert len(acknowledged) == 4 * 16 * 6
    created = Counter(change.task_id for change in log if change.kind is ChangeKind.CREATED)
    assert created == Counter([1, *(task_id for ids, _ in acknowledged for task_id in ids)]), "no id is lost or twice"
    assert max(seq for _, seq in acknowledged) == len(log)
    tasks = {task.id: task for task in (await repository.find(TaskQuery(), limit=1_000)).tasks}
    assert tasks == {change.task_id: change.task for change in log}, "the log, replayed, gives the tasks"
    assert tasks[1].version == len(log) - len(created) + 1, "no patch is lost"


async def test_a_sequence_would_let_a_reader_miss_a_change_and_a_counter_row_does_not(
    database: asyncpg.Connection, server_url: str, schema: str
) -> None:
    """This is why the log is numbered from the row of the header: of two transactions, the first commits last."""
    await database.execute(
        f"""
        CREATE SCHEMA {schema};
        CREATE TABLE {schema}.counter (seq bigint); INSERT INTO {schema}.counter VALUES (0);
        CREATE SEQUENCE {schema}.sequence;
        CREATE TABLE {schema}.log (way text, seq bigint);
        """
    )
    other = await asyncpg.connect(server_url)
    ways = {
        "sequence": f"INSERT INTO {schema}.log SELECT 'sequence', nextval('{schema}.sequence')",
        "counter": f"WITH head AS (UPDATE {schema}.counter SET seq = seq + 1 RETURNING seq)"
        f" INSERT INTO {schema}.log SELECT 'counter', seq FROM head",
    }

    async def seen_by_a_reader_who_follows(way: str) -> list[int]:
        """Runs two writers, and a reader between them and at the end; returns what the reader saw."""
        slow = database.transaction()
        await slow.start()
        await database.execute(ways[way])
        quick = asyncio.create_task(other.execute(ways[way]))
        if way == "sequence":
            await quick
        reader = await asyncpg.connect(server_url)
        after = f"SELECT seq FROM {schema}.log WHERE way = $1 AND seq > $2 ORDER BY seq"
        seen = [row[0] for row in await reader.fetch(after, way, 0)]
        await slow.commit()
        await quick
        seen += [row[0] for row in await reader.fetch(after, way, max(seen, default=0))]
        await reader.close()
        return seen

    try:
        assert await seen_by_a_reader_who_follows("sequence") == [2], "the change 1 is never seen"
        assert await seen_by_a_reader_who_follows("counter") == [1, 2]
    finally:
        await other.close()


# ---------------------------------------------------------------- notifications


async def test_a_change_wakes_waiting_readers_on_every_replica(open_store: Open, store_url: str) -> None:
    repositories = await replicas(open_store, store_url)
    for each in repositories:
        each._store.listener.poll = 60.0  # type: ignore[attr-defined]
    head = (await add(repositories[0])).position
    waiting = [asyncio.create_task(each.changes(head, limit=10, wait=60)) for each in repositories]
    await asyncio.gather(*(until_listening(each) for each in repositories))

    began = time.monotonic()
    for n in range(5):
        head = (await add(repositories[n % 4])).position
        pages = await asyncio.gather(*waiting)
        assert [[change.seq for change in page.changes] for page in pages] == [[head.seq]] * 4
        waiting = [asyncio.create_task(each.changes(head, limit=10, wait=60)) for each in repositories]
        await asyncio.sleep(0.01)
    for waiter in waiting:
        waiter.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert time.monotonic() - began < 50, "the server tells of changes; who polls for them would take a minute"


async def until_listening(repository: TaskRepository) -> None:
    """Waits until the repository listens to notifications."""
    while not repository._store.listener.is_listening:  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)


async def test_the_loss_of_the_connection_that_listens_loses_no_change(
    open_store: Open, store_url: str, database: asyncpg.Connection
) -> None:
    writer, reader = await replicas(open_store, store_url, 2)
    head = (await add(writer)).position
    waiting = asyncio.create_task(reader.changes(head, limit=10, wait=60))
    await until_listening(reader)

    for _ in range(3):
        assert await database.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'tasksvc' AND (query LIKE 'LISTEN%' OR query = 'SELECT 1')"
        )
        head = (await add(writer)).position
        page = await asyncio.wait_for(waiting, 30)
        assert page.next == head
        waiting = asyncio.create_task(reader.changes(head, limit=10, wait=60))
        await until_listening(reader)

    waiting.cancel()


async def test_changes_are_seen_while_there_is_no_connection_to_listen_on(open_store: Open, store_url: str) -> None:
    writer, reader = await replicas(open_store, store_url, 2)
    head = (await add(writer)).position

    async def fail() -> None:
        raise OSError("no connection to listen on")

    reader._store.listener._connect = fail  # type: ignore[attr-defined]
    waiting = asyncio.create_task(reader.changes(head, limit=10, wait=60))
    await asyncio.sleep(0.05)
    head = (await add(writer)).position

    assert (await asyncio.wait_for(waiting, 30)).next == head


async def test_what_was_missed_is_looked_for_when_the_connection_to_listen_on_is_back(
    open_store: Open, store_url: str
) -> None:
    writer, reader = await replicas(open_store, store_url, 2)
    reader._store.listener.poll = reader._store.listener.poll_deaf = 60.0  # type: ignore[attr-defined]
    head = (await add(writer)).position
    connect, may_connect = reader._store.listener._connect, asyncio.Event()  # type: ignore[attr-defined]

    async def connect_later() -> asyncpg.Connection:
        await may_connect.wait()
        return await connect()

    reader._store.listener._connect = connect_later  # type: ignore[attr-defined]
    waiting = asyncio.create_task(reader.changes(head, limit=10, wait=60))
    await asyncio.sleep(0.05)
    head = (await add(writer)).position
    await asyncio.sleep(0.05)
    assert not waiting.done()

    may_connect.set()

    assert (await asyncio.wait_for(waiting, 30)).next == head


async def test_a_replica_gives_entity_tags_that_it_takes_after_another_one_restored_the_store(
    aiohttp_client: AiohttpClient, open_store: Open, store_url: str, server_url: str, schema: str
) -> None:
    source = await open_store(server_url, schema=f"{schema}_source")
    await source.commit([CreateTask(TaskDraft(text)) for text in ("patched", "deleted", "batched")], at=now())
    restoring = await open_store(store_url)
    client = await aiohttp_client(create_app(with_parameters(store_url, timeout=PATIENCE)))
    async with client.post("/tasks/", json={"description": ""}) as refused:
        assert refused.status == 422, "it serves"

    await restoring.restore(source.dump())

    tags = []
    for task_id in (1, 2, 3):
        async with client.get(f"/tasks/{task_id}") as shown:
            tags.append(shown.headers["ETag"])
    async with client.patch("/tasks/1", json={"done": True}, headers={"If-Match": tags[0]}) as patched:
        assert patched.status == 200
    async with client.delete("/tasks/2", headers={"If-Match": tags[1]}) as deleted:
        assert deleted.status == 204
    operation = {"op": "update", "id": 3, "if_match": tags[2], "patch": {"done": True}}
    async with client.post("/tasks/batch", json=[operation]) as batched:
        assert batched.status == 200
        (result,) = (await batched.json())["results"]
    async with client.get("/tasks/3", headers={"If-None-Match": result["etag"]}) as known:
        assert known.status == 304
    async with client.patch("/tasks/1", json={"done": False}, headers={"If-Match": tags[0]}) as refused:
        assert refused.status == 412
        tag = refused.headers["ETag"]
    async with client.get("/tasks/1", headers={"If-Match": tag}) as shown:
        assert shown.status == 200, "the tag of a refusal is that of the task as it is"
