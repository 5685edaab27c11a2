"""Terms, and conditions as data."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasksvc_sqlite.schema import MIGRATIONS

from tasksvc import (
    DEFAULT_LIST,
    TERM_BYTES_MAX,
    TERMS,
    TEXTS,
    Condition,
    Due,
    Operator,
    Task,
    TaskDraft,
    TaskQuery,
    term,
    terms_of,
)
from tasksvc.domain.query import METADATA_TERMS_MAX, metadata_terms
from tasksvc.domain.rules import LABEL_MAX
from tasksvc.domain.task import create_task
from unit import strategies as some

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)


def test_values_of_different_types_make_different_terms() -> None:
    values: list[str | int | float | bool] = [1, 1.0, True, "1", "true", False, 0, 0.0, "", 1.5, "1.0"]

    terms = [term("metadata.n", value) for value in values]

    assert len(set(terms)) == len(values)
    assert terms[:4] == ["metadata.n=1", "metadata.n=1.0", "metadata.n=true", 'metadata.n="1"']


@pytest.mark.parametrize("character", ["\x01", "\x7f", '"', "\\", "😀", "\u2028"])
def test_the_term_of_the_longest_label_is_within_the_limit(character: str) -> None:
    task = create_task(1, TaskDraft("x", labels=(character * LABEL_MAX,)), NOW)

    (found,) = terms_of(task)

    assert len(found.encode()) <= TERM_BYTES_MAX


def test_metadata_has_terms_for_what_is_three_levels_deep_in_objects() -> None:
    metadata: dict[str, Any] = {
        "a": {"b": {"c": 7, "d": {"e": 1}}, "": 1, "f.g": 1, "h": [1]},
        "n": None,
        "t": "x=y",
    }

    found = metadata_terms(metadata)

    assert sorted(found) == ["metadata.a.b.c=7", "metadata.n=null", 'metadata.t="x=y"']


def test_of_many_values_in_metadata_the_first_paths_have_terms() -> None:
    found = metadata_terms({f"{n:04}": n for n in reversed(range(METADATA_TERMS_MAX + 1))})

    assert found == [f"metadata.{n:04}={n}" for n in range(METADATA_TERMS_MAX)]


def test_long_values_make_different_terms_within_the_limit() -> None:
    terms = [term("metadata.n", "x" * 2_000 + end) for end in "ab"]

    assert len(set(terms)) == 2
    assert all(len(each.encode()) <= TERM_BYTES_MAX for each in terms)


@given(some.json_objects)
def test_the_terms_of_any_metadata_are_few_and_short(metadata: dict[str, Any]) -> None:
    found = metadata_terms(metadata)

    assert len(found) <= METADATA_TERMS_MAX
    assert all(len(each.encode()) <= TERM_BYTES_MAX for each in found)


@given(some.tasks, some.labels)
def test_a_task_has_the_terms_of_its_labels_alone(task: Task, labels: tuple[str, ...]) -> None:
    conditions = TaskQuery(labels=labels).conditions()

    assert [condition[:2] for condition in conditions] == [(TERMS, Operator.HAS)] * len(labels)
    assert {condition.value for condition in conditions} <= set(terms_of(task)) or not set(labels) <= set(task.labels)


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_the_migration_of_sqlite_makes_the_same_terms(label: str) -> None:
    """The statement of 0003.sql, which runs in SQLite alone."""
    assert "'label=' || json_quote(label)" in MIGRATIONS.scripts[3]
    database = sqlite3.connect(":memory:")

    ((made,),) = database.execute("SELECT 'label=' || json_quote(?)", (label,))

    database.close()
    assert made == term("label", label)


def test_conditions_name_the_field_the_operator_and_the_value() -> None:
    query = TaskQuery(done=False, priority_min=3, due_before=Due.time(NOW), labels=("a",), list="garden", q="Größe")

    assert query.conditions() == (
        Condition("done", Operator.EQUAL, False),
        Condition("priority", Operator.GREATER_OR_EQUAL, 3),
        Condition("due_at", Operator.LESS, Due.time(NOW)),
        Condition(TERMS, Operator.HAS, 'label="a"'),
        Condition(TERMS, Operator.HAS, 'list="garden"'),
        Condition(TEXTS, Operator.CONTAINS, "grösse"),
    )


def test_a_query_without_filters_has_no_condition() -> None:
    assert TaskQuery(descending=True).conditions() == ()


def test_the_default_list_is_found_by_its_column() -> None:
    """Most tasks are in it, so a term of each would be of no use, and each create would write one."""
    in_inbox, in_garden = (create_task(1, TaskDraft("x", list=name), NOW) for name in (DEFAULT_LIST, "garden"))

    assert terms_of(in_inbox) == ()
    assert terms_of(in_garden) == ('list="garden"',)
    assert TaskQuery(list=DEFAULT_LIST).conditions() == (Condition("list", Operator.EQUAL, DEFAULT_LIST),)
    assert TaskQuery(list=DEFAULT_LIST).matches(in_inbox)
    assert not TaskQuery(list=DEFAULT_LIST).matches(in_garden)
