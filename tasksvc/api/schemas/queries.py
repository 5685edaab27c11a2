"""Schemas of the query parameters."""

from __future__ import annotations

from typing import Any

from marshmallow import post_load

from tasksvc.api.schemas.fields import (
    Choice,
    Query,
    QueryInteger,
    StrictString,
    described,
)
from tasksvc.api.schemas.task_fields import FilterQuery
from tasksvc.domain.query import SortField, TaskQuery

LIMIT_MAX = 1_000
CHANGES_LIMIT = 100
"""Changes on a page, where none is named."""
POSITION = {"pattern": "^(0|[0-9a-z]{1,32}-[0-9]{1,18})$"}
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
        query = TaskQuery(
            labels=data.pop("label", ()),
            sort=SortField(sort.removeprefix("-")),
            descending=sort.startswith("-"),
            **data,
        )
        return query, after, limit


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
