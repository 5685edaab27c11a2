"""Values that obey the rules, as strategies of hypothesis."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from tasksvc import (
    DEFAULT_WORKSPACE,
    STORE,
    WORKSPACE_NAME_MAX,
    Change,
    ChangeKind,
    DeleteResult,
    Due,
    IdempotencyKey,
    IdempotencyRecord,
    Record,
    SortField,
    StoreEntry,
    StoreHeader,
    Task,
    TaskDraft,
    TaskQuery,
    UpdateResult,
    WorkspaceHeader,
    is_workspace_name,
)
from tasksvc.domain.rules import METADATA_INTEGER_MAX, normalize_labels

integers = st.integers(-METADATA_INTEGER_MAX, METADATA_INTEGER_MAX)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
moments = st.datetimes().map(lambda moment: moment.replace(tzinfo=UTC, fold=0))
ids = st.integers(1, 2**63 - 1)

scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)
json_objects = st.dictionaries(texts, json_values, max_size=4)
labels = st.lists(st.sampled_from("abcde") | texts.filter(bool), max_size=4).map(normalize_labels)
descriptions = texts.filter(lambda text: text and not text.isspace())

uids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.isprintable)
positions = st.text("09AZaz", min_size=1, max_size=5)
notes = st.just("") | texts
days = st.dates()
dues: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}), st.fixed_dictionaries({"due_at": moments}), st.fixed_dictionaries({"due_on": days})
)
"""A due time, a due day or neither."""
repeats = st.fixed_dictionaries(
    {
        "rule": st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,FR;COUNT=5", "FREQ=MONTHLY;UNTIL=99991231"]),
        "zone": st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
        "from": st.sampled_from(["schedule", "each", "completion"]),
    }
)


def make_draft(due: dict[str, Any], done: bool, repeat: dict[str, Any] | None, **fields: Any) -> TaskDraft:
    """Returns a draft that repeats if it may, and if its due is far from the ends of the calendar."""
    repeats = not done and any(1900 < value.year < 3000 for value in due.values())
    return TaskDraft(**fields, **due, done=done, repeat=repeat if repeats else None)


drafts = st.builds(
    make_draft,
    dues,
    repeat=st.none() | repeats,
    description=descriptions,
    notes=notes,
    done=st.booleans(),
    priority=st.integers(0, 9),
    labels=labels,
    list=texts.filter(bool),
    parent_id=st.none() | ids,
    position=st.none() | positions,
    metadata=json_objects,
    uid=st.none() | uids,
)
unrelated_drafts = drafts.map(lambda draft: draft._replace(parent_id=None, uid=None))
"""Drafts of tasks that need no others, and stand in nobody's way."""
tasks = st.builds(
    lambda due, **fields: Task(**{"due_at": None, "due_on": None, **fields, **due}),
    dues,
    id=ids,
    description=descriptions,
    notes=notes,
    done=st.booleans(),
    completed_at=st.none() | moments,
    priority=st.integers(0, 9),
    labels=labels,
    list=texts.filter(bool),
    parent_id=st.none() | ids,
    position=st.none() | positions,
    metadata=json_objects,
    repeat=st.none() | repeats,
    series_id=st.none() | ids,
    next_id=st.none() | ids,
    uid=st.none() | uids,
    created_at=moments,
    updated_at=moments,
    version=st.integers(1, 1000),
)
patches = st.builds(
    lambda due, fields: {**fields, **due},
    dues | st.sampled_from([{"due_at": None}, {"due_on": None}]),
    st.fixed_dictionaries(
        {},
        optional={
            "description": descriptions,
            "notes": st.none() | notes,
            "done": st.none() | st.booleans(),
            "priority": st.none() | st.integers(0, 9),
            "labels": st.none() | labels,
            "list": st.none() | texts,
            "position": st.none() | positions,
            "metadata": st.none() | json_objects,
            "repeat": st.none(),
        },
    ),
)

