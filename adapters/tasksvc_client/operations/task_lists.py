"""The operations on the named lists of a workspace."""

from __future__ import annotations

from tasksvc_client.models import TaskList
from tasksvc_client.operations.requests import get, nothing, write
from tasksvc_client.scope import Scope, segment
from tasksvc_client.steps import Answer, Operation, Repeat


def lists(scope: Scope, /) -> Operation[tuple[TaskList, ...]]:
    """Returns the lists of the workspace by name, with the numbers of their tasks."""
    return (yield from get(scope, scope.path("/lists/"), _lists))


def rename_list(scope: Scope, /, name: str, new_name: str) -> Operation[TaskList]:
    """Moves all tasks of a list to another one, which may exist, and returns that. Raises ListNotFound."""
    target, body = scope.path(f"/lists/{segment(name)}"), {"name": new_name}
    return (yield from write(scope, "PATCH", target, _list, body=body, repeat=Repeat.ALWAYS))


def delete_list(scope: Scope, /, name: str) -> Operation[None]:
    """Deletes all tasks of a list, if there are any."""
    return (yield from write(scope, "DELETE", scope.path(f"/lists/{segment(name)}"), nothing, repeat=Repeat.ALWAYS))


def _lists(answer: Answer) -> tuple[TaskList, ...]:
    return tuple(map(TaskList.from_json, answer.document))


def _list(answer: Answer) -> TaskList:
    return TaskList.from_json(answer.document)
