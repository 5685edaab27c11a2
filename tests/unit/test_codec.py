"""The JSON form of all that a store holds."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from tasksvc import Entry, IdempotencyKey, IdempotencyRecord, Record, Task, TaskDraft
from tasksvc.domain import codec
from tasksvc.domain.task import create_task
from unit import strategies as some

NOW = datetime(2026, 11, 24, 15, 0, 0, 123456, tzinfo=UTC)


def without_orjson() -> Any:
    """Makes the codec work as on a platform that has no orjson."""
    spec = importlib.util.find_spec("tasksvc.domain.codec")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "orjson", None)
        spec.loader.exec_module(module)
    return module


standard = without_orjson()


@pytest.mark.parametrize("codec", [codec, standard], ids=["orjson", "standard"])
def test_a_packed_object_equals_its_source(codec: Any) -> None:
    value = {"b": [1, 1.5, "é", None, True, {}], "a": {"c": "\u0001\n"}}

    packed = codec.packed(value)

    assert packed == value
    assert dict(packed) == value
    assert list(packed) == ["b", "a"]
    assert (packed["a"], packed.get("d"), len(packed), bool(packed)) == (value["a"], None, 2, True)
    assert repr(packed) == repr(value)
    assert codec.packed(packed) is packed
    assert codec.packed({}) == {}


@pytest.mark.parametrize("codec", [codec, standard], ids=["orjson", "standard"])
def test_a_packed_object_has_the_json_of_its_source(codec: Any) -> None:
    metadata = {"b": [1, 1.5, "é", None, True, {}], "a": {"c": "\u0001\n"}}
    task = create_task(1, TaskDraft("x", metadata=metadata), NOW)

    packed = dataclasses.replace(task, metadata=codec.packed(metadata))

    assert codec.dumps(packed) == codec.dumps(task)
    assert codec.dump_line([packed]) == codec.dump_line([task])
    assert codec.task_to_json(packed) == codec.task_to_json(task)
    assert codec.dumps(codec.results_to_json([packed])) == codec.dumps(codec.results_to_json([task]))


def test_the_platform_of_these_tests_has_both_codecs() -> None:
    assert hasattr(codec, "orjson")
    assert not hasattr(standard, "orjson")


# ---------------------------------------------------------------- round trips


@pytest.mark.parametrize("module", [codec, standard], ids=["orjson", "standard library"])
def test_a_task_has_this_form(module: Any) -> None:
    draft = TaskDraft("задача \n\"'", True, NOW.replace(microsecond=0), 3, ("a", "b"), {"z": [1, 1.5, None], "a": {}})
    task = create_task(1, draft, NOW)

    text = module.dumps(task).decode()

    assert text == (
        '{"id":1,"description":"задача \\n\\"\'","done":true,"completed_at":"2026-11-24T15:00:00.123456Z",'
        '"due_at":"2026-11-24T15:00:00Z","priority":3,"labels":["a","b"],"metadata":{"z":[1,1.5,null],"a":{}},'
        '"created_at":"2026-11-24T15:00:00.123456Z","updated_at":"2026-11-24T15:00:00.123456Z","version":1}'
    )
    assert module.dumps(module.task_to_json(task)).decode() == text


@given(some.tasks)
def test_a_task_comes_back_as_it_was(task: Task) -> None:
    again = codec.task_from_json(codec.loads(codec.dumps(task)))

    assert again == task
    assert repr(again) == repr(task), "1, 1.0 and True are equal in Python"


@given(some.entries)
def test_an_item_of_a_dump_comes_back_as_it_was(entry: Entry) -> None:
    again = codec.entry_from_json(codec.loads(codec.dumps(codec.entry_to_json(entry))))

    assert again == entry
    assert type(again) is type(entry)
    assert repr(again) == repr(entry)


def test_an_unknown_item_of_a_dump_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'tusk' isn't an entry of a dump"):
        codec.entry_from_json({"tusk": {}})


@pytest.mark.parametrize("entry", [None, "entry", (1, 2), TaskDraft("x")])
def test_an_object_that_is_not_an_entry_is_not_written_to_a_dump(entry: Any) -> None:
    with pytest.raises(AssertionError):
        codec.entry_to_json(entry)


@pytest.mark.parametrize("result", ["result", 1, (1, 2), TaskDraft("x")])
def test_an_object_that_is_not_a_result_is_not_kept_as_one(result: Any) -> None:
    with pytest.raises(AssertionError):
        codec.results_to_json([result])


def test_results_that_the_first_version_kept_are_read() -> None:
    """The first version had fewer kinds of results."""
    task = (
        '{"id":1,"description":"x","done":false,"completed_at":null,"due_at":null,"priority":0,"labels":["a"],'
        '"metadata":{},"created_at":"2026-11-24T15:00:00Z","updated_at":"2026-11-24T15:00:00Z","version":1}'
    )
    kept = (
        '{"idempotency_record":[["scope","key","print"],"2026-11-24T15:00:00Z",'
        '[{"task":%s},null,{"record":["s","n",{},2]}]]}'
    )

    remembered = codec.entry_from_json(codec.loads(kept % task))

    at = NOW.replace(microsecond=0)
    results = (create_task(1, TaskDraft("x", labels=("a",)), at), None, Record("s", "n", {}, 2))
    assert remembered == IdempotencyRecord(IdempotencyKey("scope", "key", "print"), at, results)


def test_a_result_of_no_known_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'tusk' isn't the result of a write"):
        codec.results_from_json([{"tusk": {}}])


# ---------------------------------------------------------------- without orjson


def has_small_floats(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(has_small_floats, value.values()))
    if isinstance(value, list):
        return any(map(has_small_floats, value))
    return isinstance(value, float) and 0 < abs(value) < 0.0001


@given(some.json_values)
def test_the_standard_library_writes_what_orjson_writes(value: Any) -> None:
    ours, theirs = standard.dumps(value), codec.dumps(value)

    if has_small_floats(value):  # 1e-05 and 0.00001
        assert repr(codec.loads(ours)) == repr(codec.loads(theirs)) == repr(value)
    else:
        assert ours == theirs


@given(some.entries)
def test_each_reads_what_the_other_wrote(entry: Entry) -> None:
    value = codec.entry_to_json(entry)

    assert repr(standard.loads(codec.dumps(value))) == repr(codec.loads(standard.dumps(value))) == repr(value)


@given(some.tasks, some.moments)
def test_both_write_tasks_and_times_alike(task: Task, moment: datetime) -> None:
    task.metadata = {}

    assert standard.dumps([task, moment]) == codec.dumps([task, moment])


@pytest.mark.parametrize("module", [codec, standard], ids=["orjson", "standard library"])
def test_what_has_no_json_form_is_refused(module: Any) -> None:
    with pytest.raises(TypeError):
        module.dumps({"a": timedelta(1)})


@given(some.json_values)
def test_the_form_is_json(value: Any) -> None:
    assert repr(json.loads(codec.dumps(value))) == repr(value)
