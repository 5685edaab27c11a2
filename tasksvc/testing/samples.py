"""Values that the tests write: some by hand, some by hypothesis."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tasksvc import DEFAULT_LIST, REQUIRED, TASK_FIELDS, Due, Operator, SortField, Task, TaskDraft, TaskQuery, codec
from tasksvc.domain.task import GIVEN_ONCE

NOW = datetime(2026, 11, 24, 15, 0, 0, 123456, UTC)
FIRST_MOMENT = datetime.min.replace(tzinfo=UTC)
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)


def later(seconds: float) -> datetime:
    """Returns the time a number of seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def steady(max_examples: int, *, steps: int = 50) -> settings:
    """Returns settings under which hypothesis does the same in every run, and writes nothing to disk.

    Hypothesis doesn't shrink a failure, which can take minutes with a real store.
    """
    return settings(
        max_examples=max_examples,
        stateful_step_count=steps,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


Value = TypeVar("Value")


@functools.cache
def drawn(strategy: st.SearchStrategy[Value], count: int) -> Sequence[Value]:
    """Returns `count` values of a strategy, the same in every run."""
    values: list[Value] = []

    @steady(count)
    @given(strategy)
    def collect(value: Value) -> None:
        values.append(value)

    collect()
    return values


def exact(task: Task) -> str:
    """Returns the parts of a task in a form where 1, 1.0 and true differ and the order of names in metadata counts."""
    return codec.dumps(task).decode()


OTHER_VALUES: dict[str, Any] = {
    "description": "Buy milk",
    "notes": "Two bottles.",
    "done": True,
    "due_at": later(86_400),
    "due_on": date(2026, 12, 1),
    "priority": 7,
    "labels": ("home", "shop"),
    "list": "errands",
    "parent_id": 1,
    "position": "a0",
    "metadata": {"shop": {"name": "corner", "open": [8, 20.5]}, "note": None},
    "repeat": {"rule": "FREQ=DAILY;COUNT=9", "zone": "Europe/Berlin", "from": "each"},
    "uid": "20261124T150000Z-7@example.com",
    "created_at": later(-86_400),
    "completed_at": later(-3_600),
}
"""For each field that a client may write, a value that isn't its default.  The parent is the first task."""
NEEDED: dict[str, dict[str, Any]] = {"repeat": {"due_at": NOW}, "completed_at": {"done": True}}
"""For each field that another one needs, a value of that."""
EXCLUDED: dict[str, Any] = {"due_on": None, "repeat": None, "parent_id": None, **dict.fromkeys(GIVEN_ONCE)}
"""The fields that FULL lacks.

These are a due day, which excludes a due time; a repetition, which a task that is done can't have; those that depend on
other tasks, a parent and a uid; and the times that a patch can't change.
"""
FULL = TaskDraft(**(OTHER_VALUES | EXCLUDED))
"""A draft that has a value for every field but those of EXCLUDED, so that any workspace takes it several times."""

_UNWRITTEN = {
    field.name: field.default for field in TASK_FIELDS if not field.writable and field.default is not REQUIRED
}


def task_of(draft: TaskDraft, **others: Any) -> Task:
    """Returns the first task of a store, made of `draft` at NOW, with the values of `others` in place of its own."""
    made = {"id": 1, "created_at": draft.created_at or NOW, "updated_at": NOW, "version": 1}
    made["completed_at"] = (draft.completed_at or NOW) if draft.done else None
    return Task(**(_UNWRITTEN | draft._asdict() | made | others))


LABELS = ("a", "b", "ä", "zoë", "😀")
DESCRIPTIONS = ("alpha", "Beta", "STRASSE", "Straße", "задача", "ЗАДАЧА", "100% of_it", "İstanbul", "ſee", "plain 😀")
NOTES = ("", "", "More to say: Straße", "beta\ngamma")
LISTS = (DEFAULT_LIST, "Inbox", DEFAULT_LIST, "a", "zoë", DEFAULT_LIST)
POSITIONS = (None, "a", None, "Z", "aa", "0", None)
REPEATS = (
    None,
    {"rule": "FREQ=DAILY", "zone": "UTC", "from": "each"},
    {"rule": "FREQ=DAILY;INTERVAL=2;COUNT=3", "zone": "UTC", "from": "each"},
)
"""Repetitions whose occurrences the model knows."""
METADATA: tuple[dict[str, Any], ...] = (
    {},
    {"room": 1},
    {"room": 1.0, "at": {"home": True}},
    {"room": True, "at": {"home": {"x": "1"}}},
    {"room": "1", "at": {}},
    {"room": None, "": 1, "a.b": 1},
)
CREATED = (None, later(-60), None, FIRST_MOMENT, None)
DUE = (None, FIRST_MOMENT, later(-1), NOW, NOW + timedelta(microseconds=1), later(3_600), LAST_MOMENT)
DAYS = (None, date.min, NOW.date(), date(2026, 11, 25), date.max)
DUES = (
    *(Due.time(at) for at in DUE[1:] if at is not None),
    Due.time(NOW.astimezone(timezone(timedelta(hours=14)))),
    Due.time(NOW.astimezone(timezone(timedelta(hours=-12)))),
    *(Due.day(day, operator) for day in DAYS[1:] if day for operator in (Operator.LESS, Operator.GREATER)),
)


def varied(count: int) -> list[TaskDraft]:
    """Returns drafts that differ in every field that depends on no other task, with many ties."""
    return [
        TaskDraft(
            DESCRIPTIONS[n % len(DESCRIPTIONS)],
            notes=NOTES[n % len(NOTES)],
            done=n % 3 == 0,
            due_at=DUE[n % len(DUE)],
            due_on=DAYS[n % len(DAYS)] if DUE[n % len(DUE)] is None else None,
            priority=n % 4 * 3,
            labels=tuple(sorted({LABELS[n % 5], LABELS[n * n % 5]})) if n % 4 else (),
            list=LISTS[n % len(LISTS)],
            position=POSITIONS[n % len(POSITIONS)],
            metadata=METADATA[n % len(METADATA)],
            created_at=CREATED[n % len(CREATED)],
            completed_at=CREATED[n * n % len(CREATED)] if n % 3 == 0 else None,
        )
        for n in range(count)
    ]


# ---------------------------------------------------------------- strategies

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
descriptions = texts.filter(lambda text: not text.isspace())
moments = st.datetimes(timezones=st.just(UTC))
label_sets = st.lists(st.sampled_from(LABELS), max_size=3).map(lambda labels: tuple(sorted(set(labels))))
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
json_objects = st.dictionaries(texts, json_values, max_size=4)


def maybe(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    """Draws None in half of the cases, so that filters combine without excluding everything."""
    return st.one_of(st.none(), st.sampled_from(values))


small_objects: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["a", "b"]), st.sampled_from([None, 0, 1, 1.0, True, [], {}, {"a": 1}, {"a": None}]), max_size=2
)
FEW_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "description": st.sampled_from(DESCRIPTIONS),
    "notes": st.sampled_from(NOTES),
    "done": st.booleans(),
    "due_at": st.sampled_from(DUE),
    "due_on": st.sampled_from(DAYS),
    "priority": st.integers(0, 9),
    "labels": label_sets,
    "list": st.sampled_from(LISTS),
    "parent_id": st.sampled_from([None, None, None, 1, 2, 3, 4, 5, 6, 99]),
    "position": st.sampled_from(POSITIONS),
    "metadata": small_objects,
    "repeat": st.sampled_from(REPEATS),
    "uid": st.sampled_from([None, None, None, "a", "A", "zoë"]),
    "created_at": st.sampled_from([None, None, later(-9), later(-9), later(3)]),
    "completed_at": st.sampled_from([None, None, later(-9), later(-9), later(3)]),
}
"""For each field that a client may write, a few values, so that commits meet each other."""

