"""The JSON form of all that a store holds, for responses, files and columns.

orjson does the work where the platform has it, and the standard library where not, with the same
bytes but for the exponents of small floats.  Times are RFC 3339 in UTC, with a Z.
"""

from __future__ import annotations

import dataclasses
import json
import uuid  # noqa: F401  # which orjson would import while it is loaded, and a Ctrl-C then crashes it
from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from datetime import datetime
from typing import Any, assert_never

from tasksvc.domain.change import Change, ChangeKind
from tasksvc.domain.json_object import JSONObject
from tasksvc.domain.record import Record
from tasksvc.domain.task import Task
from tasksvc.domain.writes import DeleteResult, Entry, IdempotencyKey, IdempotencyRecord, Result, StoreHeader

try:
    import orjson
except ImportError:  # a platform without wheels

    def dumps(value: Any) -> bytes:
        """Returns compact JSON in UTF-8 of plain values, datetimes in UTC, and tasks."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()

    def dump_line(value: Any) -> bytes:
        """Returns what dumps() does, with a newline at the end."""
        return dumps(value) + b"\n"

    def loads(data: bytes | str) -> Any:
        """Decodes what dumps() wrote.  It isn't strict, so don't use it for input from outside."""
        return json.loads(data)

    def _plain(value: object) -> object:
        if isinstance(value, datetime):
            return value.isoformat().replace("+00:00", "Z")
        if isinstance(value, EncodedObject):
            return dict(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        raise TypeError(f"{type(value).__name__} has no JSON form.")

else:

    def dumps(value: Any) -> bytes:
        """Returns compact JSON in UTF-8 of plain values, datetimes in UTC, and tasks."""
        return orjson.dumps(value, _encoded, orjson.OPT_UTC_Z)

    def dump_line(value: Any) -> bytes:
        """Returns what dumps() does, with a newline at the end."""
        return orjson.dumps(value, _encoded, orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)

    def loads(data: bytes | str) -> Any:
        """Decodes what dumps() wrote.  It isn't strict, so don't use it for input from outside."""
        return orjson.loads(data)

    def _encoded(value: object) -> object:
        if isinstance(value, EncodedObject):
            return orjson.Fragment(value.encoded)
        raise TypeError(f"{type(value).__name__} has no JSON form.")


PLAIN_MAX = 1_024
"""The most characters in the text of an object that load_object() makes a dict."""


class EncodedObject(Mapping[str, Any]):
    """A JSON object that is kept as its text, and decoded each time it is looked into.

    As Python's objects it can take thirty times as much memory.
    """

    __slots__ = ("encoded",)

    def __init__(self, encoded: bytes) -> None:
        """Takes `encoded`, which dumps() returned."""
        self.encoded = encoded

    def _decoded(self) -> dict[str, Any]:
        decoded: dict[str, Any] = loads(self.encoded)
        return decoded

    def __getitem__(self, name: str) -> Any:
        return self._decoded()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded())

    def __len__(self) -> int:
        return len(self._decoded())

    def __bool__(self) -> bool:
        return self.encoded != b"{}"

    def items(self) -> ItemsView[str, Any]:
        return self._decoded().items()

    def values(self) -> ValuesView[Any]:
        return self._decoded().values()

    def __repr__(self) -> str:
        return repr(self._decoded())


def packed(value: JSONObject) -> JSONObject:
    """Returns an equal object that takes no more memory than its text does."""
    return EncodedObject(dumps(value)) if value and not isinstance(value, EncodedObject) else value


def load_object(text: str) -> JSONObject:
    """Returns the object that was dumped as `text`, packed if it is large."""
    value: dict[str, Any] = loads(text)
    return packed(value) if len(text) > PLAIN_MAX else value


def task_to_json(task: Task) -> dict[str, Any]:
    """Returns a JSON object with the fields of `task`, in their order, for dumps()."""
    return {
        "id": task.id,
        "description": task.description,
        "done": task.done,
        "completed_at": _format_time(task.completed_at),
        "due_at": _format_time(task.due_at),
        "priority": task.priority,
        "labels": list(task.labels),
        "metadata": task.metadata if isinstance(task.metadata, EncodedObject) else dict(task.metadata),
        "created_at": _format_time(task.created_at),
        "updated_at": _format_time(task.updated_at),
        "version": task.version,
    }


def task_from_json(value: Mapping[str, Any]) -> Task:
    """Returns the task that task_to_json() wrote."""
    return Task(
        id=value["id"],
        description=value["description"],
        done=value["done"],
        completed_at=_parse_time(value["completed_at"]),
        due_at=_parse_time(value["due_at"]),
        priority=value["priority"],
        labels=tuple(value["labels"]),
        metadata=value["metadata"],
        created_at=datetime.fromisoformat(value["created_at"]),
        updated_at=datetime.fromisoformat(value["updated_at"]),
        version=value["version"],
    )


def results_to_json(results: Sequence[Result]) -> list[Any]:
    """Returns the results of a commit as JSON values, which are stored with its idempotency key."""
    return [_result_to_json(result) for result in results]


def _result_to_json(result: Result) -> Any:
    match result:
        case None:
            return None
        case Task():
            return {"task": task_to_json(result)}
        case Record():
            return {"record": list(result)}
        case DeleteResult(tasks, more):
            return {"deleted": {"tasks": tasks, "more": more}}
        case _:
            assert_never(result)


def results_from_json(values: Sequence[Any]) -> tuple[Result, ...]:
    """Returns the results that results_to_json() wrote."""
    return tuple(map(_result_from_json, values))


def iterate_results(text: str) -> Iterator[Result]:
    """Yields the results whose results_to_json() was dumped as `text`, one at a time, their metadata packed.

    Raises ValueError, LookupError and others where it is not what was dumped.
    """
    place = 1
    while text[place] != "]":
        value, place = _decode(text, place)
        result = _result_from_json(value)
        if isinstance(result, Task):
            result.metadata = packed(result.metadata)
        yield result
        place += text[place] == ","


_decode = json.JSONDecoder().raw_decode


def _result_from_json(value: Mapping[str, Any] | None) -> Result:
    if value is None:
        return None
    ((name, data),) = value.items()
    match name:
        case "task":
            return task_from_json(data)
        case "record":
            return Record(*data)
        case "deleted":
            return DeleteResult(**data)
    raise ValueError(f"{name!r} isn't the result of a write.")


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """Returns one entry of a dump as a JSON object, under the name of its kind."""
    match entry:
        case StoreHeader():
            return {"header": entry._asdict()}
        case Task():
            return {"task": task_to_json(entry)}
        case Record():
            return {"record": list(entry)}
        case IdempotencyRecord(key, at, results):
            return {"idempotency_record": [list(key), _format_time(at), results_to_json(results)]}
        case Change(seq, kind, at, task_id, task):
            return {
                "change": [seq, kind.value, _format_time(at), task_id, None if task is None else task_to_json(task)]
            }
        case _:
            assert_never(entry)


def entry_from_json(value: Mapping[str, Any]) -> Entry:
    """Returns the entry that entry_to_json() wrote."""
    ((name, data),) = value.items()
    match name:
        case "header":
            return StoreHeader(**data)
        case "task":
            return task_from_json(data)
        case "record":
            return Record(*data)
        case "idempotency_record":
            key, at, results = data
            return IdempotencyRecord(IdempotencyKey(*key), datetime.fromisoformat(at), results_from_json(results))
        case "change":
            seq, kind, at, task_id, task = data
            return Change(
                seq,
                ChangeKind(kind),
                datetime.fromisoformat(at),
                task_id,
                None if task is None else task_from_json(task),
            )
    raise ValueError(f"{name!r} isn't an entry of a dump.")


def _format_time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _parse_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
