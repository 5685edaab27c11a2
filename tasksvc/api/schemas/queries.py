"""Schemas of the query parameters."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, post_load

from tasksvc.api.requests.positions import TAG_CHARACTERS
from tasksvc.api.schemas.fields import (
    Choice,
    Query,
    QueryInteger,
    QueryStringList,
    StrictString,
    described,
)
from tasksvc.api.schemas.task_fields import FilterQuery, filters_from
from tasksvc.api.schemas.tokens import workspace_error
from tasksvc.application.tokens import WORKSPACES_MAX
from tasksvc.domain.query import SortField, TaskQuery

LIMIT_MAX = 1_000
CHANGES_LIMIT = 100
"""Changes on a page, where none is named."""
POSITION = {"pattern": "^(0|[0-9a-z]{1,32}-[0-9]{1,18})$"}
_ENTRY = f"[0-9a-f]{{{TAG_CHARACTERS}}}-(0|[0-9a-z]{{1,32}}-[0-9]{{1,18}})"
ANY_POSITION = {"pattern": f"^(0|[0-9a-z]{{1,32}}-[0-9]{{1,18}}|{_ENTRY}([.]{_ENTRY})*)$"}
"""A position of one workspace, or of several."""
EXAMPLE_POSITION = "5d2f0c9a7b1e4c3d-1"


# ---------------------------------------------------------------- query strings


class NoQuery(Query):
    """Takes no parameters at all."""


class ListQuery(FilterQuery):
    """Selects tasks, orders them, and takes a page of them."""

    sort = StrictString(
        validate=Choice(sign + name for name in SortField for sign in ("", "-")),
        metadata=described("The order; - sorts in descending order. Nulls come last, and ties are ordered by id."),
    )
    limit = QueryInteger(
        1,
        LIMIT_MAX,
        metadata=described("The largest number of tasks on a page. Without it, the response has all tasks."),
    )
    after = StrictString(
        metadata=described(
            "The cursor at which the page begins, from the Link header of the previous page.",
            pattern="^[0-9A-Za-z_-]+$",
        )
    )

    @post_load
    def query(self, data: dict[str, Any], **kwargs: Any) -> tuple[TaskQuery, str | None, int | None]:
        limit, after, sort = data.pop("limit", None), data.pop("after", None), data.pop("sort", "id")
        order = {"sort": SortField(sort.removeprefix("-")), "descending": sort.startswith("-")}
        return TaskQuery(**filters_from(data), **order), after, limit


class WorkspacesParameter(QueryStringList):
    """A parameter that is repeated for each of several workspaces; their names come out sorted."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        if len(value) > WORKSPACES_MAX:
            raise ValidationError(f"At most {WORKSPACES_MAX} workspaces can be named.")
        for name in value:
            if (problem := workspace_error(name)) is not None:
                raise ValidationError(problem)
        if len(set(value)) < len(value):
            raise ValidationError("Each workspace must be named once.")
        return tuple(sorted(value))


def _workspaces() -> WorkspacesParameter:
    return WorkspacesParameter(
        metadata=described(
            f"A workspace, instead of the home of the caller. Repeat it for up to {WORKSPACES_MAX} different ones,"
            " which are shown together."
        )
    )


class FilterAcrossQuery(FilterQuery):
    """Filters that select tasks of the home of the caller, or of the workspaces that are named."""

    workspace = _workspaces()

    @post_load
    def query(self, data: dict[str, Any], **kwargs: Any) -> tuple[tuple[str, ...] | None, TaskQuery]:
        names = data.pop("workspace", None)
        return names, super().query(data)


class ListAcrossQuery(ListQuery):
    """Selects tasks of the home of the caller, or of the workspaces that are named, and orders and pages them."""

    workspace = _workspaces()

    @post_load
    def query(self, data: dict[str, Any], **kwargs: Any) -> tuple[tuple[str, ...] | None, tuple[Any, ...]]:
        names = data.pop("workspace", None)
        return names, super().query(data)


class DeletionQuery(Query):
    """Says what else is deleted with a task."""

    children = StrictString(
        validate=Choice(["delete"]),
        metadata=described("With `delete`, all tasks below it are deleted too. Otherwise its children have no parent."),
    )


class ChangesQuery(Query):
    """Selects a part of the change log."""

    since = StrictString(
        metadata=described(
            f"A position that the service gave, such as {EXAMPLE_POSITION}, or 0 for the beginning; without it, the"
            " beginning.",
            **POSITION,
        ),
    )
    limit = QueryInteger(
        1,
        LIMIT_MAX,
        metadata=described(f"At most this many changes, {CHANGES_LIMIT} without it; there may be fewer."),
    )

    @post_load
    def with_defaults(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        # No load_default, which the description would show: Swagger UI fills defaults in, and clients send them.
        return {"since": "0", "limit": CHANGES_LIMIT, **data}


class StreamQuery(Query):
    """Says where a stream of changes begins."""

    since = StrictString(
        metadata=described(
            f"A position to go on from, such as {EXAMPLE_POSITION}, or 0 for the beginning; without it and"
            " Last-Event-ID, the stream begins now.",
            **POSITION,
        )
    )


class StreamAcrossQuery(StreamQuery):
    """Says where a stream of changes begins, and of which workspaces it is."""

    since = StrictString(
        metadata=described(
            f"A position to go on from, such as {EXAMPLE_POSITION}, or 0 for the beginning; without it and"
            " Last-Event-ID, the stream begins now. With `workspace`, a position of several workspaces: those that it"
            " lacks begin now.",
            **ANY_POSITION,
        )
    )
    workspace = _workspaces()
