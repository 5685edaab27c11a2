"""Whether an entry of a dump has values that every store can keep.

The types of an entry promise it, and a file that somebody has made need not keep that promise.  The
limits of the API aren't part of it, since a caller of the port need not know them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, assert_never

from tasksvc.domain.change import Change, ChangeKind
from tasksvc.domain.fields import TASK_FIELDS, FieldKind
from tasksvc.domain.record import Record
from tasksvc.domain.rules import ID_MAX, is_storable_text
from tasksvc.domain.task import Task
from tasksvc.domain.writes import (
    DeleteResult,
    Entry,
    IdempotencyRecord,
    StoreEntry,
    StoreHeader,
    UpdateResult,
    WorkspaceHeader,
)

COUNT_MAX: Final = 2**53 - 1
"""The largest counter in a header.  A store can count on from there, and JSON keeps it exact (RFC 8259, section 6)."""
_POSITIVE: Final = frozenset(("id", "version"))
"""The numbers of a task that aren't below 1."""
DEPTH_MAX: Final = 64
"""Levels of a JSON object; twice what the API takes."""


def malformed(entry: StoreEntry) -> str | None:
    """Returns what is wrong with the first value of `entry` that no store keeps as it is; None where all is well."""
    return next(_problems(entry.entry), None)


def _problems(entry: Entry) -> Iterator[str]:
    match entry:
        case StoreHeader(epoch):
            if not _is_text(epoch):
                yield "The epoch of a store must be text."
        case WorkspaceHeader(generation, epoch, last_id, last_seq, pruned_seq):
            if not (_is_text(generation) and generation and _is_text(epoch)):
                yield "A workspace must have a generation, and its epoch must be text."
            for name, number in {"last_id": last_id, "last_seq": last_seq, "pruned_seq": pruned_seq}.items():
                if not _is_integer(number, 0, COUNT_MAX):
                    yield f"{name} must be an integer from 0 to {COUNT_MAX}."
        case Task():
            yield from _task(entry)
        case Record():
            yield from _record(entry)
        case IdempotencyRecord(key, at, results):
            if not all(map(_is_text, key)):
                yield "An idempotency key must be text."
            yield from _moment("the time of an idempotency key", at)
            for result in results:
                yield from _result(result)
        case Change(seq, kind, at, task_id, task, by):
            if not (
                _is_integer(seq, 1, COUNT_MAX) and isinstance(kind, ChangeKind) and _is_integer(task_id, 1, ID_MAX)
            ):
                yield "A change must have a number, a kind and the id of a task."
            if by is not None and not _is_text(by):
                yield "The name of who made a change must be text."
            yield from _moment("the time of a change", at)
            if task is not None:
                yield from _task(task)
        case _:
            assert_never(entry)


def _result(result: Any) -> Iterator[str]:
    match result:
        case None:
            pass
        case Task():
            yield from _task(result)
        case Record():
            yield from _record(result)
        case UpdateResult(tasks, more) | DeleteResult(tasks, more):
            if not (_is_integer(tasks, 0, ID_MAX) and isinstance(more, bool)):
                yield "A write by a query must have a number of tasks and say whether there are more."


def _task(task: Task) -> Iterator[str]:
    for name, kind, nullable, *_ in TASK_FIELDS:
        value = getattr(task, name)
        if nullable and value is None:
            continue
        match kind:
            case FieldKind.INTEGER:
                least = 1 if name in _POSITIVE else -ID_MAX
                if not _is_integer(value, least, ID_MAX):
                    yield f"{name} must be an integer from {least} to {ID_MAX}."
            case FieldKind.BOOLEAN:
                if not isinstance(value, bool):
                    yield f"{name} must be true or false."
            case FieldKind.TEXT:
                if not _is_text(value):
                    yield f"{name} must be text."
            case FieldKind.TIME:
                yield from _moment(name, value)
            case FieldKind.DATE:
                if not isinstance(value, date) or isinstance(value, datetime):
                    yield f"{name} must be a day."
            case FieldKind.TEXTS:
                if not all(map(_is_text, value)) or list(value) != sorted(set(value)):
                    yield f"{name} must be different texts, sorted by code point."
            case FieldKind.OBJECT:
                if not isinstance(value, Mapping) or not _is_json(value):
                    yield f"{name} must be a JSON object."
            case _:
                assert_never(kind)


def _record(record: Record) -> Iterator[str]:
    if not (_is_text(record.namespace) and _is_text(record.key)):
        yield "The namespace and the key of a record must be text."
    if not isinstance(record.value, Mapping) or not _is_json(record.value):
        yield "The value of a record must be a JSON object."
    if not _is_integer(record.version, 0, ID_MAX):
        yield f"The version of a record must be an integer from 0 to {ID_MAX}."


def _moment(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, datetime) or value.utcoffset() != timedelta(0) or value.tzinfo is not UTC:
        yield f"{name} must be a time in UTC."


def _is_integer(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_storable_text(value)


def _is_json(value: Any) -> bool:
    """Returns whether all texts and numbers in it come back from every store as they went in."""
    level = [value]
    for _ in range(DEPTH_MAX + 1):
        if not level:
            return True
        below: list[Any] = []
        for item in level:
            if isinstance(item, Mapping):
                if not all(map(_is_text, item)):
                    return False
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
            elif isinstance(item, str):
                if not is_storable_text(item):
                    return False
            elif isinstance(item, float) and not math.isfinite(item):
                return False
        level = below
    return False
