"""SIGKILL at random moments: each target gets every change at least once, in the order of each workspace."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from service_process import run_tasksvc

from webhooks.killing import deliver_under_kills
from webhooks.receiver import Receiver


@pytest.mark.slow
async def test_five_kills_lose_no_delivery(tmp_path: Path, receiver: Receiver) -> None:
    verdict = await deliver_under_kills(tmp_path, receiver, kills=5, webhooks=6, rate=30, dice=random.Random(1))
    checked = run_tasksvc("check", "--store", "sqlite:///kept.db", folder=tmp_path)

    assert (verdict.missing, verdict.disordered) == ([], [])
    assert checked.returncode == 0, checked.stdout


@pytest.mark.soak
async def test_two_hundred_kills_lose_no_delivery_to_a_hundred_webhooks(tmp_path: Path, receiver: Receiver) -> None:
    kills = int(os.environ.get("TASKSVC_TEST_KILLS", "200"))

    verdict = await deliver_under_kills(tmp_path, receiver, kills=kills, webhooks=100, rate=2.5, dice=random.Random(2))

    print(f"{kills} kills, {verdict.changes} changes, {verdict.messages} messages")  # noqa: T201
    assert (verdict.missing, verdict.disordered) == ([], [])
