"""Which tasks, in which order: the filter, the sort and the cursor, in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from json.encoder import encode_basestring
from operator import eq, ge, gt, itemgetter, le, lt
from typing import Any, Final, NamedTuple
from unicodedata import normalize

from tasksvc.domain.json_object import JSONObject
from tasksvc.domain.sizes import json_size
from tasksvc.domain.task import DEFAULT_LIST, Task


def fold_text(text: str) -> str:
    """Returns `text` in the form in which a search compares: casefolded, in Unicode's normal form C.

    Canonically equivalent texts have the same form, whatever their case (Unicode standard, section
    3.13).  It is normalized before too, since a combining iota that casefolding makes a letter of
    would come to stand elsewhere; and afterwards, since what casefolding gives need not be normal.
    """
    if text.isascii():
        return text.lower()
    return normalize("NFC", normalize("NFC", text).casefold())


class SortField(StrEnum):
    """What a list may be ordered by."""

    ID = "id"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    DUE_AT = "due_at"
    PRIORITY = "priority"
    POSITION = "position"


SortValue = int | datetime | str | None


class Operator(StrEnum):
    """How a condition compares what a task has with its value."""

    EQUAL = "="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    HAS = "has"
    """The value is one of terms_of(task)."""
    CONTAINS = "contains"
    """The value is a part of fold_text() of one of the fields SEARCHED."""
    IS_NULL = "is null"
    """The field is None.  The condition has no value to compare it with."""


class Due(NamedTuple):
    """What due times and due days are compared with, each with its like."""

    at: datetime
    """The time that a `due_at` is compared with."""
    on: date
    """The day that a `due_on` is compared with: that of the time in the zone of the caller."""

    @classmethod
    def time(cls, at: datetime) -> Due:
        """Returns what tasks are compared with at a time of any offset; its day is that of the offset."""
        return cls(at.astimezone(UTC), at.date())

    @classmethod
    def day(cls, on: date, operator: Operator) -> Due:
        """Returns what tasks are compared with by days: that of a `due_at` is its day in UTC."""
        at = start_of_day(on)
        return cls(at + (_DAY if operator is Operator.GREATER else timedelta()), on)


_DAY: Final = timedelta(days=1, microseconds=-1)
"""The time from the start of a day to its last microsecond."""


def start_of_day(day: date) -> datetime:
    """Returns the start of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


TERMS: Final = "terms"
"""The field of a condition whose operator is HAS."""
TEXTS: Final = "texts"
"""The field of a condition whose operator is CONTAINS."""
SEARCHED: Final = ("description", "notes")
"""The fields in which a search looks."""

_COMPARISONS: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQUAL: eq,
    Operator.LESS: lt,
    Operator.LESS_OR_EQUAL: le,
    Operator.GREATER: gt,
    Operator.GREATER_OR_EQUAL: ge,
}


class Condition(NamedTuple):
    """A condition on one field.  A comparison with a field that is None is false."""

    field: str
    """A field of Task, TERMS or TEXTS."""
    operator: Operator
    value: bool | int | datetime | Due | str | None
    """What to compare with, which is a text for EQUAL alone, and a Due for the field due_at, in place of which a task
    may have due_on; a term; a text as fold_text() gives it; or None for IS_NULL."""

    def allows(self, task: Task) -> bool:
        """Returns whether `task` meets the condition."""
        name, operator, value = self
        if operator is Operator.HAS:
            return value in terms_of(task)
        if operator is Operator.CONTAINS:
            return any(str(value) in fold_text(getattr(task, searched)) for searched in SEARCHED)
        if isinstance(value, Due):
            if task.due_on is not None:
                return _COMPARISONS[operator](task.due_on, value.on)
            return task.due_at is not None and _COMPARISONS[operator](task.due_at, value.at)
        actual = getattr(task, name)
        if operator is Operator.IS_NULL:
            return actual is None
        return actual is not None and _COMPARISONS[operator](actual, value)


FILTERS: Final = (
    ("done", "done", Operator.EQUAL),
    ("priority", "priority", Operator.EQUAL),
    ("priority_min", "priority", Operator.GREATER_OR_EQUAL),
    ("priority_max", "priority", Operator.LESS_OR_EQUAL),
    ("due_before", "due_at", Operator.LESS),
    ("due_after", "due_at", Operator.GREATER),
    ("created_after", "created_at", Operator.GREATER),
    ("updated_after", "updated_at", Operator.GREATER),
)
"""For each filter of TaskQuery that compares a column, the field, and how."""
FILTERED_BY_TERM: Final = {"labels": "label", "list": "list", "parent_id": "parent_id", "uid": "uid"}
"""For each field that is filtered by equality, the name in its terms.  TaskQuery has a filter of the field's name."""
WITHOUT_TERM: Final = {"list": DEFAULT_LIST}
"""For such a field, the value for which a task has no term, since most tasks have it.  It's found by the column."""

