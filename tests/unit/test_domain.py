"""The rules that tasks must obey."""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import InvalidTask, Task, TaskDraft
from tasksvc.domain.change import new_generation
from tasksvc.domain.rules import (
    METADATA_DEPTH,
    METADATA_INTEGER_MAX,
    METADATA_MAX,
    description_error,
    is_storable_text,
    labels_error,
    metadata_error,
    normalize_labels,
    parse_timestamp,
)
from tasksvc.domain.task import GIVEN_ONCE, apply_patch, create_task, draft_of, merge_patch
from unit import strategies as some

NOW = datetime(2026, 11, 24, 15, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)

# ---------------------------------------------------------------- text

UNSTORABLE = ["\0", "a\0b", "\ud800", "a\udfffb", "\udc00\ud800"]
"""Characters that no store can hold; the last is a reversed surrogate pair."""


@pytest.mark.parametrize("text", UNSTORABLE)
def test_text_with_nul_or_a_lone_surrogate_is_not_storable(text: str) -> None:
    assert not is_storable_text(text)


@given(some.texts)
def test_all_other_text_is_storable(text: str) -> None:
    assert is_storable_text(text)


@pytest.mark.parametrize("text", ["x", "x" * 10_000, "😀" * 10_000, "\n x", "задача", '"\\', "\x7f", "\ufeff"])
def test_a_description_has_1_to_10000_characters_of_any_script(text: str) -> None:
    assert description_error(text) is None


@pytest.mark.parametrize("text", ["", "x" * 10_001, " ", "\n\t\u3000", *UNSTORABLE])
def test_a_description_that_is_empty_long_blank_or_not_storable_is_refused(text: str) -> None:
    assert description_error(text) is not None


@pytest.mark.parametrize("labels", [[], ["x"], ["x" * 100], [str(n) for n in range(50)], ["x"] * 51])
def test_up_to_50_different_labels_of_1_to_100_characters_are_fine(labels: list[str]) -> None:
    assert labels_error(labels) is None


@pytest.mark.parametrize("labels", [[""], ["x" * 101], [str(n) for n in range(51)], *([text] for text in UNSTORABLE)])
def test_other_labels_are_refused(labels: list[str]) -> None:
    assert labels_error(labels) is not None


@given(st.lists(some.texts))
def test_normalized_labels_are_a_sorted_set(labels: list[str]) -> None:
    normal = normalize_labels(labels)

    assert set(normal) == set(labels)
    assert all(one < next_one for one, next_one in itertools.pairwise(normal))


# ---------------------------------------------------------------- metadata


def nested(levels: int, innermost: Any) -> dict[str, Any]:
    """Returns objects and arrays in turn, `levels` deep together, around `innermost`."""
    value = innermost
    for level in range(levels - 1):
        value = [value] if level % 2 else {"in": value}
    return {"in": value}


@given(some.json_objects)
def test_a_small_json_object_is_fine_as_metadata(metadata: dict[str, Any]) -> None:
    assert metadata_error(metadata) is None


def test_metadata_is_32_levels_deep_at_the_most() -> None:
    assert metadata_error(nested(METADATA_DEPTH, 1)) is None
    assert "32 levels" in str(metadata_error(nested(METADATA_DEPTH + 1, 1)))
    assert "32 levels" in str(metadata_error(nested(METADATA_DEPTH, {})))
    assert "32 levels" in str(metadata_error(nested(METADATA_DEPTH, [])))


def test_metadata_of_far_too_many_values_is_refused_before_all_are_looked_at() -> None:
    class Counted(list[int]):
        looked_at = 0

        def __iter__(self) -> Iterator[int]:
            Counted.looked_at += len(self)
            return super().__iter__()

    assert "it has more" in str(metadata_error({"a": Counted([1] * METADATA_MAX)}))
    assert Counted.looked_at == 0


def test_a_patch_may_consist_of_any_mappings() -> None:
    task = create_task(1, TaskDraft("x", metadata=MappingProxyType({"a": 1, "b": {"c": 2}})), NOW)

    same = apply_patch(task, {"metadata": MappingProxyType({"a": 1})}, NOW)
    changed = apply_patch(task, {"metadata": MappingProxyType({"a": None, "b": {"d": 3}})}, NOW)

    assert same is task
    assert changed.metadata == {"b": {"c": 2, "d": 3}}


