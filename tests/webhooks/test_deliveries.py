"""Changes are delivered, in order, at least once, whatever the targets do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from patience import until
from standardwebhooks.webhooks import Webhook as Verifier

from webhooks.client import Client
from webhooks.receiver import Receiver

quick_attempts = pytest.mark.options(delays=(0.01,) * 9)
"""Makes the time between attempts short."""


async def is_paused(client: Client, webhook: dict[str, Any]) -> dict[str, Any]:
    """Returns the webhook when it's paused."""
    while (shown := await client.show(webhook))["state"] != "paused":
        await asyncio.sleep(0.01)
    return shown


async def test_changes_are_sent_signed_and_as_the_log_has_them(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())

    await client.create(3)

    messages = await receiver.gets(3)
    changes = (await client.ask("GET", "/changes?since=0"))["changes"]
    assert [message.document for message in messages] == changes
    assert receiver.seqs() == [1, 2, 3]
    for message in messages:
        assert Verifier(made["secret"]).verify(message.body, message.headers) == message.document
        assert message.headers["content-type"] == "application/json"
        assert message.workspace == "default"
    assert len({message.headers["webhook-id"] for message in messages}) == 3


async def test_nothing_is_sent_of_what_was_before(client: Client, receiver: Receiver) -> None:
    await client.create(3)
    await client.make(receiver.url())

    await client.create(2)

    await receiver.gets(2)
    assert receiver.seqs() == [4, 5]


async def test_only_wanted_changes_are_sent(client: Client, receiver: Receiver) -> None:
    await client.make(receiver.url(), types=["created", "deleted"], list="garden", labels=["red", "blue"])

    await client.create(labels=["red"], list="garden")
    await client.create(labels=["red"], list="kitchen")
    await client.create(labels=["green"], list="garden")
    await client.ask("PATCH", "/tasks/1", {"done": True})
    await client.ask("DELETE", "/tasks/2", status=204)
    await client.create(labels=["blue", "green"], list="garden")

    await receiver.gets(3)
    assert receiver.seqs() == [1, 5, 6]


async def test_a_webhook_of_all_workspaces_gets_the_changes_of_each_in_order(
    client: Client, receiver: Receiver
) -> None:
    await client.make(receiver.url(), workspaces=None)
    names = [f"w{number}" for number in range(20)]

    for _ in range(5):
        for name in names:
            await client.create(workspace=name)

    await receiver.gets(100)
    assert {name: receiver.seqs(workspace=name) for name in names} == {name: [1, 2, 3, 4, 5] for name in names}


async def test_a_webhook_of_some_workspaces_gets_no_others(client: Client, receiver: Receiver) -> None:
    await client.make(receiver.url(), workspaces=["a", "b"])

    for name in ("c", "b", "default", "a"):
        await client.create(workspace=name)

    messages = await receiver.gets(2)
    assert sorted(message.workspace for message in messages) == ["a", "b"]


# ---------------------------------------------------------------- targets that fail


@quick_attempts
async def test_a_failed_change_is_sent_again_before_those_after_it(client: Client, receiver: Receiver) -> None:
    await client.make(receiver.url())
    receiver.statuses["hook"] = 500

    await client.create(3)
    await receiver.gets(3)
    assert set(receiver.seqs()) == {1}
    del receiver.statuses["hook"]

    await until(lambda: receiver.seqs()[-1] == 3)
    assert receiver.seqs()[-3:] == [1, 2, 3]
    ids = {message.headers["webhook-id"] for message in receiver.of() if message.seq == 1}
    assert len(ids) == 1


@quick_attempts
async def test_after_the_last_attempt_a_pause_keeps_the_place(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())
    receiver.statuses["hook"] = 500

    await client.create(2)
    shown = await is_paused(client, made)

    assert receiver.seqs() == [1] * 10
    assert "10 attempts" in shown["pause"]["reason"]
    assert shown["pause"]["by"] is None
    assert shown["lag"]["changes"] == 2
    del receiver.statuses["hook"]
    await client.create()
    await client.do(made, "resume")
    await receiver.gets(13)
    assert receiver.seqs()[10:] == [1, 2, 3]
    assert (await client.show(made))["state"] == "active"


async def test_gone_pauses_at_once(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())
    receiver.statuses["hook"] = 410

    await client.create()
    shown = await is_paused(client, made)

    assert receiver.seqs() == [1]
    assert "410" in shown["pause"]["reason"]


@quick_attempts
async def test_retry_after_puts_the_next_attempt_off(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())
    receiver.statuses["hook"], receiver.headers = 503, {"Retry-After": "3600"}

    await client.create()
    await receiver.gets(1)
    asked_at = datetime.now(UTC)
    while not (place := (await client.show(made))["places"][0])["next_attempt_at"]:
        await asyncio.sleep(0.01)

    assert place["attempts"] == 1
    assert datetime.fromisoformat(place["next_attempt_at"]) > asked_at + timedelta(minutes=59)
    assert receiver.seqs() == [1]


async def test_silent_targets_hold_up_nobody_else(client: Client, receiver: Receiver) -> None:
    for number in range(30):
        receiver.silent.add(f"silent{number}")
        await client.make(receiver.url(f"silent{number}"))
    await client.make(receiver.url())

    await client.create(20)

    await receiver.gets(20)
    assert receiver.seqs() == list(range(1, 21))


