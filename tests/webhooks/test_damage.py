"""A damaged record is named, and holds up nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from webhooks.kept import records, served
from webhooks.receiver import Receiver


def damage(folder: Path, key: str, namespace: str = "plugin:webhooks") -> None:
    """Replaces the value of a record in a store that nobody serves."""
    with closing(sqlite3.connect(folder / "kept.db")) as connection, connection:
        update = "UPDATE records SET value = '{}' WHERE namespace = ? AND key = ?"
        done = connection.execute(update, (namespace, key))
        assert done.rowcount == 1


@pytest.mark.parametrize("prefix", ["webhook:", "lane:", "status:", "behind:"])
async def test_the_other_webhooks_go_on(prefix: str, tmp_path: Path, receiver: Receiver) -> None:
    receiver.statuses["bad"] = 500
    async with served(tmp_path) as (client, context):
        good, bad = [await client.make(receiver.url(name)) for name in ("good", "bad")]
        await client.create()
        await receiver.gets(1, "good")
        while not (keys := await records(context, f"{prefix}{bad['id']}"[:-1])):
            await asyncio.sleep(0.01)
    damage(tmp_path, keys[0])

    async with served(tmp_path) as (client, _):
        await client.create()
        await receiver.gets(2, "good")
        while (await client.show(good))["lag"]["changes"]:
            await asyncio.sleep(0.01)

    assert receiver.seqs("good") == [1, 2]


async def test_a_lane_begins_again_whose_place_is_damaged(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as (client, context):
        made = await client.make(receiver.url())
        await client.create(2)
        while (await client.show(made))["lag"]["changes"]:
            await asyncio.sleep(0.01)
        (key,) = await records(context, "lane:")
    damage(tmp_path, key)

    async with served(tmp_path) as (client, _):
        await client.create()
        await receiver.gets(5)

    assert receiver.seqs() == [1, 2, 1, 2, 3]
    assert f"The record {key} of a webhook is damaged." in caplog.text


async def test_a_webhook_is_paused_whose_secrets_are_damaged(tmp_path: Path, receiver: Receiver) -> None:
    async with served(tmp_path) as (client, _):
        made = await client.make(receiver.url())
    damage(tmp_path, f"webhook:{made['id']}", "plugin:webhooks:secrets")

    async with served(tmp_path) as (client, _):
        await client.create()
        while (await client.show(made))["state"] != "paused":
            await asyncio.sleep(0.01)
        await client.do(made, "rotate-secret")
        await client.do(made, "resume")
        await receiver.gets(1)


async def test_a_damaged_webhook_is_named_and_can_be_deleted(tmp_path: Path, receiver: Receiver) -> None:
    async with served(tmp_path) as (client, _):
        bad = await client.make(receiver.url())
    damage(tmp_path, f"webhook:{bad['id']}")

    async with served(tmp_path) as (client, _):
        refused = await client.ask("GET", f"/webhooks/{bad['id']}", status=500)
        await client.ask("DELETE", f"/webhooks/{bad['id']}", status=204)
        await client.ask("GET", f"/webhooks/{bad['id']}", status=404)

    assert refused["detail"].startswith(f"The record of the webhook {bad['id']} is damaged.")