TERM_BYTES_MAX: Final = 1_000
"""The most bytes of a term in UTF-8.  A label of 100 control characters makes one of 608."""
METADATA_LEVELS: Final = 3
"""The levels of metadata whose values have terms."""
METADATA_TERMS_MAX: Final = 100
"""The most terms that the metadata of one task has."""

Scalar = str | int | float | bool | None
"""A JSON value that is neither an array nor an object."""


def term(name: str, value: Scalar) -> str:
    """Returns the term by which tasks with `value` under `name` are found, as in label="home".

    The value is in it as JSON, so that 1, 1.0, true and "1" make different terms.  One that would have more than
    TERM_BYTES_MAX bytes ends with its SHA-256 instead.
    """
    if isinstance(value, str):
        text = f"{name}={encode_basestring(value)}"
    else:
        text = f"{name}={'null' if value is None else repr(value).lower()}"
    if len(text) * 4 > TERM_BYTES_MAX and len(encoded := text.encode()) > TERM_BYTES_MAX:
        return f"{name[:_HASHED_NAME_MAX]}#{sha256(encoded).hexdigest()}"
    return text


_HASHED_NAME_MAX: Final = 100
"""The characters of a name that stand in a term whose rest is hashed."""


def terms_of(task: Task) -> tuple[str, ...]:
    """Returns the terms by which `task` is found, each once.  A store indexes them, and doesn't look into them."""
    if (
        not task.labels
        and not task.metadata
        and task.list == DEFAULT_LIST
        and task.parent_id is None
        and task.uid is None
    ):  # as most tasks are
        return ()
    terms = [term for field, name in FILTERED_BY_TERM.items() for term in _terms(field, name, getattr(task, field))]
    return (*terms, *metadata_terms(task.metadata)) if task.metadata else tuple(terms)


def metadata_terms(metadata: JSONObject) -> list[str]:
    """Returns the terms for the scalars in the metadata of a task, such as metadata.customer.id=7.

    They lie at most METADATA_LEVELS deep, in objects alone.  A name that is empty or has a dot has none, since a path
    couldn't tell it from another one.  Of more than METADATA_TERMS_MAX, those whose paths come first by code point are
    there.
    """
    found = list(_scalars(metadata, "metadata", METADATA_LEVELS))
    if len(found) > METADATA_TERMS_MAX:
        found = sorted(found, key=itemgetter(0))[:METADATA_TERMS_MAX]
    return [term(path, value) for path, value in found]


def _scalars(values: JSONObject, path: str, levels: int) -> Iterator[tuple[str, Scalar]]:
    """Yields the scalars in an object with their paths, `levels` deep."""
    for name, value in values.items():
        if not name or "." in name:
            continue
        if value is None or isinstance(value, str | int | float):
            yield f"{path}.{name}", value
        elif levels > 1 and isinstance(value, Mapping):
            yield from _scalars(value, f"{path}.{name}", levels - 1)


def _terms(field: str, name: str, value: Scalar | tuple[str, ...]) -> Iterator[str]:
    """Yields the terms for a value of a field, or of a filter; None and that of WITHOUT_TERM have none."""
    if isinstance(value, tuple):
        for item in value:
            yield term(name, item)
    elif value is not None and value != WITHOUT_TERM.get(field):
        yield term(name, value)


