"""Uses the models that datamodel-code-generator generates, and prints its results as JSON."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import httpx
from generated_models import (
    BatchCreate,
    BatchDelete,
    BatchItemIn,
    BatchOut,
    BatchUpdate,
    Label,
    Problem,
    TaskIn,
    TaskOut,
    TaskPatch,
)
from pydantic import BaseModel


def main(url: str, token: str) -> None:
    home = [Label("home")]
    due_at = datetime(2026, 11, 24, 18, tzinfo=UTC)
    metadata = {"room": 4, "deep": [{"n": None}]}
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        wanted = TaskIn(description="Water the plants", due_at=due_at, labels=home, metadata=metadata)
        created = TaskOut.model_validate_json(client.post("/tasks/", json=sent(wanted)).content)
        change = TaskPatch(done=True, due_at=None)
        patched = TaskOut.model_validate_json(client.patch(f"/tasks/{created.id}", json=sent(change)).content)
        operations = [
            BatchItemIn(
                BatchCreate(op="create", task=TaskIn(description="Feed the cat", labels=home, priority=5)),
            ),
            BatchItemIn(BatchUpdate(op="update", id=created.id, patch=TaskPatch(priority=9))),
            BatchItemIn(BatchCreate(op="create", task=TaskIn(description="Goes at once"))),
            BatchItemIn(BatchDelete(op="delete", id=created.id + 2)),
        ]
        body = [sent(operation) for operation in operations]
        several = BatchOut.model_validate_json(client.post("/tasks/batch", json=body).content)
        tasks = client.get("/tasks/", params={"label": "home", "limit": 10}).json()
        listed = [TaskOut.model_validate(task) for task in tasks]
        deleted = client.delete(f"/tasks/{created.id}")
        gone = Problem.model_validate_json(client.get(f"/tasks/{created.id}").content)

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


def sent(model: BaseModel) -> Any:
    """Returns the model as the JSON document that is sent."""
    return model.model_dump(mode="json", exclude_unset=True)


main(*sys.argv[1:])
