"""The filters and orders of lists, in SQL over the JSON of tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unicodedata import normalize

from tasksvc_client.replica_fields import instant
from tasksvc_client.replica_file import ReplicaFile

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_COMPARED = {
    "done": "json_extract(body, '$.done') = ?",
    "list": "json_extract(body, '$.list') = ?",
    "uid": "json_extract(body, '$.uid') = ?",
    "priority": "json_extract(body, '$.priority') = ?",
    "priority_min": "json_extract(body, '$.priority') >= ?",
    "priority_max": "json_extract(body, '$.priority') <= ?",
}
_AFTER = {
    "created_after": "moment(json_extract(body, '$.created_at')) > ?",
    "updated_after": "moment(json_extract(body, '$.updated_at')) > ?",
}
_DUE = {
    "due_before": "(json_extract(body, '$.due_on') < ? OR moment(json_extract(body, '$.due_at')) < ?)",
    "due_after": "(json_extract(body, '$.due_on') > ? OR moment(json_extract(body, '$.due_at')) > ?)",
}
_LABEL = "EXISTS (SELECT 1 FROM json_each(body, '$.labels') WHERE value = ?)"

_SORTS = {
    "id": None,
    "created_at": "moment(json_extract(body, '$.created_at'))",
    "updated_at": "moment(json_extract(body, '$.updated_at'))",
    "due_at": "moment(coalesce(json_extract(body, '$.due_at'), json_extract(body, '$.due_on')))",
    "priority": "json_extract(body, '$.priority')",
    "position": "json_extract(body, '$.position')",
}


def add_functions(file: ReplicaFile) -> None:
    """Makes the functions known that the conditions and orders use."""
    file.function("moment", 1, _moment)
    file.function("folded_contains", 2, lambda text, folded: folded in _folded(text))
    file.function("has_metadata", 3, _has_metadata)


def condition(filters: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Returns the SQL condition of filters on a table with `id` and `body`, and its arguments.

    The filters are those of Client.find(), without `workspaces`; one that is None isn't one. Raises TypeError for
    another one, and ValueError for a value that can't be compared.
    """
    conditions, arguments = ["1"], list[Any]()
    for name, value in filters.items():
        if value is not None:
            for text, values in _conditions(name, value):
                conditions.append(text)
                arguments += values
    return " AND ".join(conditions), arguments


def _conditions(name: str, value: Any) -> Iterator[tuple[str, list[Any]]]:
    if name in _COMPARED:
        yield _COMPARED[name], [value]
    elif name in _AFTER:
        yield _AFTER[name], [_microseconds(instant(value))]
    elif name in _DUE:
        yield _DUE[name], list(_due(value, after=name == "due_after"))
    elif name == "parent_id":
        wanted, arguments = ("IS NULL", []) if value == "none" else ("= ?", [value])
        yield f"json_extract(body, '$.parent_id') {wanted}", arguments
    elif name == "labels":
        yield from ((_LABEL, [label]) for label in _several(value))
    elif name == "metadata":
        yield from (("has_metadata(body, ?, ?)", [path, json.dumps(wanted)]) for path, wanted in value.items())
    elif name == "q":
        either = " OR ".join(f"folded_contains(json_extract(body, '$.{f}'), ?)" for f in ("description", "notes"))
        yield f"({either})", [_folded(value)] * 2
    else:
        raise TypeError(f"A replica has no filter {name!r}.")


def _several(labels: Iterable[str]) -> Iterable[str]:
    if isinstance(labels, str):
        raise TypeError(f"labels takes several labels, as in labels=[{labels!r}].")
    return labels


def order(sort: str | None) -> str:
    """Returns the SQL of an order: nulls last, ties by id in the same direction. Raises ValueError for another one.

    Tasks that the service doesn't have yet, whose ids are negative, are those that were created last.
    """
    name = (sort or "id").removeprefix("-")
    if name not in _SORTS:
        raise ValueError(f"Tasks can't be sorted by {sort!r}. Known are {', '.join(_SORTS)}, and - in front of these.")
    direction = " DESC" if (sort or "").startswith("-") else ""
    by_id = f"id < 0{direction}, abs(id){direction}"
    expression = _SORTS[name]
    return by_id if expression is None else f"{expression}{direction} NULLS LAST, {by_id}"


def _due(value: datetime | date | str, *, after: bool) -> tuple[str, int]:
    """Returns the day that due days are compared with, and the microseconds that due times are."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if "T" in value.upper() else date.fromisoformat(value)
    if isinstance(value, datetime):
        return value.date().isoformat(), _microseconds(instant(value))
    start = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.isoformat(), _microseconds(start + _DAY) - 1 if after else _microseconds(start)


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _moment(text: str | None) -> int | None:
    """Returns the microseconds of a time, or of the start of a day in UTC; None for None."""
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return _microseconds(at if at.tzinfo is not None else at.replace(tzinfo=UTC))


def _folded(text: str) -> str:
    """Returns text in the form in which the service compares it: casefolded, in Unicode's normal form C."""
    return text.lower() if text.isascii() else normalize("NFC", normalize("NFC", text).casefold())


def _has_metadata(body: str, path: str, wanted: str) -> bool:
    """Returns whether the metadata have a JSON value at a path. 1, 1.0, true and "1" are different values."""
    value = json.loads(body)["metadata"]
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return json.dumps(value) == wanted
