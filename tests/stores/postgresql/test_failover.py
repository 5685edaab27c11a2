"""A primary is killed, and its synchronous standby is promoted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import asyncpg
import pytest
from tasksvc_postgresql.settings import TIMEOUT

from stores.postgresql.repositories import Open
from stores.postgresql.server import Server, standby_of
from stores.postgresql.test_outages import BOUND, Load, whole_log

pytestmark = pytest.mark.soak


@pytest.fixture
def primary() -> Iterator[Server]:
    with Server({"wal_level": "replica"}) as server:
        yield server


@pytest.fixture
def standby(primary: Server) -> Iterator[Server]:
    with standby_of(primary) as server:
        primary.reload(synchronous_standby_names="standby")
        yield server


async def until_synchronous(primary: Server) -> None:
    """Waits until the primary acknowledges only writes that the standby has."""
    admin = await asyncpg.connect(primary.url)
    while await admin.fetchval("SELECT sync_state FROM pg_stat_replication") != "sync":
        await asyncio.sleep(0.02)
    await admin.close()


async def test_writes_resume_on_the_standby_and_nothing_that_was_acknowledged_is_lost(
    primary: Server, standby: Server, open_store: Open, schema: str
) -> None:
    await until_synchronous(primary)
    url = primary.tcp_url(primary.port, standby.port)
    repositories = [await open_store(url, schema=schema, timeout=TIMEOUT) for _ in range(2)]
    loads = [Load(repository, f"replica{n}") for n, repository in enumerate(repositories)]
    running = [asyncio.create_task(load.run(writers=8)) for load in loads]
    await asyncio.sleep(1)

    primary.kill()
    await asyncio.sleep(0.3)
    admin = await asyncpg.connect(standby.url)
    assert await admin.fetchval("SELECT pg_promote(true, 30)")
    await admin.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
    await admin.execute("SELECT pg_reload_conf()")
    promoted = time.monotonic()
    while not all(load.last_success > promoted for load in loads):
        await asyncio.sleep(0.01)
    resumed = time.monotonic() - promoted
    await asyncio.sleep(1)
    for load in loads:
        load.stop()
    await asyncio.gather(*running)
    await admin.close()

    log = await whole_log(repositories[0])
    there = {change.task_id: change.task.description for change in log if change.task is not None}
    acknowledged = loads[0].acknowledged | loads[1].acknowledged
    assert acknowledged.items() <= there.items(), "no acknowledged write is lost"
    assert len(set(there.values())) == len(there), "nothing was done twice"
    assert [change.seq for change in log] == list(range(1, len(log) + 1)), "the log has no gaps"
    assert max(load.longest for load in loads) < BOUND
    assert resumed < 100
    print(f"{len(acknowledged):,} acknowledged, writes back {resumed:.2f} s after the promotion")  # noqa: T201


async def test_a_standby_alone_is_not_written_to_and_is_not_read(
    primary: Server, standby: Server, open_store: Open, schema: str
) -> None:
    """Its data may be old, and a read must return acknowledged writes."""
    await until_synchronous(primary)
    await open_store(primary.tcp_url(), schema=schema)

    with pytest.raises(Exception, match="takes no writes"):
        await open_store(standby.tcp_url(), schema=schema, start_timeout=0.5)
