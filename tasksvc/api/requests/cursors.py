"""Cursors as clients see them: opaque text."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from tasksvc.api.responses.problems import FieldError, InvalidRequest
from tasksvc.application.merged_tasks import Place
from tasksvc.domain.json_text import dumps, loads
from tasksvc.domain.query import Cursor, SortField, SortValue, TaskQuery
from tasksvc.domain.rules import ID_MAX, PRIORITY_MAX, parse_timestamp, position_error
from tasksvc.domain.workspace import DEFAULT_WORKSPACE


def encode_cursor(cursor: Cursor, query: TaskQuery, workspace: str) -> str:
    """Returns the text of a place in the list of a workspace that `query` orders."""
    return _encode(cursor, query, _named(workspace))


def decode_cursor(text: str, query: TaskQuery, workspace: str) -> Cursor:
    """Returns the place that encode_cursor() wrote.

    Raises InvalidRequest for any other text, and for a cursor of another order or workspace.
    """
    cursor, named = _decode(text, query)
    if named != _named(workspace):
        raise _refused("This cursor belongs to another workspace.")
    return cursor


def encode_place(place: Place, query: TaskQuery, workspaces: Sequence[str]) -> str:
    """Returns the text of a place in the list of `workspaces` that `query` orders."""
    return _encode(place.cursor, query, [place.workspace, _digest(workspaces)])


def decode_place(text: str, query: TaskQuery, workspaces: Sequence[str]) -> Place:
    """Returns the place that encode_place() wrote.

    Raises InvalidRequest for any other text, and for a cursor of another order or other workspaces.
    """
    cursor, named = _decode(text, query)
    if named[1:] != [_digest(workspaces)] or named[0] not in workspaces:
        raise _refused("This cursor belongs to other workspaces.")
    return Place(named[0], cursor)


def _encode(cursor: Cursor, query: TaskQuery, named: list[str]) -> str:
    data = dumps([query.sort, query.descending, cursor.value, cursor.id, *named])
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str, query: TaskQuery) -> tuple[Cursor, list[Any]]:
    """Returns a place in one list, and what the cursor says of workspaces, which is unchecked."""
    try:
        data = loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        sort, descending, value, task_id, *named = data
        if type(task_id) is not int or not 1 <= task_id <= ID_MAX:
            raise ValueError
        if (sort, descending) != (query.sort, query.descending):
            raise _refused("This cursor belongs to another sort.")
        return Cursor(_value(query.sort, value), task_id), named
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error):
        raise _refused("Must be a cursor from the Link header of a page.") from None


def _named(workspace: str) -> list[str]:
    """Returns what a cursor ends with: nothing for the default workspace, since its cursors were once the only ones."""
    return [] if workspace == DEFAULT_WORKSPACE else [workspace]


def _digest(workspaces: Iterable[str]) -> str:
    """Returns what tells the workspaces of a list from others, since their names would make cursors long."""
    return hashlib.sha256(" ".join(sorted(workspaces)).encode()).hexdigest()[:16]


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest([FieldError("query", "after", message)])


def _value(sort: SortField, value: Any) -> SortValue:
    if sort in (SortField.DUE_AT, SortField.POSITION) and value is None:
        return None
    if sort is SortField.POSITION:
        if position_error(value) is not None:
            raise ValueError
        return str(value)
    if sort in (SortField.ID, SortField.PRIORITY):
        most = ID_MAX if sort is SortField.ID else PRIORITY_MAX
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError
        return value
    moment: datetime | None = parse_timestamp(value)
    if moment is None:
        raise ValueError
    return moment
