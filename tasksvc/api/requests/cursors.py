"""Cursors as clients see them: opaque text."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from marshmallow import ValidationError

from tasksvc.domain.json_text import dumps, loads
from tasksvc.domain.query import Cursor, SortField, SortValue, TaskQuery
from tasksvc.domain.rules import ID_MAX, PRIORITY_MAX, parse_timestamp


def encode_cursor(cursor: Cursor, query: TaskQuery) -> str:
    """Returns the text of a place in the list that `query` orders."""
    data = dumps([query.sort, query.descending, cursor.value, cursor.id])
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_cursor(text: str, query: TaskQuery) -> Cursor:
    """Returns the place that encode_cursor() wrote.  Raises ValidationError for any other text, or another order."""
    try:
        data = loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        sort, descending, value, task_id = data
        if (sort, descending) != (query.sort, query.descending):
            raise ValidationError({"after": ["This cursor belongs to another sort."]})
        if type(task_id) is not int or not 1 <= task_id <= ID_MAX:
            raise ValueError
        return Cursor(_value(query.sort, value), task_id)
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        if isinstance(error, ValidationError):
            raise
        raise ValidationError({"after": ["Must be a cursor from the Link header of a page."]}) from None


def _value(sort: SortField, value: Any) -> SortValue:
    if sort is SortField.DUE_AT and value is None:
        return None
    if sort in (SortField.ID, SortField.PRIORITY):
        most = ID_MAX if sort is SortField.ID else PRIORITY_MAX
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError
        return value
    moment: datetime | None = parse_timestamp(value)
    if moment is None:
        raise ValueError
    return moment