class Cursor(NamedTuple):
    """A place in an ordered list: after the task with this sort value and id, which need not exist any more."""

    value: SortValue
    id: int


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """A filter, all of whose conditions must hold, and an order.

    `labels` must all be there.  `q` is a part of the description or of the notes; fold_text() is applied to both before
    they are compared.  `before` and `after` are strict, `min` and `max` are not.  Nulls come last in both directions;
    ties are broken by id, in the direction of the sort.
    """

    done: bool | None = None
    labels: tuple[str, ...] = ()
    list: str | None = None
    parent_id: int | None = None
    without_parent: bool = False
    """Whether only tasks without a parent match."""
    uid: str | None = None
    metadata: tuple[tuple[str, Scalar], ...] = field(default=(), compare=False)
    """Paths in the metadata with dots between names, each with the value that must be there."""
    priority: int | None = None
    priority_min: int | None = None
    priority_max: int | None = None
    due_before: Due | None = None
    due_after: Due | None = None
    created_after: datetime | None = None
    updated_after: datetime | None = None
    q: str | None = None
    """A substring of the description or the notes, both as fold_text() gives them."""
    sort: SortField = SortField.ID
    descending: bool = False

    _metadata_terms: tuple[str, ...] = field(default=(), init=False, repr=False)
    """What `metadata` is compared by: to Python 1, 1.0 and True are equal."""
    _conditions: tuple[Condition, ...] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.metadata:
            terms = tuple([term(f"metadata.{path}", value) for path, value in self.metadata])
            object.__setattr__(self, "_metadata_terms", terms)

    def conditions(self) -> tuple[Condition, ...]:
        """Returns the conditions that a task must meet, all of them.

        A store may answer find() from these alone.  One that meets a field or an operator that it doesn't know must
        raise, since it would give tasks that don't match.
        """
        if self._conditions is None:
            object.__setattr__(self, "_conditions", tuple(self._made_conditions()))
        assert self._conditions is not None
        return self._conditions

    def _made_conditions(self) -> Iterator[Condition]:
        for name, column, operator in FILTERS:
            if (value := getattr(self, name)) is not None:
                yield Condition(column, operator, value)
        for filtered, name in FILTERED_BY_TERM.items():
            value = getattr(self, filtered)
            if value is not None and value == WITHOUT_TERM.get(filtered):
                yield Condition(filtered, Operator.EQUAL, value)
            for wanted in _terms(filtered, name, value):
                yield Condition(TERMS, Operator.HAS, wanted)
        for wanted in self._metadata_terms:
            yield Condition(TERMS, Operator.HAS, wanted)
        if self.without_parent:
            yield Condition("parent_id", Operator.IS_NULL, None)
        if self.q is not None:
            yield Condition(TEXTS, Operator.CONTAINS, fold_text(self.q))

    def matches(self, task: Task) -> bool:
        """Returns whether `task` passes the filter."""
        return all(condition.allows(task) for condition in self.conditions())

    def value_of(self, task: Task) -> SortValue:
        """Returns what `task` is sorted by.  A day stands for its start in UTC."""
        if self.sort is SortField.DUE_AT and task.due_on is not None:
            return start_of_day(task.due_on)
        value: SortValue = getattr(task, self.sort)
        return value

    def cursor(self, task: Task) -> Cursor:
        """Returns the place just after `task`."""
        return Cursor(self.value_of(task), task.id)

    def follows(self, task: Task, after: Cursor) -> bool:
        """Returns whether `task` comes after the place `after`, in this order."""
        value = self.value_of(task)
        if (value is None) != (after.value is None):
            return value is None
        here, there = (value, task.id), (after.value, after.id)
        if value is None or value == after.value:
            return task.id < after.id if self.descending else task.id > after.id
        return here < there if self.descending else here > there


def select(
    tasks: Iterable[Task], query: TaskQuery, after: Cursor | None, limit: int, max_bytes: int | None = None
) -> tuple[list[Task], Cursor | None]:
    """Returns the first `limit` tasks of `query` after the place `after`, and the next place, if there is more.

    With `max_bytes` only as many of them as fitting() says.

    This is what the find() of every store must equal; a store that holds its tasks in memory may
    call it.
    """
    found = [task for task in tasks if query.matches(task) and (after is None or query.follows(task, after))]
    known = [task for task in found if query.value_of(task) is not None]
    known.sort(key=lambda task: (query.value_of(task), task.id), reverse=query.descending)
    nulls = [task for task in found if query.value_of(task) is None]
    nulls.sort(key=lambda task: task.id, reverse=query.descending)
    ordered = known + nulls
    page = ordered[:limit]
    if max_bytes is not None:
        page = page[: fitting(map(json_size, page), max_bytes)]
    return page, query.cursor(page[-1]) if len(ordered) > len(page) else None


def fitting(sizes: Iterable[int], max_bytes: int) -> int:
    """Returns how many of the first `sizes` come to at most `max_bytes` together, but at least 1 if there is any."""
    total = count = 0
    for size in sizes:
        total += size
        if count and total > max_bytes:
            break
        count += 1
    return count
