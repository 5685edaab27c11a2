"""Uses the package that OpenAPI Generator generates, and prints its results as JSON."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from generated_package import ApiClient, Configuration, TasksApi
from generated_package.exceptions import NotFoundException
from generated_package.models import BatchCreate, BatchDelete, BatchItemIn, BatchUpdate, Problem, TaskIn, TaskPatch


def main(url: str, token: str) -> None:
    with ApiClient(Configuration(host=url, access_token=token)) as client:
        tasks = TasksApi(client)
        metadata = {"room": 4, "deep": [{"n": None}]}
        due_at = datetime(2026, 11, 24, 18, tzinfo=UTC)
        wanted = TaskIn(description="Water the plants", due_at=due_at, labels=["home"], metadata=metadata)

        created = tasks.create_task(wanted, idempotency_key="a key")
        patched = tasks.patch_task(created.id, TaskPatch(done=True, due_at=None))
        operations = [
            BatchCreate(op="create", task=TaskIn(description="Feed the cat", labels=["home"], priority=5)),
            BatchUpdate(op="update", id=created.id, patch=TaskPatch(priority=9)),
            BatchCreate(op="create", task=TaskIn(description="Goes at once")),
            BatchDelete(op="delete", id=created.id + 2),
        ]
        several = tasks.batch([BatchItemIn(operation) for operation in operations])
        listed = tasks.list_tasks(label=["home"], limit=10)
        deleted = tasks.delete_task_with_http_info(created.id)
        gone = None
        try:
            tasks.get_task(created.id)
        except NotFoundException as error:
            gone = error.data
        assert isinstance(gone, Problem)

    report = {
        "created": [created.id, shown(created.due_at), created.metadata],
        "patched": [patched.done, patched.due_at, patched.version],
        "batch": [[result.op, result.id, result.task and result.task.priority] for result in several.results],
        "listed": [task.id for task in listed],
        "deleted": deleted.status_code,
        "gone": [gone.status, gone.type],
    }
    print(json.dumps(report))


def shown(moment: datetime | None) -> str:
    assert moment is not None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


main(*sys.argv[1:])
