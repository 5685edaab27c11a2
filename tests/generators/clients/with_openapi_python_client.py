"""Uses the package that openapi-python-client generates, and prints its results as JSON."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from generated_client import AuthenticatedClient
from generated_client.api.tasks import batch, create_task, delete_task, get_task, list_tasks, patch_task
from generated_client.models import (
    BatchCreate,
    BatchCreateOp,
    BatchDelete,
    BatchDeleteOp,
    BatchOut,
    BatchUpdate,
    BatchUpdateOp,
    Problem,
    TaskIn,
    TaskInMetadata,
    TaskOut,
    TaskPatch,
)


def main(url: str, token: str) -> None:
    metadata = TaskInMetadata.from_dict({"room": 4, "deep": [{"n": None}]})
    due_at = datetime(2026, 11, 24, 18, tzinfo=UTC)
    wanted = TaskIn("Water the plants", due_at=due_at, labels=["home"], metadata=metadata)

    with AuthenticatedClient(base_url=url, token=token) as client:
        created = create_task.sync(client=client, body=wanted, idempotency_key="a key")
        assert isinstance(created, TaskOut)
        patched = patch_task.sync(created.id, client=client, body=TaskPatch(done=True, due_at=None))
        assert isinstance(patched, TaskOut)
        several = batch.sync(
            client=client,
            body=[
                BatchCreate(op=BatchCreateOp.CREATE, task=TaskIn("Feed the cat", labels=["home"], priority=5)),
                BatchUpdate(op=BatchUpdateOp.UPDATE, id=created.id, patch=TaskPatch(priority=9)),
                BatchCreate(op=BatchCreateOp.CREATE, task=TaskIn("Goes at once")),
                BatchDelete(op=BatchDeleteOp.DELETE, id=created.id + 2),
            ],
        )
        assert isinstance(several, BatchOut)
        listed = list_tasks.sync(client=client, label=["home"], limit=10)
        assert isinstance(listed, list)
        deleted = delete_task.sync_detailed(created.id, client=client)
        gone = get_task.sync(created.id, client=client)
        assert isinstance(gone, Problem)

    report = {
        "created": [created.id, shown(created.due_at), created.metadata.to_dict()],
        "patched": [patched.done, patched.due_at, patched.version],
        "batch": [[result.op.value, result.id, result.task and result.task.priority] for result in several.results],
        "listed": [task.id for task in listed],
        "deleted": deleted.status_code,
        "gone": [gone.status, gone.type_],
    }
    print(json.dumps(report))


def shown(moment: datetime | None) -> str:
    assert moment is not None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


main(*sys.argv[1:])
