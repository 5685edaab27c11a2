"""What operators see of webhooks: metrics, log lines, checks and flags."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import aiohttp
import pytest
import tasksvc_webhooks
from service_process import run_tasksvc
from tasksvc_webhooks.rotation import Secret, secrets_to_json
from tasksvc_webhooks.subscriptions import webhook_to_json

from tasksvc import Record
from webhooks.client import Client
from webhooks.receiver import Receiver
from webhooks.samples import webhook

QUERY = "?token=hidden"


async def metric(session: aiohttp.ClientSession, name: str) -> float:
    """Returns the value of a metric."""
    async with session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    (value,) = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")]
    return float(value)


async def test_metrics_count_deliveries_and_show_lag_and_pauses(
    session: aiohttp.ClientSession, client: Client, receiver: Receiver
) -> None:
    receiver.statuses["bad"] = 500
    await client.make(receiver.url())
    bad = await client.make(receiver.url("bad"))
    await client.create(3)
    await receiver.gets(3)
    await receiver.gets(1, "bad")
    while await metric(session, 'tasksvc_webhook_deliveries_total{outcome="refused"}') < 1:
        await asyncio.sleep(0.01)

    assert await metric(session, 'tasksvc_webhook_deliveries_total{outcome="delivered"}') == 3
    assert await metric(session, "tasksvc_webhook_lag_seconds") > 0
    assert await metric(session, "tasksvc_webhooks") == 2
    assert await metric(session, "tasksvc_webhooks_paused") == 0
    await client.do(bad, "pause")
    assert await metric(session, "tasksvc_webhooks_paused") == 1
    assert await metric(session, "tasksvc_webhook_lag_seconds") == 0


async def test_the_log_has_neither_secrets_nor_queries_of_urls(
    client: Client, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.statuses["hook"] = 410
    made = await client.make(receiver.url() + QUERY)
    rotated = await client.do(made, "rotate-secret")
    await client.create()
    while (await client.show(made))["state"] != "paused":
        await asyncio.sleep(0.01)

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("tasksvc")]
    assert any(made["id"] in line and "paused" in line for line in lines)
    assert any("127.0.0.1" in line and "410" in line for line in lines)
    for hidden in ("hidden", made["secret"], rotated["secret"]):
        assert not any(hidden in line for line in lines)


def test_a_check_finds_damaged_records_and_nothing_else() -> None:
    good = webhook_to_json(webhook())
    space, secret_space = "plugin:webhooks", "plugin:webhooks:secrets"
    records = [
        Record(space, "webhook:wh_good", good),
        Record(space, "webhook:wh_bad", {**good, "url": 5}),
        Record(space, "lane:wh_good:1", {"position": ["a", 1]}),
        Record(space, "behind:wh_good:1", {"workspace": "a"}),
        Record(space, "followed", {"token": 7}),
        Record(space, "revision", {"number": 1, "recent": [[1, "wh_good"]]}),
        Record(secret_space, "webhook:wh_good", secrets_to_json([Secret("whsec_x")])),
        Record(secret_space, "webhook:wh_bad", {"secrets": [{}]}),
    ]

    problems = list(tasksvc_webhooks.tasksvc_check(records))

    assert [problem.split("'")[1] for problem in problems] == [
        "webhook:wh_bad",
        "lane:wh_good:1",
        "followed",
        "webhook:wh_bad",
    ]


def test_a_network_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    done = run_tasksvc("serve", "--plugins", "webhooks", "--webhook-allow", "nowhere", folder=tmp_path)

    assert done.returncode == 2
    assert "nowhere" in done.stderr