METADATA_FILTERS: tuple[tuple[str, str | int | float | bool | None], ...] = (
    *(("room", value) for value in (1, 1.0, True, "1", None)),
    *(("a", value) for value in (0, 1, 1.0, True, None)),
    ("at.home", True),
    ("at.home.x", "1"),
    ("a.a", 1),
)
queries = st.builds(
    TaskQuery,
    done=maybe([True, False]),
    labels=st.one_of(st.just(()), label_sets),
    list=st.one_of(st.none(), maybe([DEFAULT_LIST, "Inbox", "a", "nowhere"])),
    parent_id=st.one_of(st.none(), st.none(), maybe([1, 2, 3, 99])),
    without_parent=st.sampled_from([False, False, True]),
    uid=st.one_of(st.none(), st.none(), maybe(["a", "A", "nowhere"])),
    metadata=st.one_of(st.just(()), st.just(()), st.sampled_from(METADATA_FILTERS).map(lambda one: (one,))),
    priority=st.one_of(st.none(), maybe([0, 3, 6])),
    priority_min=maybe([0, 1, 3, 9]),
    priority_max=maybe([0, 1, 3, 9]),
    due_before=maybe(DUES),
    due_after=maybe(DUES),
    created_after=maybe([FIRST_MOMENT, later(-1), NOW, later(3)]),
    updated_after=maybe([FIRST_MOMENT, later(-1), NOW, later(3)]),
    q=maybe(["", "A", "strasse", "Задача", "%", "_", "i̇", "S", "😀", "nowhere"]),
    sort=st.sampled_from(SortField),
    descending=st.booleans(),
)
