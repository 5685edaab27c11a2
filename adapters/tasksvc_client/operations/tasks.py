"""The operations on tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from tasksvc_client.batches import Create, Delete, Restore, Update
from tasksvc_client.encoding import filter_parameters, query_text, task_fields
from tasksvc_client.errors import IdempotencyKeyReused, VersionConflict
from tasksvc_client.exchange import exchange
from tasksvc_client.models import Page, Task
from tasksvc_client.operations.requests import condition, get, next_page, nothing, task, understood, write
from tasksvc_client.scope import Scope
from tasksvc_client.steps import Answer, Item, Items, Operation, Request, Wait

if TYPE_CHECKING:
    from typing import Unpack

    from tasksvc_client.operations.fields import ChangedFields, CountFilters, Filters, FindFilters, NewTaskFields

Operations = Sequence[Create | Update | Delete | Restore]


def create(
    scope: Scope, /, description: str, *, key: str | None = None, **fields: Unpack[NewTaskFields]
) -> Operation[Task]:
    """Creates a task and returns it. Raises UidTaken if another one has its uid."""
    body = {"description": description, **task_fields(fields)}
    return (yield from write(scope, "POST", scope.path("/tasks/"), task, body=body, key=key))


def get_task(scope: Scope, /, id: int) -> Operation[Task]:  # noqa: A002
    """Returns a task. Raises TaskNotFound."""
    return (yield from get(scope, scope.path(f"/tasks/{int(id)}"), task))


def update(
    scope: Scope,
    /,
    id: int,  # noqa: A002
    *,
    if_version: Task | str | None = None,
    key: str | None = None,
    **fields: Unpack[ChangedFields],
) -> Operation[Task]:
    """Changes fields of a task and returns it.

    `if_version` is a task that get() or a write gave, or its `etag`: raises VersionConflict if the task has another
    version. Raises TaskNotFound.
    """
    target, headers = scope.path(f"/tasks/{int(id)}"), condition(if_version)
    return (yield from write(scope, "PATCH", target, task, body=task_fields(fields), headers=headers, key=key))


def edit(
    scope: Scope,
    /,
    id: int,  # noqa: A002
    change: Callable[[Task], Mapping[str, Any]],
    *,
    key: str | None = None,
) -> Operation[Task]:
    """Reads a task, lets `change` say which fields to change, and writes these if nobody was faster.

    Otherwise it begins again with the task as it is then, until the deadline. An empty mapping writes nothing. Returns
    the task, also if an earlier call with `key` has done it. Raises TaskNotFound, and VersionConflict if others were
    faster until the deadline.
    """
    end, conflicts = scope.clock() + scope.deadline, 0
    there = yield from get_task(scope, id)
    while True:
        fields: Any = dict(change(there))
        if not fields:
            return there
        try:
            return (yield from update(scope, id, if_version=there, key=key, **fields))
        except IdempotencyKeyReused:
            if key is None:
                raise
            return (yield from get_task(scope, id))  # done by an earlier call, from another version
        except VersionConflict as conflict:
            if scope.clock() >= end:
                raise
            current = conflict.current
        conflicts += 1
        yield Wait(scope.chance() * min(1.0, 0.01 * 2 ** min(conflicts, 10)))
        there = (yield from get_task(scope, id)) if current is None or current.etag is None else current


def delete(
    scope: Scope,
    /,
    id: int,  # noqa: A002
    *,
    if_version: Task | str | None = None,
    children: Literal["delete"] | None = None,
    key: str | None = None,
) -> Operation[None]:
    """Deletes a task. Its children stay, without a parent, unless `children` is "delete".

    Raises TaskNotFound, VersionConflict if it isn't at `if_version`, and TooManyRelated.
    """
    target = scope.path(f"/tasks/{int(id)}") + query_text([("children", children)])
    return (yield from write(scope, "DELETE", target, nothing, headers=condition(if_version), key=key))


def skip(
    scope: Scope,
    /,
    id: int,  # noqa: A002
    *,
    if_version: Task | str | None = None,
    key: str | None = None,
) -> Operation[Task]:
    """Moves a task that repeats to its next occurrence without completing it, and returns it."""
    target = scope.path(f"/tasks/{int(id)}/skip")
    return (yield from write(scope, "POST", target, task, headers=condition(if_version), key=key))


def restore(
    scope: Scope,
    /,
    id: int,  # noqa: A002
    version: int,
    *,
    if_version: Task | str | None = None,
    deleted: bool | None = None,
    key: str | None = None,
) -> Operation[Task]:
    """Brings back a deleted task, or an earlier version of one, and returns it.

    With `deleted` it is only done if the task is deleted, or isn't; otherwise it raises VersionConflict. Raises
    TaskNotFound, VersionNotFound, VersionGone, and UidTaken.
    """
    headers = condition(if_version)
    if deleted is not None:
        headers = {"If-None-Match": "*"} if deleted else {"If-Match": headers.get("If-Match", "*")}
    target, body = scope.path(f"/tasks/{int(id)}/restore"), {"version": version}
    return (yield from write(scope, "POST", target, task, body=body, headers=headers, key=key))


def batch(scope: Scope, /, operations: Operations, *, key: str | None = None) -> Operation[tuple[Task | None, ...]]:
    """Does up to 1,000 operations in one transaction, or none of them.

    Returns the task after each of them, None for a deletion. Raises what the operation that is refused raises, whose
    `index` counts from 0.
    """
    body = [operation.json for operation in operations]
    return (yield from write(scope, "POST", scope.path("/tasks/batch"), _results, body=body, key=key))


def _results(answer: Answer) -> tuple[Task | None, ...]:
    results = answer.document["results"]
    return tuple(
        None if result["task"] is None else Task.from_json(result["task"], result["etag"]) for result in results
    )


# ---------------------------------------------------------------- several tasks


def pages(
    scope: Scope, /, *, limit: int | None = None, page_size: int = 1_000, **filters: Unpack[FindFilters]
) -> Items[Page]:
    """Yields the pages of a list: all tasks that match, or the first `limit` of them."""
    left = limit
    size = page_size if left is None else min(page_size, left)
    path = "/tasks/" if filters.get("workspaces") is not None else scope.path("/tasks/")
    target: str | None = path + query_text([*filter_parameters(filters), ("limit", max(1, size))])
    while target is not None and left != 0:
        request = Request("GET", target)
        answer = yield from exchange(request, scope)
        target = next_page(target, answer)
        page = understood(request, answer, _page)._replace(next=_cursor(target))
        if left is not None:
            page = page._replace(tasks=page.tasks[:left])
            left -= len(page.tasks)
        yield Item(page)


def find(
    scope: Scope, /, *, limit: int | None = None, page_size: int = 1_000, **filters: Unpack[FindFilters]
) -> Items[Task]:
    """Yields all tasks that match, or the first `limit` of them, page by page."""
    walk, result = pages(scope, limit=limit, page_size=page_size, **filters), None
    with suppress(StopIteration):
        while True:
            step = walk.send(result)
            if isinstance(step, Item):
                result = None
                for each in step.value.tasks:
                    yield Item(each)
            else:
                result = yield step


def _cursor(target: str | None) -> str | None:
    """Returns the parameter `after` of the target of a page."""
    return None if target is None else parse_qs(urlsplit(target).query).get("after", [None])[0]


def _page(answer: Answer) -> Page:
    return Page(tuple(map(Task.from_json, answer.document)), answer.headers["x-change-seq"])


def count(scope: Scope, /, **filters: Unpack[CountFilters]) -> Operation[int]:
    """Returns how many tasks match."""
    path = "/tasks/count" if filters.get("workspaces") is not None else scope.path("/tasks/count")
    return (yield from get(scope, path + query_text(filter_parameters(filters)), _count))


def _count(answer: Answer) -> int:
    return int(answer.document["count"])


def delete_matching(scope: Scope, /, **filters: Unpack[Filters]) -> Operation[int]:
    """Deletes all tasks that match, up to 1,000 in a transaction, and returns how many there were.

    Raises ValueError without a filter.
    """
    query = query_text(filter_parameters(filters))
    if not query:
        raise ValueError("A filter must say which tasks are to be deleted.")
    deleted, more = 0, True
    while more:
        number, more = yield from write(scope, "DELETE", scope.path("/tasks/") + query, _deleted)
        deleted += number
    return deleted


def _deleted(answer: Answer) -> tuple[int, bool]:
    document = answer.document
    return int(document["deleted"]), bool(document["more"])
