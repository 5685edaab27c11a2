"""What lists may be read, renamed and deleted by whom."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from auth.conftest import AuthClients
from tasksvc.api.app import RUNTIME
from tasksvc.application.callers import Scope
from tasksvc.application.clock import now
from tasksvc.application.tokens import create_token

TASK = {"description": "x", "list": "garden"}
RENAMING = {"name": "allotment"}


@pytest.fixture
async def callers(clients: AuthClients) -> AuthClients:
    """The clients with a list in two workspaces, and with ann, who may write in u_1 alone."""
    assert clients.client.app is not None
    repository = clients.client.app[RUNTIME].repository
    clients.secrets["ann"], _ = await create_token(repository, "ann", Scope.WRITE, at=now(), workspaces=["u_1"])
    for workspace in ("u_1", "u_2"):
        made = await clients.client.post(f"/workspaces/{workspace}/tasks/", json=TASK, headers=clients.headers("admin"))
        assert made.status == 201
    return clients


@pytest.mark.parametrize(
    ("caller", "workspace", "expected"),
    [
        ("nobody", "u_1", [401, 401, 401]),
        ("read", "u_1", [200, 403, 403]),
        ("write", "u_1", [200, 200, 204]),
        ("admin", "u_1", [200, 200, 204]),
        ("ann", "u_1", [200, 200, 204]),
        ("ann", "u_2", [403, 403, 403]),
    ],
)
async def test_reading_lists_needs_the_scope_read_and_changing_them_write(
    callers: AuthClients, caller: str, workspace: str, expected: Sequence[int]
) -> None:
    client, headers, path = callers.client, callers.headers(caller), f"/workspaces/{workspace}/lists/"

    answers = [
        await client.get(path, headers=headers),
        await client.patch(f"{path}garden", json=RENAMING, headers=headers),
        await client.delete(f"{path}allotment", headers=headers),
    ]

    assert [answer.status for answer in answers] == expected


async def test_paths_without_a_workspace_are_the_lists_of_the_home_and_changes_name_the_caller(
    callers: AuthClients,
) -> None:
    client, ann = callers.client, callers.headers("ann")

    renamed = await client.patch("/lists/garden", json=RENAMING, headers=ann)

    listed = await client.get("/lists", headers=ann)
    log = await client.get("/changes?since=0", headers=ann)
    other = await client.get("/workspaces/u_2/lists/", headers=callers.headers("admin"))
    assert await renamed.json() == {"name": "allotment", "open": 1, "total": 1}
    assert await listed.json() == [await renamed.json()]
    assert [(change["type"], change["by"]) for change in (await log.json())["changes"]][1:] == [("updated", "ann")]
    assert [each["name"] for each in await other.json()] == ["garden"]