def test_metadata_of_any_depth_is_refused_without_recursion() -> None:
    assert "32 levels" in str(metadata_error(nested(100_000, 1)))


def test_metadata_has_16_kib_of_compact_utf8_at_the_most() -> None:
    fill = METADATA_MAX - len('{"a":"é"}'.encode())

    assert metadata_error({"a": "é" + "x" * fill}) is None
    assert "16,384 bytes" in str(metadata_error({"a": "é" + "x" * (fill + 1)}))


@pytest.mark.parametrize("levels", [1, 2, METADATA_DEPTH])
@pytest.mark.parametrize("integer", [METADATA_INTEGER_MAX, -METADATA_INTEGER_MAX, 2**53 - 1])
def test_metadata_keeps_integers_that_every_parser_keeps(levels: int, integer: int) -> None:
    assert metadata_error(nested(levels, integer)) is None


@pytest.mark.parametrize("levels", [1, 2, METADATA_DEPTH])
@pytest.mark.parametrize(
    "value", [2**53, -(2**53), 10**400, math.nan, math.inf, -math.inf, *UNSTORABLE], ids=lambda value: repr(value)[:20]
)
def test_metadata_refuses_what_would_not_come_back_on_every_level(levels: int, value: object) -> None:
    assert metadata_error(nested(levels, value)) is not None


@pytest.mark.parametrize("levels", [1, METADATA_DEPTH - 1])
@pytest.mark.parametrize("name", UNSTORABLE)
def test_metadata_refuses_names_that_no_store_can_hold(levels: int, name: str) -> None:
    assert metadata_error(nested(levels, {name: 1})) is not None


# ---------------------------------------------------------------- timestamps


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The examples of RFC 3339, section 5.8, but for its leap seconds.
        ("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520000+00:00"),
        ("1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57+00:00"),
        ("1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870000+00:00"),
        # Its letters may be small (section 5.6), and -00:00 is UTC too (section 4.3).
        ("1985-04-12t23:20:50z", "1985-04-12T23:20:50+00:00"),
        ("1985-04-12T23:20:50-00:00", "1985-04-12T23:20:50+00:00"),
        ("1985-04-12T23:20:50+23:59", "1985-04-11T23:21:50+00:00"),
        # More digits than microseconds are cut, not rounded.
        ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456+00:00"),
        ("2026-12-31T23:59:59.9999999999Z", "2026-12-31T23:59:59.999999+00:00"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
        ("0001-01-01T01:00:00+01:00", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_a_date_time_of_rfc_3339_is_read_in_utc(text: str, expected: str) -> None:
    moment = parse_timestamp(text)

    assert moment is not None
    assert moment.isoformat() == expected
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",  # no offset
        "2026-01-01T00:00Z",
        "2026-01-01 00:00:00Z",
        "20260101T000000Z",
        "2026-W01-1T00:00:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00+01",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+01:00:00",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "1990-12-31T23:59:60Z",  # a leap second, which datetime does not have
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "12026-01-01T00:00:00Z",
        "-2026-01-01T00:00:00Z",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
        "٢٠٢٦-٠١-٠١T٠٠:٠٠:٠٠Z",  # Arabic digits
        "2026-01-01T00:00:00.٥Z",
        "2026-01-01T00:00:00\u221201:00",  # a minus sign, not a hyphen
        "0001-01-01T00:00:00+00:01",  # in UTC, before the year 1
        "9999-12-31T23:59:59-00:01",  # in UTC, after the year 9999
    ],
)
def test_an_invalid_date_time_of_rfc_3339_is_refused(text: str) -> None:
    assert parse_timestamp(text) is None


