"""Lists, as clients name and see them."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from marshmallow import fields, post_load

from tasksvc.api.schemas.fields import (
    Query,
    QueryInteger,
    ResponseInteger,
    ResponseSchema,
    StrictSchema,
    StrictString,
    checked_by,
    described,
)
from tasksvc.api.schemas.task_fields import LIST
from tasksvc.domain.rules import ID_MAX, list_error

EXAMPLE_LIST = "garden"
LIMIT_MAX = 1_000


class ListsQuery(Query):
    """Takes a page of the lists."""

    after = StrictString(
        validate=checked_by(list_error),
        metadata=described("The name after which the page begins, as in the Link header of the previous page.", **LIST),
    )
    limit = QueryInteger(
        1, LIMIT_MAX, metadata=described("The largest number of lists on a page. Without it, the response has all.")
    )

    @post_load
    def with_defaults(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {"after": "", "limit": None, **data}


class ListPatch(StrictSchema):
    """A new name of a list."""

    example = MappingProxyType({"name": "allotment"})

    name = StrictString(
        required=True,
        validate=checked_by(list_error),
        metadata=described("The name of the list that its tasks are moved to.", "allotment", **LIST),
    )


class ListOut(ResponseSchema):
    """A list, and how much is in it."""

    name = fields.String(metadata=described("Its name.", EXAMPLE_LIST))
    open = ResponseInteger(0, ID_MAX, metadata=described("The number of its tasks that aren't done.", 3))
    total = ResponseInteger(0, ID_MAX, metadata=described("The number of its tasks.", 7))
