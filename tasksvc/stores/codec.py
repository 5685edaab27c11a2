"""The JSON form in which stores and exports keep entries and results.

It has a number, FORMAT, which stands in each document.  What was written from format 2 on is read by every later
version: fields that a document lacks get their defaults, and documents of a later format are refused with a sentence
that names it.  This form isn't what clients see.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, assert_never

from tasksvc.domain.change import Change, ChangeKind
from tasksvc.domain.errors import FormatTooNew
from tasksvc.domain.fields import REQUIRED, TASK_FIELDS, FieldKind
from tasksvc.domain.json_text import EncodedObject, dump_line, dumps, load_object, loads, packed
from tasksvc.domain.record import Record
from tasksvc.domain.task import Task
from tasksvc.domain.workspace import DEFAULT_WORKSPACE, is_workspace_name
from tasksvc.domain.writes import (
    STORE,
    DeleteResult,
    Entry,
    IdempotencyKey,
    IdempotencyRecord,
    Result,
    StoreEntry,
    StoreHeader,
    UpdateResult,
    WorkspaceHeader,
)
from tasksvc.stores.formats import FORMAT, FORMAT_UNNUMBERED, upgrade_entry, upgrade_results

__all__ = [
    "FORMAT",
    "EncodedObject",
    "dump_entries",
    "dump_line",
    "dump_results",
    "dumps",
    "entry_from_json",
    "entry_to_json",
    "iterate_results",
    "load_entries",
    "load_object",
    "load_results",
    "loads",
    "packed",
    "task_from_json",
]

# ---------------------------------------------------------------- documents, which have the number of their format


def dump_entries(entries: Iterable[StoreEntry]) -> bytes:
    """Returns entries as one JSON document, without a newline."""
    return dumps({"format": FORMAT, "entries": list(map(entry_to_json, entries))})


def load_entries(data: bytes | str) -> list[StoreEntry]:
    """Returns the entries that dump_entries() wrote, of this version or of an earlier one.

    Raises FormatTooNew, and ValueError, LookupError, TypeError or AttributeError if the document is another one.
    """
    values, number = _contents(loads(data), "entries")
    return [entry_from_json(upgraded) for value in values for upgraded in upgrade_entry(value, number)]


_RESULTS: Final = b'{"format":%d,"results":' % FORMAT


def dump_results(results: Sequence[Result]) -> bytes:
    """Returns the results of a commit as one JSON document, for the record of an idempotency key."""
    return b"%b%b}" % (_RESULTS, dumps(list(map(_result_to_json, results))))


def load_results(data: bytes | str) -> tuple[Result, ...]:
    """Returns the results that dump_results() wrote.  Raises as load_entries() does."""
    values, number = _contents(loads(data), "results")
    return tuple(map(_result_from_json, upgrade_results(values, number)))


def iterate_results(text: str) -> Iterator[Result]:
    """Yields what load_results() returns, one result at a time, with their metadata packed."""
    start = _RESULTS.decode()
    if not text.startswith(start):
        yield from load_results(text)
        return
    place = len(start) + 1
    while text[place] != "]":
        value, place = _decode(text, place)
        result = _result_from_json(value)
        if isinstance(result, Task):
            result.metadata = packed(result.metadata)
        yield result
        place += text[place] == ","


_decode = json.JSONDecoder().raw_decode


def _contents(document: Any, name: str) -> tuple[list[Any], int]:
    """Returns what a document holds under `name`, and the number of its format.  Raises FormatTooNew."""
    if isinstance(document, list):
        return document, FORMAT_UNNUMBERED
    number = document["format"]
    if number > FORMAT:
        raise FormatTooNew(number, FORMAT)
    return document[name], number


# ---------------------------------------------------------------- entries


def entry_to_json(entry: StoreEntry) -> dict[str, Any]:
    """Returns one entry of a dump under the name of its kind, for dumps(), beside the name of its workspace.

    That is left out of the entries of the default workspace, and of those of the whole store.
    """
    workspace, content = entry
    value = _content_to_json(content)
    return value if workspace in (DEFAULT_WORKSPACE, STORE) else {"workspace": workspace, **value}


def _content_to_json(entry: Entry) -> dict[str, Any]:
    match entry:
        case StoreHeader():
            return {"store": entry._asdict()}
        case WorkspaceHeader():
            return {"header": entry._asdict()}
        case Task():
            return {"task": entry}
        case Record():
            return {"record": entry._asdict()}
        case IdempotencyRecord(key, at, results):
            kept = {**key._asdict(), "at": at, "results": list(map(_result_to_json, results))}
            return {"idempotency_record": kept}
        case Change():
            return {"change": entry._asdict()}
        case _:
            assert_never(entry)


def entry_from_json(value: Mapping[str, Any]) -> StoreEntry:
    """Returns the entry whose entry_to_json() was written in the present format."""
    value = dict(value)
    workspace = value.pop("workspace", None)
    ((name, data),) = value.items()
    content = _content_from_json(name, data)
    belongs_to_store = isinstance(content, StoreHeader | Record)
    if workspace is None:
        return StoreEntry(STORE if belongs_to_store else DEFAULT_WORKSPACE, content)
    if belongs_to_store or not is_workspace_name(workspace):
        raise ValueError(f"A {name} can't be in the workspace {workspace!r}.")
    return StoreEntry(workspace, content)


def _content_from_json(name: str, data: Any) -> Entry:
    match name:
        case "store":
            return StoreHeader(**data)
        case "header":
            return WorkspaceHeader(**data)
        case "task":
            return task_from_json(data)
        case "record":
            return Record(**data)
        case "idempotency_record":
            key = IdempotencyKey(**{name: item for name, item in data.items() if name not in ("at", "results")})
            return IdempotencyRecord(key, _time(data["at"]), tuple(map(_result_from_json, data["results"])))
        case "change":
            task = data["task"]
            changed = {"kind": ChangeKind(data["kind"]), "at": _time(data["at"])}
            return Change(**{**data, **changed, "task": None if task is None else task_from_json(task)})
    raise ValueError(f"{name!r} isn't an entry of a dump.")


def task_from_json(value: Mapping[str, Any]) -> Task:
    """Returns the task whose dumps() was written.  Fields that it lacks have their defaults.

    Raises ValueError if it has a field that this version doesn't know, and LookupError if it lacks a required one.
    """
    if not _FIELD_NAMES.issuperset(value):
        unknown = sorted(set(value) - _FIELD_NAMES)
        raise ValueError(f"A task has the field {unknown[0]!r}, which this version of tasksvc doesn't know.")
    return Task(*[_field_from_json(value, name, convert, default) for name, convert, default in _FIELDS])


def _field_from_json(value: Mapping[str, Any], name: str, convert: Any, default: Any) -> Any:
    found = value[name] if default is REQUIRED else value.get(name, default)
    return found if convert is None or found is None else convert(found)


_time = datetime.fromisoformat
_CONVERSIONS: Final = {FieldKind.TIME: _time, FieldKind.DATE: date.fromisoformat, FieldKind.TEXTS: tuple}
_FIELDS: Final = tuple((field.name, _CONVERSIONS.get(field.kind), field.default) for field in TASK_FIELDS)
_FIELD_NAMES: Final = frozenset(field.name for field in TASK_FIELDS)


# ---------------------------------------------------------------- results


def _result_to_json(result: Result) -> Any:
    match result:
        case None:
            return None
        case Task():
            return {"task": result}
        case Record():
            return {"record": result._asdict()}
        case UpdateResult():
            return {"updated": result._asdict()}
        case DeleteResult():
            return {"deleted": result._asdict()}
        case _:
            assert_never(result)


def _result_from_json(value: Mapping[str, Any] | None) -> Result:
    if value is None:
        return None
    ((name, data),) = value.items()
    match name:
        case "task":
            return task_from_json(data)
        case "record":
            return Record(**data)
        case "updated":
            return UpdateResult(**data)
        case "deleted":
            return DeleteResult(**data)
    raise ValueError(f"{name!r} isn't the result of a write.")
