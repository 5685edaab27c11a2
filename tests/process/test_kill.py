"""SIGKILL at random moments: acknowledged writes are there, once, and the file is intact."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import NamedTuple

import pytest
from http_client import ask
from patience import until
from service_process import RunningService
from write_checker import WriteChecker

pytestmark = pytest.mark.slow

ROUNDS = 10
"""The number of kills under load for one store, in addition to those during its start."""
CLIENTS = 16


class Tally(NamedTuple):
    """The counts of some rounds of kills."""

    kills: int
    acknowledged: int
    replayed: int
    lost: list[str]
    duplicates: list[str]
    corrupt: list[str]


async def test_ten_kills_under_load_lose_nothing(tmp_path: Path) -> None:
    tally = await kill_again_and_again(tmp_path, random.Random(0))

    assert (tally.lost, tally.duplicates, tally.corrupt) == ([], [], [])
    assert tally.acknowledged > ROUNDS * 10


@pytest.mark.soak
@pytest.mark.parametrize("number", range(int(os.environ.get("TASKSVC_TEST_KILLS", "1000")) // ROUNDS))
async def test_kills_under_load_lose_nothing_however_many(number: int, tmp_path: Path) -> None:
    tally = await kill_again_and_again(tmp_path, random.Random(number + 1))

    print(f"{tally.kills} kills, {tally.acknowledged} writes acknowledged, {tally.replayed} replayed")  # noqa: T201
    assert (tally.lost, tally.duplicates, tally.corrupt) == ([], [], [])


async def kill_again_and_again(folder: Path, dice: random.Random) -> Tally:
    kills, lost, duplicates, corrupt = 0, list[str](), list[str](), list[str]()
    service = RunningService("--store", "sqlite:///kept.db", "--log-format", "none", folder=folder)
    with service:
        async with WriteChecker(service.port, clients=CLIENTS) as checker:
            for _ in range(ROUNDS):
                acknowledged = checker.acknowledged
                await until(lambda: checker.acknowledged > acknowledged + 10)  # noqa: B023  # it is called at once
                await asyncio.sleep(dice.uniform(0.0, 0.4))
                await asyncio.to_thread(service.kill)
                kills += 1
                while dice.random() < 0.3:  # while it starts, and recovers what the last one left
                    service.begin()
                    await asyncio.sleep(dice.uniform(0.1, 0.5))
                    await asyncio.to_thread(service.kill)
                    kills += 1
                verdict = checker.verdict(folder / "kept.db")
                lost += verdict.lost
                duplicates += verdict.duplicates
                corrupt += verdict.corrupt
                await asyncio.to_thread(service.start)
            await asyncio.sleep(0.2)
        listed = {task["id"]: task["description"] for task in ask(service.url, "GET", "/tasks/").document}
    lost += [
        f"Task {task_id} is {listed.get(task_id)!r} in the list, not one of {states}."
        for task_id, states in checker.may_be.items()
        if listed.get(task_id) not in states
    ]
    return Tally(kills, checker.acknowledged, checker.replayed, lost + checker.odd, duplicates, corrupt)