@given(some.moments, st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_the_same_moment_is_read_whatever_its_offset(moment: datetime, minutes: int) -> None:
    try:
        local = moment.replace(tzinfo=None) + timedelta(minutes=minutes)
    except OverflowError:
        return
    hours, rest = divmod(abs(minutes), 60)
    text = f"{local.isoformat()}{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"

    assert parse_timestamp(text) == moment


@given(st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d*)?(Z|[+-]\d\d:\d\d)", fullmatch=True) | st.text())
def test_no_text_at_all_makes_the_timestamp_parser_fail(text: str) -> None:
    moment = parse_timestamp(text)

    assert moment is None or moment.tzinfo is UTC


# ---------------------------------------------------------------- merge patch

RFC_7396_EXAMPLES = """
    {"a":"b"}          {"a":"c"}            {"a":"c"}
    {"a":"b"}          {"b":"c"}            {"a":"b","b":"c"}
    {"a":"b"}          {"a":null}           {}
    {"a":"b","b":"c"}  {"a":null}           {"b":"c"}
    {"a":["b"]}        {"a":"c"}            {"a":"c"}
    {"a":"c"}          {"a":["b"]}          {"a":["b"]}
    {"a":{"b":"c"}}    {"a":{"b":"d","c":null}}  {"a":{"b":"d"}}
    {"a":[{"b":"c"}]}  {"a":[1]}            {"a":[1]}
    ["a","b"]          ["c","d"]            ["c","d"]
    {"a":"b"}          ["c"]                ["c"]
    {"a":"foo"}        null                 null
    {"a":"foo"}        "bar"                "bar"
    {"e":null}         {"a":1}              {"e":null,"a":1}
    [1,2]              {"a":"b","c":null}   {"a":"b"}
    {}                 {"a":{"bb":{"ccc":null}}}  {"a":{"bb":{}}}
"""


@pytest.mark.parametrize("example", RFC_7396_EXAMPLES.strip().splitlines())
def test_merge_patch_gives_what_the_appendix_of_rfc_7396_says(example: str) -> None:
    target, patch, expected = map(json.loads, example.split())

    assert merge_patch(target, patch) == expected


@given(some.json_values, some.json_values)
def test_merge_patch_changes_neither_of_its_arguments(target: Any, patch: Any) -> None:
    before = copy.deepcopy((target, patch))

    merge_patch(target, patch)

    assert (target, patch) == before


@given(some.json_values, some.json_values)
def test_a_merge_patch_applied_again_changes_nothing(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)

    assert merge_patch(once, patch) == once


@given(some.json_objects)
def test_an_empty_merge_patch_changes_nothing(target: dict[str, Any]) -> None:
    assert merge_patch(target, {}) == target


@given(some.json_objects, some.json_objects)
def test_a_merge_patch_touches_just_the_names_that_it_has(target: dict[str, Any], patch: dict[str, Any]) -> None:
    merged = merge_patch(target, patch)

    assert {name: value for name, value in merged.items() if name not in patch} == {
        name: value for name, value in target.items() if name not in patch
    }
    assert merged.keys() & patch.keys() == {name for name, value in patch.items() if value is not None}


# ---------------------------------------------------------------- creating and updating


@given(some.drafts)
def test_a_new_task_is_version_1_of_its_draft(draft: TaskDraft) -> None:
    task = create_task(7, draft, NOW)

    assert draft_of(task) == draft._replace(repeat=task.repeat, created_at=NOW, completed_at=task.completed_at)
    assert (task.id, task.version, task.created_at, task.updated_at) == (7, 1, NOW, NOW)
    assert task.completed_at == (NOW if draft.done else None)


@given(some.drafts, some.patches)
def test_a_revision_applied_again_is_the_same_task(draft: TaskDraft, patch: dict[str, Any]) -> None:
    once = apply_patch(create_task(1, draft, NOW), patch, LATER)

    assert apply_patch(once, patch, LATER + timedelta(hours=1)) is once


@given(some.drafts, some.patches)
def test_a_revision_changes_what_is_named_and_no_more(draft: TaskDraft, patch: dict[str, Any]) -> None:
    task = create_task(1, draft, NOW)
    before = copy.deepcopy(task)

    after = apply_patch(task, patch, LATER)

    assert task == before
    changed = {name for name in vars(task) if repr(getattr(task, name)) != repr(getattr(after, name))}
    if changed:
        dues = {"due_at", "due_on", "repeat"} if {"due_at", "due_on"} & patch.keys() else set()
        assert {"updated_at", "version"} <= changed <= {"updated_at", "version", "completed_at", *patch, *dues}
        assert ("completed_at" in changed) == ("done" in changed)
        assert (after.version, after.updated_at) == (2, LATER)
    else:
        assert after is task


@given(some.drafts)
def test_a_revision_to_what_is_there_already_is_the_same_task(draft: TaskDraft) -> None:
    task = create_task(1, draft, NOW)
    patch = draft._asdict()
    del patch["metadata"]  # a merge patch can't set a null
    for name in GIVEN_ONCE:
        del patch[name]

    assert apply_patch(task, patch, LATER) is task


@given(some.drafts)
def test_null_resets_each_field_that_has_a_default(draft: TaskDraft) -> None:
    task = create_task(1, draft, NOW)

    after = apply_patch(task, dict.fromkeys(set(TaskDraft._field_defaults) - set(GIVEN_ONCE)), LATER)

    assert after.completed_at is None
    assert draft_of(after) == TaskDraft(draft.description, uid=draft.uid, created_at=NOW)


@pytest.mark.parametrize("name", GIVEN_ONCE)
@pytest.mark.parametrize("value", [None, "other"])
def test_what_is_given_once_never_changes(name: str, value: str | None) -> None:
    with pytest.raises(InvalidTask, match=f"{name}: It is given when a task is created, and never changes"):
        apply_patch(sample(uid="mail-7"), {name: value}, LATER)


def test_a_task_of_another_system_has_the_times_that_it_had_there() -> None:
    begun, done = NOW - timedelta(days=2), NOW - timedelta(days=1)

    task = sample(done=True, created_at=begun, completed_at=done)

    assert (task.created_at, task.completed_at, task.updated_at) == (begun, done, NOW)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"created_at": LATER}, "created_at: The time must not be in the future"),
        ({"done": True, "completed_at": LATER}, "completed_at: The time must not be in the future"),
        ({"completed_at": NOW}, "completed_at: Only a task that is done"),
    ],
)
def test_times_that_no_task_can_have_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTask, match=message):
        sample(**fields)


