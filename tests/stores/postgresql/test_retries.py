"""Writers that repeat unanswered requests, while the server and the replicas are killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import aiohttp
import pytest
from service_process import RunningService

from stores.postgresql.server import Server, with_parameters

WRITERS = 32
SHORTLY = 0.02
"""Seconds before a request is sent again."""
PATIENCE = 120.0
"""Seconds until a request is answered, however often the server is killed meanwhile."""


class Writers:
    """Create tasks, each under a separate idempotency key, through any replica that answers."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str], *, pause: float = 0.0) -> None:
        """Prepares writers that rest for `pause` seconds after each response."""
        self._session, self._urls, self._pause = session, urls, pause
        self.answers: dict[str, bytes] = {}
        """The first response to each key."""
        self.unanswered = 0
        """The number of requests without a response, or with the response that the store is unavailable."""
        self.repeated = 0
        """The number of answered requests that were sent again all the same."""
        self.answered = 0
        self.last_answer = 0.0

    async def send(self, keys: Iterable[str]) -> None:
        """Sends a request for each key until it is answered."""
        waiting = iter(keys)

        async def write() -> None:
            for key in waiting:
                async with asyncio.timeout(PATIENCE):
                    await self._until_answered(key)
                self.answered += 1
                self.last_answer = time.monotonic()
                await asyncio.sleep(self._pause)

        await asyncio.gather(*(write() for _ in range(WRITERS)))

    async def _until_answered(self, key: str) -> None:
        self.repeated += key in self.answers
        while (answer := await self._try(random.choice(self._urls), key)) is None:
            self.unanswered += 1
            await asyncio.sleep(SHORTLY)
        body, is_replay = answer
        if key in self.answers:
            assert is_replay, f"{key} was done again"
            assert body == self.answers[key]
        self.answers[key] = body

    async def _try(self, url: str, key: str) -> tuple[bytes, bool] | None:
        """Returns the body, and whether it was replayed; None without a response."""
        try:
            async with self._session.post(
                f"{url}/tasks/", json={"description": key}, headers={"Idempotency-Key": key}
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError):
            return None
        if response.status == 503:
            assert "Retry-After" in response.headers
            return None
        assert response.status == 201, (response.status, body)
        return body, response.headers.get("Idempotency-Replayed") == "true"


async def no_retry_makes_a_duplicate(
    server: Server, replicas: Sequence[RunningService], *, rounds: int, writes: int
) -> Writers:
    """Repeats in each round all that the last one wrote, beside as many new writes, while a server is killed.

    In every second round a replica is killed as well.
    """
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        writers = Writers(session, [replica.url for replica in replicas])
        last: list[str] = []
        for number in range(rounds):
            new = [f"write {number}-{count}" for count in range(writes)]
            keys = random.sample(last + new, len(last) + len(new))
            half_way = writers.answered + len(keys) // 2
            sending = asyncio.create_task(writers.send(keys))
            while writers.answered < half_way and not sending.done():
                await asyncio.sleep(0.005)
            killed = replicas[number // 2 % len(replicas)] if number % 2 else None
            await asyncio.to_thread(kill_and_start, server, killed)
            await sending
            last = new
        await writers.send(last)
        await each_key_has_one_task(writers, session, replicas)
        return writers


def kill_and_start(server: Server, replica: RunningService | None) -> None:
    if replica is not None:
        replica.kill()
    server.kill()
    server.start()
    if replica is not None:
        replica.start()


async def each_key_has_one_task(
    writers: Writers, session: aiohttp.ClientSession, replicas: Sequence[RunningService]
) -> None:
    async with session.get(f"{replicas[0].url}/tasks/") as response:
        tasks = await response.json()
    there = {task["id"]: task["description"] for task in tasks}
    acknowledged = {json.loads(body)["id"]: key for key, body in writers.answers.items()}
    assert acknowledged.items() <= there.items(), "nothing that was acknowledged is missing"
    assert Counter(there.values()) == Counter(writers.answers.keys()), "each key has one task"


@pytest.fixture
def replicas(own_server: Server, schema: str, tmp_path: Path) -> Iterator[list[RunningService]]:
    store = with_parameters(own_server.tcp_url(), schema=schema)
    with contextlib.ExitStack() as running:
        yield [
            running.enter_context(RunningService("--store", store, "--log-format", "none", folder=tmp_path))
            for _ in range(2)
        ]


async def test_keyed_retries_through_kills_of_the_server_and_of_a_replica_create_no_duplicate(
    own_server: Server, replicas: list[RunningService]
) -> None:
    writers = await no_retry_makes_a_duplicate(own_server, replicas, rounds=2, writes=200)

    assert writers.repeated == 400
    assert writers.unanswered > 0


@pytest.mark.soak
async def test_10_000_keyed_retries_through_kills_create_no_duplicate(
    own_server: Server, replicas: list[RunningService]
) -> None:
    began = time.monotonic()

    writers = await no_retry_makes_a_duplicate(own_server, replicas, rounds=50, writes=200)

    assert writers.repeated >= 10_000
    assert writers.unanswered > 0
    print(  # noqa: T201  (shown with pytest -s)
        f"50 kills of the server and 25 of a replica in {time.monotonic() - began:.0f} s:"
        f" {len(writers.answers):,} keys; sent again: {writers.repeated:,} answered requests,"
        f" {writers.unanswered:,} unanswered ones"
    )
