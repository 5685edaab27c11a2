"""Several processes on one PostgreSQL store: one delivers, any of them takes requests, and another one takes over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_client import ask
from patience import until
from service_process import RunningService
from stores.postgresql.server import given_or_temporary, with_parameters

from webhooks.receiver import Receiver

TASK = {"description": "water"}


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    with given_or_temporary() as url:
        yield url


def lane_holder(services: list[RunningService]) -> RunningService:
    """Returns the service that delivers, as its log says."""
    (holder,) = [service for service in services if "has taken the lease" in service.output]
    return holder


async def test_another_replica_delivers_after_a_kill_and_misses_nothing(
    server_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    arguments = ("--store", with_parameters(server_url, schema="webhooks"), "--webhook-allow", "127.0.0.0/8")
    first, second = (RunningService(*arguments, folder=tmp_path) for _ in range(2))
    with first, second:
        made = await asyncio.to_thread(ask, second.url, "POST", "/webhooks/", {"url": receiver.url()})
        assert made.status == 201
        for service in (first, second) * 3:
            assert (await asyncio.to_thread(ask, service.url, "POST", "/tasks/", TASK)).status == 201
        await receiver.gets(6)
        holder = lane_holder([first, second])
        (other,) = {first, second} - {holder}

        killed = time.monotonic()
        await asyncio.to_thread(holder.kill)
        await asyncio.to_thread(ask, other.url, "POST", "/tasks/", TASK)
        await until(lambda: 7 in receiver.seqs())
        took = time.monotonic() - killed

    assert list(dict.fromkeys(receiver.seqs())) == [1, 2, 3, 4, 5, 6, 7]
    print(f"The other replica delivered {took:.1f} s after the kill.")  # noqa: T201