def sample(**fields: Any) -> Task:
    return create_task(1, TaskDraft("water the plants", **fields), NOW)


def test_completed_at_is_set_and_cleared_with_done() -> None:
    done = apply_patch(sample(), {"done": True}, LATER)
    still_done = apply_patch(done, {"done": True, "priority": 1}, LATER + timedelta(hours=1))
    undone = apply_patch(still_done, {"done": False}, LATER + timedelta(hours=2))

    assert done.completed_at == LATER
    assert still_done.completed_at == LATER
    assert undone.completed_at is None


def test_updated_at_and_completed_at_never_go_back_with_the_clock() -> None:
    task = apply_patch(sample(), {"done": True}, NOW - timedelta(days=1))

    assert (task.updated_at, task.completed_at) == (NOW, NOW)


def test_metadata_is_merged_on_every_level() -> None:
    task = sample(metadata={"keep": 1, "drop": 2, "in": {"keep": 3, "drop": 4}})

    after = apply_patch(task, {"metadata": {"drop": None, "in": {"drop": None, "new": 5}}}, LATER)

    assert after.metadata == {"keep": 1, "in": {"keep": 3, "new": 5}}


@pytest.mark.parametrize(("old", "new"), [(1, 1.0), (1, True), (0, False), (0.0, -0.0), ([1], [1.0])])
def test_metadata_that_is_equal_in_python_but_not_in_json_is_a_change(old: object, new: object) -> None:
    after = apply_patch(sample(metadata={"a": old}), {"metadata": {"a": new}}, LATER)

    assert after.version == 2
    assert repr(after.metadata) == repr({"a": new})


def test_metadata_in_another_order_is_not_a_change() -> None:
    task = sample(metadata={"a": {"x": 1, "y": 2}, "b": 3})

    assert apply_patch(task, {"metadata": {"b": 3, "a": {"y": 2, "x": 1}}}, LATER) is task


def test_a_patch_that_makes_metadata_too_large_together_is_refused() -> None:
    half = "x" * (METADATA_MAX // 2)
    task = sample(metadata={"a": half})

    with pytest.raises(InvalidTask, match=r"^metadata: After the patch: Must be at most 16,384 bytes") as caught:
        apply_patch(task, {"metadata": {"b": half}}, LATER)

    assert caught.value.field == "metadata"


def test_generations_are_random() -> None:
    generations = {new_generation() for _ in range(100)}

    assert len(generations) == 100
    assert all(len(text) == 16 and set(text) <= set("0123456789abcdef") for text in generations)
