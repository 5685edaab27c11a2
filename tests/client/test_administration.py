"""What programs do with callers, tokens, workspaces and webhooks, through both clients."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from tasksvc_client import (
    Client,
    Forbidden,
    PositionGone,
    TokenAlreadyMade,
    TokenNotFound,
    Unauthorized,
    WebhookNotFound,
    WorkspaceForbidden,
)

from client.conftest import Connect, new_workspace

TARGET = "http://127.0.0.1:1/hook"
"""A URL where nothing listens."""


def new_name() -> str:
    return f"t{uuid4().hex[:12]}"


async def test_the_caller_learns_who_they_are(connect: Connect) -> None:
    name, end = new_name(), datetime(2100, 1, 1, tzinfo=UTC)
    token = await connect().create_token(name, workspaces=["u_ann", "family"], expires_at=end)

    me = await connect(token=token.secret).me()

    assert (me.name, me.scope, me.workspaces, me.home, me.expires_at) == (
        name,
        "write",
        ("u_ann", "family"),
        "u_ann",
        end,
    )


async def test_without_a_workspace_it_is_the_home_of_the_caller(connect: Connect) -> None:
    home = new_workspace()
    token = await connect().create_token(new_name(), workspaces=[home])

    await connect(token=token.secret, workspace=None).create("at home")

    assert await connect(workspace=home).count() == 1


async def test_another_workspace_is_forbidden(connect: Connect) -> None:
    token = await connect().create_token(new_name(), workspaces=["u_ann"])

    with pytest.raises(WorkspaceForbidden):
        await connect(token=token.secret, workspace="u_bob").count()


async def test_a_reader_may_not_write(connect: Connect) -> None:
    token = await connect().create_token(new_name(), "read")

    with pytest.raises(Forbidden, match="scope write"):
        await connect(token=token.secret).create("x")


@pytest.mark.parametrize("token", [None, "tasksvc_nobody"])
async def test_a_caller_without_a_valid_token_is_unauthorized(connect: Connect, token: str | None) -> None:
    with pytest.raises(Unauthorized, match="A valid token is needed"):
        await connect(token=token).me()


async def test_a_workspace_has_its_own_tasks(connect: Connect) -> None:
    here = connect()
    there = here.in_workspace(new_workspace())

    await here.create("here")

    assert (await here.count(), await there.count()) == (1, 0)


async def test_workspaces_are_listed_and_erased(connect: Connect) -> None:
    prefix = new_workspace()
    client = connect()
    for name in ("b", "a"):
        await client.in_workspace(f"{prefix}.{name}").create("x")

    found = [workspace async for workspace in client.workspaces(f"{prefix}.")]
    await client.erase_workspace(f"{prefix}.a")

    assert [(each.name, each.tasks, each.open) for each in found] == [(f"{prefix}.a", 1, 1), (f"{prefix}.b", 1, 1)]
    assert [workspace.name async for workspace in client.workspaces(f"{prefix}.")] == [f"{prefix}.b"]


async def test_the_positions_of_an_erased_workspace_are_gone(tasks: Client) -> None:
    await tasks.create("x")
    [change] = [change async for change in tasks.changes()]
    assert tasks.workspace is not None

    await tasks.erase_workspace(tasks.workspace)

    with pytest.raises(PositionGone):
        [change async for change in tasks.changes(change.position)]


async def test_a_token_is_created_changed_and_revoked(connect: Connect) -> None:
    admin, name, home = connect(), new_name(), new_workspace()

    made = await admin.create_token(name, "read", workspaces=[home])
    changed = await admin.change_token(name, scope="write", expires_at=datetime(2100, 1, 1, tzinfo=UTC))
    there = await admin.tokens(home)
    await admin.revoke_token(name)

    assert made.secret is not None
    assert made.secret not in repr(made)
    assert (changed.scope, changed.workspaces, changed.secret) == ("write", (home,), None)
    assert changed in there
    with pytest.raises(TokenNotFound):
        await admin.revoke_token(name)


async def test_a_token_whose_secret_was_lost_is_named(connect: Connect) -> None:
    admin, name = connect(), new_name()
    await admin.create_token(name, key=f"make {name}")

    with pytest.raises(TokenAlreadyMade) as refusal:
        await admin.create_token(name, key=f"make {name}")

    assert (refusal.value.token.name, refusal.value.token.secret) == (name, None)


async def test_a_webhook_is_created_changed_tested_and_deleted(tasks: Client) -> None:
    assert tasks.workspace is not None
    made = await tasks.create_webhook(TARGET, workspaces=[tasks.workspace], types=("created",), description="chat")
    changed = await tasks.change_webhook(made.id, url=f"{TARGET}/2", labels={"urgent"})
    paused = await tasks.pause_webhook(made.id)
    attempt = await tasks.test_webhook(made.id)
    secret = await tasks.rotate_webhook_secret(made.id)
    replayed = await tasks.replay_webhook(made.id, "0")
    resumed = await tasks.resume_webhook(made.id)
    listed = [webhook async for webhook in tasks.webhooks()]
    shown = await tasks.get_webhook(made.id)
    await tasks.delete_webhook(made.id)

    assert made.secret is not None
    assert made.secret not in repr(made) + str(made.json)
    assert (made.types, made.workspaces, made.description) == (("created",), (tasks.workspace,), "chat")
    assert (changed.url, changed.labels, changed.types) == (f"{TARGET}/2", ("urgent",), ("created",))
    assert (paused.state, replayed.state, resumed.state) == ("paused", "paused", "active")
    assert (attempt.outcome, attempt.status) == ("unreachable", None)
    assert secret not in (made.secret, "")
    assert resumed.id in [webhook.id for webhook in listed]
    assert "lag" in shown.json
    with pytest.raises(WebhookNotFound):
        await tasks.delete_webhook(made.id)


async def test_a_webhook_that_is_created_again_with_its_key_is_the_same(tasks: Client) -> None:
    first = await tasks.create_webhook(TARGET, key=f"k {tasks.workspace}")
    second = await tasks.create_webhook(TARGET, key=f"k {tasks.workspace}")

    assert (first, first.secret) == (second, second.secret)
