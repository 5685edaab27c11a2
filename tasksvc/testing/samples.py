"""Values that the tests write: some by hand, some by hypothesis."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tasksvc import DEFAULT_LIST, REQUIRED, TASK_FIELDS, Due, Operator, SortField, Task, TaskDraft, TaskQuery, codec

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
    "position": "a0",
    "metadata": {"shop": {"name": "corner", "open": [8, 20.5]}, "note": None},
    "repeat": {"rule": "FREQ=DAILY;COUNT=9", "zone": "Europe/Berlin", "from": "each"},
}
"""For each field that a client may write, a value that isn't its default."""
NEEDED: dict[str, dict[str, Any]] = {"repeat": {"due_at": NOW}}
"""For each field that another one needs, a value of that."""
EXCLUDED: dict[str, Any] = {"due_on": None, "repeat": None}
"""The fields that a task with all other ones can't have: a due day beside a due time, a repetition when it is done."""
FULL = TaskDraft(**(OTHER_VALUES | EXCLUDED))
"""A draft that has a value for every field that the others don't exclude."""

_UNWRITTEN = {
    field.name: field.default for field in TASK_FIELDS if not field.writable and field.default is not REQUIRED
}


def task_of(draft: TaskDraft, **others: Any) -> Task:
    """Returns the first task of a store, made of `draft` at NOW, with the values of `others` in place of its own."""
    made = {"id": 1, "completed_at": NOW if draft.done else None, "created_at": NOW, "updated_at": NOW, "version": 1}
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
DUE = (None, FIRST_MOMENT, later(-1), NOW, NOW + timedelta(microseconds=1), later(3_600), LAST_MOMENT)
DAYS = (None, date.min, NOW.date(), date(2026, 11, 25), date.max)
DUES = (
    *(Due.time(at) for at in DUE[1:] if at is not None),
    Due.time(NOW.astimezone(timezone(timedelta(hours=14)))),
    Due.time(NOW.astimezone(timezone(timedelta(hours=-12)))),
    *(Due.day(day, operator) for day in DAYS[1:] if day for operator in (Operator.LESS, Operator.GREATER)),
)


def varied(count: int) -> list[TaskDraft]:
    """Returns drafts that differ in every field, with many ties."""
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
    "position": st.sampled_from(POSITIONS),
    "metadata": small_objects,
    "repeat": st.sampled_from(REPEATS),
}
"""For each field that a client may write, a few values, so that commits meet each other."""

queries = st.builds(
    TaskQuery,
    done=maybe([True, False]),
    labels=st.one_of(st.just(()), label_sets),
    list=st.one_of(st.none(), maybe([DEFAULT_LIST, "Inbox", "a", "nowhere"])),
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
