"""The JSON form of all that a store holds."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import (
    DEFAULT_WORKSPACE,
    REQUIRED,
    STORE,
    TASK_FIELDS,
    Change,
    ChangeKind,
    DeleteResult,
    FormatTooNew,
    IdempotencyKey,
    IdempotencyRecord,
    Record,
    StoreEntry,
    StoreHeader,
    Task,
    TaskDraft,
    TaskField,
    WorkspaceHeader,
    codec,
)
from tasksvc.domain import json_text
from tasksvc.domain.task import create_task
from unit import strategies as some

NOW = datetime(2026, 11, 24, 15, 0, 0, 123456, tzinfo=UTC)


def without_orjson() -> Any:
    """Returns json_text as on a platform that has no orjson."""
    spec = importlib.util.find_spec("tasksvc.domain.json_text")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "orjson", None)
        spec.loader.exec_module(module)
    return module


standard = without_orjson()


@pytest.mark.parametrize("json_text", [json_text, standard], ids=["orjson", "standard library"])
def test_a_packed_object_equals_its_source(json_text: Any) -> None:
    value = {"b": [1, 1.5, "é", None, True, {}], "a": {"c": "\u0001\n"}}

    packed = json_text.packed(value)

    assert packed == value
    assert dict(packed) == value
    assert list(packed) == ["b", "a"]
    assert (packed["a"], packed.get("d"), len(packed), bool(packed)) == (value["a"], None, 2, True)
    assert repr(packed) == repr(value)
    assert json_text.packed(packed) is packed
    assert json_text.packed({}) == {}


@pytest.mark.parametrize("json_text", [json_text, standard], ids=["orjson", "standard library"])
def test_a_packed_object_has_the_json_of_its_source(json_text: Any) -> None:
    metadata = {"b": [1, 1.5, "é", None, True, {}], "a": {"c": "\u0001\n"}}
    task = create_task(1, TaskDraft("x", metadata=metadata), NOW)

    packed = dataclasses.replace(task, metadata=json_text.packed(metadata))

    assert json_text.dumps(packed) == json_text.dumps(task)
    assert json_text.dump_line([packed]) == json_text.dump_line([task])


def test_the_platform_of_these_tests_has_both_ways() -> None:
    assert hasattr(json_text, "orjson")
    assert not hasattr(standard, "orjson")


# ---------------------------------------------------------------- round trips


@pytest.mark.parametrize("module", [json_text, standard], ids=["orjson", "standard library"])
def test_a_task_has_this_form(module: Any) -> None:
    draft = TaskDraft(
        "задача \n\"'",
        notes="more",
        done=True,
        due_at=NOW.replace(microsecond=0),
        priority=3,
        labels=("a", "b"),
        list="work",
        metadata={"z": [1, 1.5, None], "a": {}},
    )
    task = create_task(1, draft, NOW)

    text = module.dumps(task).decode()

    assert text == (
        '{"id":1,"description":"задача \\n\\"\'","notes":"more","done":true,'
        '"completed_at":"2026-11-24T15:00:00.123456Z",'
        '"due_at":"2026-11-24T15:00:00Z","due_on":null,"priority":3,"labels":["a","b"],"list":"work","parent_id":null,"position":null,'
        '"metadata":{"z":[1,1.5,null],"a":{}},"repeat":null,"series_id":null,"next_id":null,"uid":null,'
        '"created_at":"2026-11-24T15:00:00.123456Z","updated_at":"2026-11-24T15:00:00.123456Z","version":1}'
    )


@pytest.mark.parametrize("module", [json_text, standard], ids=["orjson", "standard library"])
def test_a_day_is_a_full_date(module: Any) -> None:
    task = create_task(1, TaskDraft("x", due_on=date(2026, 3, 1)), NOW)

    assert module.loads(module.dumps(task))["due_on"] == "2026-03-01"


@given(some.tasks)
def test_a_task_comes_back_as_it_was(task: Task) -> None:
    again = codec.task_from_json(json_text.loads(json_text.dumps(task)))

    assert again == task
    assert repr(again) == repr(task), "1, 1.0 and True are equal in Python"


@given(some.entries)
def test_an_entry_of_a_dump_comes_back_as_it_was(unit: StoreEntry) -> None:
    (again,) = codec.load_entries(codec.dump_entries([unit]))

    assert again == unit
    assert type(again.entry) is type(unit.entry)
    assert repr(again) == repr(unit)


@given(st.lists(some.entries))
def test_results_come_back_as_they_were(entries: list[StoreEntry]) -> None:
    results = [None, DeleteResult(3, True), *(entry for _, entry in entries if isinstance(entry, Task | Record))]

    text = codec.dump_results(results)

    assert repr(codec.load_results(text)) == repr(tuple(results))
    assert list(codec.iterate_results(text.decode())) == results


def test_an_unknown_item_of_a_dump_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'tusk' isn't an entry of a dump"):
        codec.entry_from_json({"tusk": {}})


@pytest.mark.parametrize("workspace", ["", ".", "a/b", "x" * 101])
def test_an_entry_of_what_is_no_workspace_is_refused(workspace: str) -> None:
    with pytest.raises(ValueError, match="can't be in the workspace"):
        codec.entry_from_json({"workspace": workspace, "header": {"generation": "abc", "epoch": ""}})


@pytest.mark.parametrize("value", [{"store": {"epoch": "e"}}, {"record": Record("s", "n", {})._asdict()}])
def test_what_belongs_to_the_store_is_refused_in_a_workspace(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="can't be in the workspace 'a'"):
        codec.entry_from_json({"workspace": "a", **value})


@pytest.mark.parametrize("entry", [None, "entry", (1, 2), TaskDraft("x")])
def test_an_object_that_is_not_an_entry_is_not_written_to_a_dump(entry: Any) -> None:
    with pytest.raises(AssertionError):
        codec.entry_to_json(StoreEntry(DEFAULT_WORKSPACE, entry))


@pytest.mark.parametrize("result", ["result", 1, (1, 2), TaskDraft("x")])
def test_an_object_that_is_not_a_result_is_not_kept_as_one(result: Any) -> None:
    with pytest.raises(AssertionError):
        codec.dump_results([result])


# ---------------------------------------------------------------- formats

TASK = (
    '{"id":1,"description":"x","notes":"","done":false,"completed_at":null,"due_at":null,"due_on":null,"priority":0,'
    '"labels":["a"],"list":"inbox","parent_id":null,"position":null,"metadata":{},"repeat":null,"series_id":null,"next_id":null,"uid":null,'
    '"created_at":"2026-11-24T15:00:00Z","updated_at":"2026-11-24T15:00:00Z","version":1}'
)
SECOND = NOW.replace(microsecond=0)
KEPT_TASK = create_task(1, TaskDraft("x", labels=("a",)), SECOND)


def test_the_present_format_has_this_form() -> None:
    key = IdempotencyKey("scope", "key", "print")
    results = (KEPT_TASK, None, Record("s", "n", {"a": 1}, 2), DeleteResult(2, False))
    entries = [
        StoreEntry(STORE, StoreHeader("new")),
        StoreEntry(STORE, Record("s", "n", {"a": 1}, 2)),
        StoreEntry(DEFAULT_WORKSPACE, WorkspaceHeader("abc", "old", 3, 2, 1)),
        StoreEntry(DEFAULT_WORKSPACE, IdempotencyRecord(key, SECOND, results)),
        StoreEntry(DEFAULT_WORKSPACE, Change(2, ChangeKind.DELETED, SECOND, 1, None)),
        StoreEntry("u_42", WorkspaceHeader("def", "new")),
        StoreEntry("u_42", Change(1, ChangeKind.CREATED, SECOND, 1, KEPT_TASK)),
    ]
    kept_results = (
        f'[{{"task":{TASK}}},null,{{"record":{{"namespace":"s","key":"n","value":{{"a":1}},"version":2}}}},'
        '{"deleted":{"tasks":2,"more":false}}]'
    )

    text = codec.dump_entries(entries).decode()

    assert text == (
        '{"format":6,"entries":[{"store":{"epoch":"new"}},'
        '{"record":{"namespace":"s","key":"n","value":{"a":1},"version":2}},'
        '{"header":{"generation":"abc","epoch":"old","last_id":3,"last_seq":2,"pruned_seq":1}},'
        '{"idempotency_record":{"scope":"scope","value":"key","fingerprint":"print","at":"2026-11-24T15:00:00Z",'
        f'"results":{kept_results}}}}},'
        '{"change":{"seq":2,"kind":"deleted","at":"2026-11-24T15:00:00Z","task_id":1,"task":null,"by":null}},'
        '{"workspace":"u_42","header":{"generation":"def","epoch":"new","last_id":0,"last_seq":0,"pruned_seq":0}},'
        '{"workspace":"u_42","change":{"seq":1,"kind":"created","at":"2026-11-24T15:00:00Z","task_id":1,'
        f'"task":{TASK},"by":null}}}}]}}'
    )
    assert codec.dump_results(results).decode() == f'{{"format":6,"results":{kept_results}}}'


def test_entries_of_format_3_are_read_as_the_default_workspace() -> None:
    """A store had one workspace, and one header for both."""
    text = (
        '{"format":3,"entries":[{"header":{"generation":"abc","last_id":3,"last_seq":2,"pruned_seq":1}},{"task":%s},'
        '{"record":{"namespace":"s","key":"n","value":{},"version":2}},'
        '{"change":{"seq":1,"kind":"created","at":"2026-11-24T15:00:00Z","task_id":1,"task":%s}}]}'
    )

    assert codec.load_entries(text % (TASK, TASK)) == [
        StoreEntry(STORE, StoreHeader("")),
        StoreEntry(DEFAULT_WORKSPACE, WorkspaceHeader("abc", "", 3, 2, 1)),
        StoreEntry(DEFAULT_WORKSPACE, KEPT_TASK),
        StoreEntry(STORE, Record("s", "n", {}, 2)),
        StoreEntry(DEFAULT_WORKSPACE, Change(1, ChangeKind.CREATED, SECOND, 1, KEPT_TASK)),
    ]


def test_entries_of_format_2_are_read() -> None:
    """They were an array, without the number of a format, and the fields of most had no names."""
    key = IdempotencyKey("scope", "key", "print")
    text = (
        '[{"header":{"generation":"abc","last_id":3,"last_seq":2,"pruned_seq":1}},{"task":%s},{"record":["s","n",{},2]},'
        '{"idempotency_record":[["scope","key","print"],"2026-11-24T15:00:00Z",'
        '[{"task":%s},null,{"record":["s","n",{},2]},{"deleted":{"tasks":1,"more":true}}]]},'
        '{"change":[1,"created","2026-11-24T15:00:00Z",1,%s]},{"change":[2,"deleted","2026-11-24T15:00:00Z",1,null]}]'
    )

    entries = codec.load_entries(text % (TASK, TASK, TASK))

    assert [entry for _, entry in entries] == [
        StoreHeader(""),
        WorkspaceHeader("abc", "", 3, 2, 1),
        KEPT_TASK,
        Record("s", "n", {}, 2),
        IdempotencyRecord(key, SECOND, (KEPT_TASK, None, Record("s", "n", {}, 2), DeleteResult(1, True))),
        Change(1, ChangeKind.CREATED, SECOND, 1, KEPT_TASK),
        Change(2, ChangeKind.DELETED, SECOND, 1, None),
    ]
    assert [name for name, _ in entries] == [STORE, *[DEFAULT_WORKSPACE] * 2, STORE, *[DEFAULT_WORKSPACE] * 3]


def test_results_of_format_2_are_read() -> None:
    text = f'[{{"task":{TASK}}},null,{{"record":["s","n",{{}},2]}},{{"deleted":{{"tasks":1,"more":true}}}}]'
    results = (KEPT_TASK, None, Record("s", "n", {}, 2), DeleteResult(1, True))

    assert codec.load_results(text) == results
    assert tuple(codec.iterate_results(text)) == results


@pytest.mark.parametrize(
    "field", [field for field in TASK_FIELDS if field.default is not REQUIRED], ids=lambda f: f.name
)
def test_a_field_that_a_document_lacks_has_its_default(field: TaskField) -> None:
    value = json_text.loads(TASK)
    del value[field.name]

    assert getattr(codec.task_from_json(value), field.name) == field.default


def test_a_field_that_this_version_does_not_know_is_refused_by_name() -> None:
    value = {**json_text.loads(TASK), "colour": "red"}

    with pytest.raises(ValueError, match="'colour', which this version of tasksvc doesn't know"):
        codec.task_from_json(value)


@pytest.mark.parametrize("load", [codec.load_entries, codec.load_results])
def test_a_document_of_a_later_format_is_refused_with_the_formats_that_are_read(load: Any) -> None:
    document = '{"format":7,"entries":[],"results":[]}'

    with pytest.raises(FormatTooNew, match="data of format 7, and this version of tasksvc reads formats up to 6"):
        load(document)


def test_a_result_of_no_known_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'tusk' isn't the result of a write"):
        codec.load_results('{"format":6,"results":[{"tusk": {}}]}')


# ---------------------------------------------------------------- without orjson


def has_small_floats(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(has_small_floats, value.values()))
    if isinstance(value, list):
        return any(map(has_small_floats, value))
    return isinstance(value, float) and 0 < abs(value) < 0.0001


@given(some.json_values)
def test_the_standard_library_writes_what_orjson_writes(value: Any) -> None:
    ours, theirs = standard.dumps(value), json_text.dumps(value)

    if has_small_floats(value):  # 1e-05 and 0.00001
        assert repr(json_text.loads(ours)) == repr(json_text.loads(theirs)) == repr(value)
    else:
        assert ours == theirs


@given(some.entries)
def test_each_reads_what_the_other_wrote(unit: StoreEntry) -> None:
    value = codec.entry_to_json(unit)

    assert repr(standard.loads(json_text.dumps(value))) == repr(json_text.loads(standard.dumps(value)))


@given(some.tasks, some.moments)
def test_both_write_tasks_and_times_alike(task: Task, moment: datetime) -> None:
    task.metadata = {}

    assert standard.dumps([task, moment]) == json_text.dumps([task, moment])


@pytest.mark.parametrize("module", [json_text, standard], ids=["orjson", "standard library"])
def test_what_has_no_json_form_is_refused(module: Any) -> None:
    with pytest.raises(TypeError):
        module.dumps({"a": timedelta(1)})


@given(some.json_values)
def test_the_form_is_json(value: Any) -> None:
    assert repr(json.loads(json_text.dumps(value))) == repr(value)


@pytest.mark.parametrize("size", [10, 2_000, 10_000, 100_000])
@pytest.mark.parametrize("dump", [json_text.dumps, json_text.dump_line])
def test_what_is_kept_encoded_takes_little_more_than_its_length(dump: Callable[[Any], bytes], size: int) -> None:
    value = {"text": "x" * size}

    tracemalloc.start()
    try:
        kept = [dump(value) for _ in range(20)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert taken / len(kept) < len(kept[0]) + 200
