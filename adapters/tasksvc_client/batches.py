"""The operations of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tasksvc_client.encoding import task_fields, version_tag

if TYPE_CHECKING:
    from typing import Unpack

    from tasksvc_client.models import Task
    from tasksvc_client.operations.fields import ChangedFields, NewTaskFields


class _Operation:
    """An operation of a batch; `json` is what is sent."""

    __slots__ = ("json",)

    json: dict[str, Any]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.json}>"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.json == other.json

    __hash__ = None  # type: ignore[assignment]


class Create(_Operation):
    """Creates a task in the workspace."""

    def __init__(self, description: str, **fields: Unpack[NewTaskFields]) -> None:
        self.json = {"op": "create", "task": {"description": description, **task_fields(fields)}}


class Update(_Operation):
    """Changes fields of a task, if it is at `if_version`."""

    def __init__(self, id: int, *, if_version: Task | str | None = None, **fields: Unpack[ChangedFields]) -> None:  # noqa: A002
        self.json = {"op": "update", "id": id, "patch": task_fields(fields), **_condition(if_version)}


class Delete(_Operation):
    """Deletes a task, if it is at `if_version`; with `children="delete"` also all tasks below it."""

    def __init__(
        self,
        id: int,  # noqa: A002
        *,
        children: Literal["delete"] | None = None,
        if_version: Task | str | None = None,
    ) -> None:
        below = {} if children is None else {"children": children}
        self.json = {"op": "delete", "id": id, **below, **_condition(if_version)}


class Restore(_Operation):
    """Brings back a version of a task, if it is at `if_version`."""

    def __init__(self, id: int, version: int, *, if_version: Task | str | None = None) -> None:  # noqa: A002
        self.json = {"op": "restore", "id": id, "version": version, **_condition(if_version)}


def _condition(if_version: Task | str | None) -> dict[str, str]:
    tag = version_tag(if_version)
    return {} if tag is None else {"if_match": tag}