few_moments = st.integers(0, 3).map(lambda day: datetime(2026, 1, 1 + day, tzinfo=UTC))
"""Few distinct times, so that ties are common."""
few_dues: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({"due_at": None, "due_on": None}),
    few_moments.map(lambda at: {"due_at": at, "due_on": None}),
    few_moments.map(lambda at: {"due_at": None, "due_on": at.date()}),
)
lists_of_tasks = st.lists(
    st.builds(
        lambda due, **fields: Task(**fields, **due),
        few_dues,
        id=st.integers(1, 100),
        description=st.sampled_from(["Straße", "STRASSE", "задача", "ЗАДАЧА", "milk"]),
        notes=st.sampled_from(["", "", "Milk"]),
        done=st.booleans(),
        completed_at=st.none(),
        priority=st.integers(0, 3),
        labels=st.lists(st.sampled_from("abc"), max_size=3).map(normalize_labels),
        list=st.sampled_from(["inbox", "garden"]),
        parent_id=st.none() | st.integers(1, 3),
        position=st.none() | st.sampled_from(["a", "B", "0"]),
        metadata=st.sampled_from([{}, {"n": 1}, {"n": 1.0}, {"n": {"deep": True}}]),
        repeat=st.none(),
        series_id=st.none(),
        next_id=st.none(),
        uid=st.none() | st.sampled_from("uv"),
        created_at=few_moments,
        updated_at=few_moments,
        version=st.integers(1, 3),
    ),
    max_size=20,
    unique_by=lambda task: task.id,
)
orders = st.builds(
    lambda sort, descending: TaskQuery(sort=sort, descending=descending), st.sampled_from(SortField), st.booleans()
)
queries = st.builds(
    TaskQuery,
    done=st.none() | st.booleans(),
    labels=st.lists(st.sampled_from("abc"), max_size=2).map(tuple),
    priority=st.none() | st.none() | st.integers(0, 3),
    priority_min=st.none() | st.integers(0, 3),
    priority_max=st.none() | st.integers(0, 3),
    list=st.none() | st.sampled_from(["inbox", "garden"]),
    parent_id=st.none() | st.none() | st.integers(1, 3),
    without_parent=st.sampled_from([False, False, True]),
    uid=st.none() | st.none() | st.sampled_from("uv"),
    metadata=st.just(()) | st.sampled_from([(("n", 1),), (("n", 1.0),), (("n.deep", True),)]),
    due_before=st.none() | few_moments.map(Due.time),
    due_after=st.none() | few_moments.map(Due.time),
    created_after=st.none() | few_moments,
    updated_after=st.none() | few_moments,
    q=st.none() | st.sampled_from(["strasse", "Задача", "MILK", ""]),
    sort=st.sampled_from(SortField),
    descending=st.booleans(),
)

records = st.builds(Record, namespace=texts, key=texts, value=json_objects, version=st.integers(1, 1000))
workspace_names = st.just(DEFAULT_WORKSPACE) | st.text("Aa09._~-", min_size=1, max_size=WORKSPACE_NAME_MAX).filter(
    is_workspace_name
)
results = st.lists(
    st.none()
    | tasks
    | records
    | st.builds(DeleteResult, ids, st.booleans())
    | st.builds(UpdateResult, ids, st.booleans()),
    max_size=3,
).map(tuple)
entries = st.one_of(
    st.builds(StoreEntry, st.just(STORE), st.builds(StoreHeader, texts) | records),
    st.builds(
        StoreEntry,
        workspace_names,
        st.one_of(
            st.builds(WorkspaceHeader, generation=texts, epoch=texts, last_id=ids, last_seq=ids, pruned_seq=ids),
            tasks,
            st.builds(
                IdempotencyRecord, key=st.builds(IdempotencyKey, texts, texts, texts), at=moments, results=results
            ),
            st.builds(
                Change,
                seq=ids,
                kind=st.sampled_from(ChangeKind),
                at=moments,
                task_id=ids,
                task=st.none() | tasks,
                by=st.none() | texts,
            ),
        ),
    ),
)