@pytest.mark.slow
async def test_redirects_are_failures(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())
    receiver.statuses["hook"], receiver.headers = 307, {"Location": receiver.url("other")}

    await client.create()
    await receiver.gets(1)
    while not (answers := (await client.show(made))["answers"]):
        await asyncio.sleep(0.05)

    assert (answers[0]["outcome"], answers[0]["status"]) == ("refused", 307)
    assert not receiver.of("other")


async def test_at_most_four_messages_to_a_webhook_are_sent_at_once(client: Client, receiver: Receiver) -> None:
    await client.make(receiver.url(), workspaces=None)
    receiver.seconds["hook"] = 0.05

    for number in range(20):
        await client.create(workspace=f"w{number}")

    await receiver.gets(20)
    assert 1 < receiver.open_most <= 4


# ---------------------------------------------------------------- what callers do


async def test_a_paused_webhook_gets_what_happened_meanwhile_when_it_is_resumed(
    client: Client, receiver: Receiver
) -> None:
    made = await client.make(receiver.url(), workspaces=None)
    other = await client.make(receiver.url("other"))
    await client.create(workspace="w")
    await receiver.gets(1)

    paused = await client.do(made, "pause")
    await client.create(2, workspace="w")
    await client.create(2)
    await receiver.gets(2, "other")

    assert (paused["state"], paused["pause"]["by"]) == ("paused", None)
    assert receiver.seqs(workspace="w") == [1]
    await client.do(made, "resume")
    await receiver.gets(5)
    assert receiver.seqs(workspace="w") == [1, 2, 3]
    assert receiver.seqs(workspace="default") == [1, 2]
    assert other["id"] != made["id"]


async def test_resume_makes_a_waiting_attempt_at_once(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())
    receiver.statuses["hook"] = 500
    await client.create()
    await receiver.gets(1)
    del receiver.statuses["hook"]

    await client.do(made, "resume")

    await receiver.gets(2)
    assert receiver.seqs() == [1, 1]


async def test_another_url_gets_what_is_due(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())
    receiver.statuses["hook"] = 500
    await client.create(2)
    await receiver.gets(1)

    await client.ask("PATCH", f"/webhooks/{made['id']}", {"url": receiver.url("new")})

    await receiver.gets(2, "new")
    assert receiver.seqs("new") == [1, 2]


@pytest.mark.parametrize("workspaces", [["default"], None], ids=["named", "all"])
async def test_a_replay_from_zero_sends_everything_again_with_the_same_ids(
    workspaces: list[str] | None, client: Client, receiver: Receiver
) -> None:
    await client.create(2)
    made = await client.make(receiver.url(), workspaces=workspaces)
    await client.create(2)
    await receiver.gets(2)

    await client.do(made, "replay", {"since": "0"})

    await until(lambda: receiver.seqs()[-4:] == [1, 2, 3, 4])
    assert len({message.headers["webhook-id"] for message in receiver.of()}) == 4


async def test_a_replay_from_a_position_or_a_time_begins_there(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())
    await client.create(4)
    await receiver.gets(4)
    changes = (await client.ask("GET", "/changes?since=0"))["changes"]

    await client.do(made, "replay", {"since": changes[1]["position"]})
    await receiver.gets(6)
    await client.do(made, "replay", {"since": changes[3]["at"], "workspace": "default"})

    await receiver.gets(7)
    assert receiver.seqs() == [1, 2, 3, 4, 3, 4, 4]


async def test_a_replay_of_a_paused_webhook_waits_until_it_is_resumed(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())
    await client.create(2)
    await receiver.gets(2)
    await client.do(made, "pause")

    shown = await client.do(made, "replay", {"since": "0"})
    await client.do(made, "resume")

    await receiver.gets(4)
    assert shown["state"] == "paused"
    assert receiver.seqs() == [1, 2, 1, 2]


async def test_both_secrets_sign_after_a_rotation(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())
    rotated = await client.do(made, "rotate-secret")

    await client.create()

    (message,) = await receiver.gets(1)
    assert rotated["secret"] != made["secret"]
    for secret in (rotated["secret"], made["secret"]):
        Verifier(secret).verify(message.body, message.headers)


async def test_a_deleted_webhook_gets_nothing_more(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())
    await client.make(receiver.url("other"))
    await client.create()
    await receiver.gets(1)

    await client.ask("DELETE", f"/webhooks/{made['id']}", status=204)
    await client.create()

    await receiver.gets(2, "other")
    assert receiver.seqs() == [1]
    await client.ask("GET", f"/webhooks/{made['id']}", status=404)


async def test_a_workspace_that_is_added_begins_with_its_next_change(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url(), workspaces=["a"])
    await client.create(workspace="a")
    await client.create(workspace="b")
    await receiver.gets(1)

    await client.ask("PATCH", f"/webhooks/{made['id']}", {"workspaces": ["a", "b"]})
    await client.create(workspace="b")
    await client.create(workspace="a")

    await receiver.gets(3)
    assert receiver.seqs(workspace="a") == [1, 2]
    assert receiver.seqs(workspace="b") == [2]


async def test_a_test_sends_one_signed_message_and_says_what_came_of_it(client: Client, receiver: Receiver) -> None:
    made = await client.make(receiver.url())
    receiver.statuses["hook"] = 202

    found = await client.do(made, "test")

    (message,) = receiver.of()
    assert Verifier(made["secret"]).verify(message.body, message.headers)["type"] == "webhook.test"
    assert (found["outcome"], found["status"]) == ("delivered", 202)
