"""A process that starts finds every delivery that the one before has left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from patience import until

from tasksvc import Record
from tasksvc.plugin import Delete, Put
from webhooks.kept import records, served
from webhooks.receiver import Receiver


async def test_a_target_that_failed_gets_its_changes_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    async with served(tmp_path) as (client, context):
        made = await client.make(receiver.url(), workspaces=["a", "b"])
        receiver.statuses["hook"] = 500
        await client.create(2, "a")
        await client.create(2, "b")
        await receiver.gets(2)
        while len(await records(context, "behind:")) < 2:
            await asyncio.sleep(0.01)
    receiver.statuses.clear()

    async with served(tmp_path) as (client, context):
        await client.do(made, "resume")
        await until(lambda: receiver.seqs(workspace="a")[-1] == 2 == receiver.seqs(workspace="b")[-1])

    assert receiver.seqs(workspace="a") == [1, 1, 2]


@pytest.mark.slow
async def test_an_attempt_that_is_due_later_is_made_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    async with served(tmp_path, delays=(3.0,) * 9) as (client, context):
        await client.make(receiver.url())
        receiver.statuses["hook"] = 500
        await client.create()
        await receiver.gets(1)
        while not await records(context, "behind:"):
            await asyncio.sleep(0.01)
    receiver.statuses.clear()

    async with served(tmp_path):
        await receiver.gets(2)

    assert receiver.seqs() == [1, 1]
    assert receiver.of()[1].at - receiver.of()[0].at > timedelta(seconds=2.5)


async def test_what_was_delivered_is_not_sent_again_after_a_stop(tmp_path: Path, receiver: Receiver) -> None:
    async with served(tmp_path) as (client, _):
        made = await client.make(receiver.url())
        await client.create(5)
        while (await client.show(made))["lag"]["changes"]:
            await asyncio.sleep(0.01)

    async with served(tmp_path) as (client, _):
        await client.create()
        await receiver.gets(6)

    assert receiver.seqs() == [1, 2, 3, 4, 5, 6]


async def test_a_request_that_is_under_way_at_a_stop_is_not_sent_again(tmp_path: Path, receiver: Receiver) -> None:
    receiver.silent = {"hook"}
    async with served(tmp_path) as (client, _):
        await client.make(receiver.url())
        await client.create(2)
        await until(lambda: receiver.open)
        asyncio.get_running_loop().call_later(0.1, receiver.close)

    async with served(tmp_path):
        await receiver.gets(2)

    assert receiver.seqs() == [1, 2]


async def test_places_whose_commit_is_under_way_at_a_stop_are_not_sent_again(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.seconds = {"hook": 0.1}
    written = asyncio.Event()
    async with served(tmp_path) as (client, context):
        await client.make(receiver.url())
        write = context.service.records.write

        async def write_slowly(writes: Sequence[Put | Delete]) -> Sequence[Record | None]:
            done = await write(writes)
            if receiver.seqs() and writes[0].key.startswith("lane:"):
                written.set()
                await asyncio.sleep(0.5)
            return done

        monkeypatch.setattr(context.service.records, "write", write_slowly)
        await client.create(20)
        await written.wait()
        count = len(receiver.messages)
        await receiver.gets(count + 1)

    async with served(tmp_path):
        await receiver.gets(20)

    assert receiver.seqs() == [*range(1, 21)]


async def test_a_webhook_that_was_paused_before_a_restart_gets_all_when_it_is_resumed(
    tmp_path: Path, receiver: Receiver
) -> None:
    async with served(tmp_path) as (client, _):
        made = await client.make(receiver.url(), workspaces=None)
        await client.do(made, "pause")
        await client.create(2, "a")
    async with served(tmp_path) as (client, _):
        await client.create(2, "b")

    async with served(tmp_path) as (client, _):
        await client.do(made, "resume")
        await receiver.gets(4)

    assert (receiver.seqs(workspace="a"), receiver.seqs(workspace="b")) == ([1, 2], [1, 2])


async def test_a_lane_that_caught_up_leaves_no_mark_and_no_memory(tmp_path: Path, receiver: Receiver) -> None:
    async with served(tmp_path, idle=0.2, delays=(0.2,) * 9) as (client, context):
        await client.make(receiver.url())
        receiver.statuses["hook"] = 500
        await client.create()
        while not await records(context, "behind:"):
            await asyncio.sleep(0.01)
        receiver.statuses.clear()
        while await records(context, "behind:"):
            await asyncio.sleep(0.01)

        await client.create()
        await until(lambda: receiver.seqs()[-1] == 2)

    assert set(receiver.seqs()[:-1]) == {1}


@pytest.mark.slow
async def test_more_lanes_than_there_is_room_for_are_all_served(tmp_path: Path, receiver: Receiver) -> None:
    names = [f"w{number}" for number in range(30)]
    async with served(tmp_path, lanes=4, idle=0.05) as (client, _):
        await client.make(receiver.url(), workspaces=None)
        receiver.seconds["hook"] = 0.02

        for name in names:
            await client.create(2, name)
        await until(lambda: all(receiver.seqs(workspace=name)[-1:] == [2] for name in names))

    assert {tuple(receiver.seqs(workspace=name)) for name in names} == {(1, 2)}


@pytest.mark.slow
async def test_more_lanes_than_there_is_room_for_are_found_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    names = [f"w{number}" for number in range(30)]
    receiver.statuses["hook"] = 500
    async with served(tmp_path, lanes=4) as (client, context):
        made = await client.make(receiver.url(), workspaces=None)
        for name in names:
            await client.create(1, name)
        while len(await records(context, "behind:")) < 4:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # so that the token is written that all of these come before
    receiver.statuses.clear()

    async with served(tmp_path, lanes=4, idle=0.05) as (client, _):
        await client.do(made, "resume")
        await until(lambda: all(receiver.seqs(workspace=name) for name in names))


async def test_a_deleted_webhook_leaves_no_records(tmp_path: Path, receiver: Receiver) -> None:
    async with served(tmp_path) as (client, context):
        made = await client.make(receiver.url(), workspaces=None)
        await client.create(1, "a")
        await client.create(1, "b")
        await receiver.gets(2)
        while len(await records(context, "lane:")) < 2 or not await records(context, "status:"):
            await asyncio.sleep(0.01)

        await client.ask("DELETE", f"/webhooks/{made['id']}", status=204)

        while await records(context, "lane:"):
            await asyncio.sleep(0.01)
        kept = [key async for key in context.service.secrets.all()]
        assert kept == []
        assert [key for prefix in ("webhook:", "status:", "behind:") for key in await records(context, prefix)] == []


async def test_pruned_changes_are_reported_as_lost(tmp_path: Path, receiver: Receiver) -> None:
    async with served(tmp_path) as (client, context):
        made = await client.make(receiver.url())
        await client.do(made, "pause")
        await client.create(20)
        repository = context.service._runtime.repository
        first = datetime.min.replace(tzinfo=UTC)
        while await repository.prune(log_before=first, max_changes=5, keys_before=first, limit=100):
            pass

        await client.do(made, "resume")
        await receiver.gets(5)
        while not (shown := await client.show(made))["lost"]:
            await asyncio.sleep(0.01)

    assert receiver.seqs() == [16, 17, 18, 19, 20]
    assert (shown["lost_changes"], shown["lost"][0]["changes"]) == (15, 15)
    assert shown["lost"][0]["until"].endswith("-15")


async def test_a_workspace_that_is_erased_and_made_again_begins_anew(tmp_path: Path, receiver: Receiver) -> None:
    async with served(tmp_path) as (client, context):
        await client.make(receiver.url(), workspaces=["a"])
        await client.create(2, "a")
        await receiver.gets(2)
        await context.service._runtime.erase("a")

        await client.create(2, "a")
        await receiver.gets(4)

    assert receiver.seqs(workspace="a") == [1, 2, 1, 2]


async def test_a_webhook_without_a_secret_is_paused_until_it_has_one(tmp_path: Path, receiver: Receiver) -> None:
    async with served(tmp_path) as (client, context):
        made = await client.make(receiver.url())
        await context.service.secrets.delete(f"webhook:{made['id']}")
        await client.create()
        while (shown := await client.show(made))["state"] != "paused":
            await asyncio.sleep(0.01)
        await client.do(made, "test", status=409)

        await client.do(made, "rotate-secret")
        await client.do(made, "resume")
        await receiver.gets(1)

    assert "no secret" in shown["pause"]["reason"]
