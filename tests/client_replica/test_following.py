"""Replica.run(): both sides become equal by themselves, whatever happens to the service and to connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from clients.cutting_proxy import CuttingProxy
from patience import until
from service_process import RunningService, run_tasksvc
from tasksvc_client import Client, Create, Replica, SyncClient, SyncReplica, Unauthorized, Unreachable

from client_replica.conftest import contents
from tasksvc.application.tokens import new_secret


@asynccontextmanager
async def running(
    path: Path, url: str, workspace: str | None = None, on_conflict: Any = None
) -> AsyncIterator[Replica]:
    """Opens a replica and lets it run until the end of the block."""
    async with Client(url, workspace=workspace, deadline=2.0) as client:
        with Replica(path, client, on_conflict) as replica:
            job = asyncio.create_task(replica.run())
            try:
                yield replica
                assert not job.done()
            finally:
                job.cancel()
                with suppress(asyncio.CancelledError):
                    await job


async def until_equal(replica: Replica, client: SyncClient) -> None:
    """Waits until nothing waits and both sides are the same."""

    def equal() -> bool:
        with suppress(Unreachable):
            return not replica.waiting() and contents(replica) == contents(client)
        return False

    await until(equal)


async def test_what_others_write_is_there_as_it_happens(others: SyncClient, tmp_path: Path) -> None:
    others.create("before")
    async with running(tmp_path / "copy.db", others.url, others.workspace) as replica:
        await until(lambda: replica.count() == 1)
        for number in range(20):
            others.create(f"Task {number}")
        others.update(1, done=True)
        others.delete(2)

        await until(lambda: replica.count() == 20)

        await until_equal(replica, others)


async def test_what_is_written_here_is_sent_as_it_is_written(others: SyncClient, tmp_path: Path) -> None:
    async with running(tmp_path / "copy.db", others.url, others.workspace) as replica:
        task = replica.create("made here")
        replica.update(task.id, priority=3)
        other = replica.create("deleted here")
        replica.delete(other.id)

        await until_equal(replica, others)

        assert [(task.description, task.priority) for task in others.find()] == [("made here", 3)]
        assert replica.get(task.id).id == 1


async def test_what_one_process_writes_another_one_sends(others: SyncClient, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    async with running(path, others.url, others.workspace) as replica:
        with SyncReplica(path, others) as another:
            another.create("queued elsewhere")

            await until_equal(replica, others)

            assert contents(another) == contents(others)


async def test_two_that_run_on_one_file_agree(others: SyncClient, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    async with running(path, others.url, others.workspace) as one, running(path, others.url, others.workspace) as two:
        for number in range(30):
            replica = (one, two)[number % 2]
            task = replica.create(f"Task {number}")
            replica.update(task.id, priority=number % 10)
            others.create(f"Other {number}")
            await asyncio.sleep(0)

        await until_equal(one, others)
        await until_equal(two, others)

        assert others.count() == 60
        assert one.refused() == []


async def test_a_conflict_may_be_decided_by_an_async_function(others: SyncClient, tmp_path: Path) -> None:
    async def ask(conflict: Any) -> Any:
        await asyncio.sleep(0.01)
        return {"notes": "both"}

    others.create("Paint")
    async with Client(others.url, workspace=others.workspace) as client:
        with Replica(tmp_path / "copy.db", client, ask) as replica:
            await replica.sync()
            replica.update(1, notes="mine")
            others.update(1, notes="theirs")

            await asyncio.gather(replica.sync(), replica.sync())

            assert others.get(1).notes == replica.get(1).notes == "both"


@pytest.mark.slow
async def test_it_ends_where_the_service_refuses_the_caller_and_goes_on_with_a_token(tmp_path: Path) -> None:
    token = new_secret()
    (tmp_path / "token").write_text(token)
    environment = {"TASKSVC_ADMIN_TOKEN_FILE": str(tmp_path / "token")}
    with RunningService("--store", "memory://", folder=tmp_path, environment=environment) as service:
        async with Client(service.url) as stranger:
            with Replica(tmp_path / "copy.db", stranger) as replica:
                replica.create("Water the plants")
                with pytest.raises(Unauthorized):
                    await replica.run()

        async with Client(service.url, token) as caller:
            with Replica(tmp_path / "copy.db", caller) as replica:
                await replica.sync()

                assert [task.description async for task in caller.find()] == ["Water the plants"]


@pytest.mark.slow
async def test_it_goes_on_through_broken_connections_and_killed_services(tmp_path: Path) -> None:
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path) as service:
        async with CuttingProxy(service.port) as proxy, running(tmp_path / "copy.db", proxy.url) as replica:
            with SyncClient(service.url) as others:
                for number in range(4):
                    for each in range(5):
                        task = replica.create(f"mine {number}.{each}")
                        replica.update(task.id, priority=each)
                        others.create(f"theirs {number}.{each}")
                        await asyncio.sleep(0.02)
                    proxy.cut()
                    if number % 2:
                        service.kill()
                        replica.create(f"offline {number}")
                        await asyncio.to_thread(service.start)

                await until_equal(replica, others)

                names = [task.description for task in others.find()]
                assert len(names) == len(set(names)) == 42
                assert replica.refused() == []


def put_back(folder: Path) -> None:
    """Puts the store back to an earlier state, which begins a new generation."""
    (folder / "tasks.db").unlink()
    assert run_tasksvc("restore", "--store", "sqlite:///tasks.db", "backup.db", folder=folder).returncode == 0


def empty(folder: Path) -> None:
    """Begins with an empty store."""
    (folder / "tasks.db").unlink()


def prune(folder: Path) -> None:
    """Drops all changes but the last one."""
    options = ("--store", "sqlite:///tasks.db", "--keep-changes", "1")
    with RunningService(*options, folder=folder) as service, SyncClient(service.url) as client:
        client.batch([Create(f"pruned {number}") for number in range(3)])
    with RunningService(*options, folder=folder):
        pass  # it prunes when it starts


@pytest.mark.slow
@pytest.mark.parametrize("happens", [put_back, empty, prune])
async def test_it_walks_again_where_its_position_is_gone(tmp_path: Path, happens: Callable[[Path], None]) -> None:
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path) as service, SyncClient(service.url) as others:
        others.batch([Create(f"Task {number}") for number in range(10)])
        assert run_tasksvc("backup", "--store", "sqlite:///tasks.db", "backup.db", folder=tmp_path).returncode == 0
        async with running(tmp_path / "copy.db", service.url) as replica:
            others.update(3, priority=3)
            others.create("after the backup")
            await until_equal(replica, others)
            before = replica.position
            service.stop()
            replica.update(2, priority=2)
            replica.update(3, notes="mine")
            replica.create("offline")
            replica.delete(4)
            await asyncio.to_thread(happens, tmp_path)
            await asyncio.to_thread(service.start)

            await until_equal(replica, others)

            assert replica.position != before
            assert [task.description for task in others.find(q="offline")] == ["offline"]
            if happens is empty:
                assert [write.task_id for write in replica.refused()] == [2, 3]
                assert others.count() == 1
            else:
                assert (others.get(2).priority, others.get(3).notes, replica.refused()) == (2, "mine", [])
                assert others.get(3).priority == (3 if happens is prune else 0)
                assert 4 not in {task.id for task in others.find()}
