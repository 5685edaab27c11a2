"""Queries: filters and orders of tasks."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from unicodedata import is_normalized, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import Cursor, Due, Operator, SortField, Task, TaskDraft, TaskQuery, fold_text, select
from tasksvc.domain.query import Scalar
from tasksvc.domain.task import create_task
from unit import strategies as some

DAYS = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 4)]
MICROSECOND = timedelta(microseconds=1)
LATE = Due.time(datetime(2026, 1, 2, 23, tzinfo=timezone(timedelta(hours=-5))))
"""A time on the 2nd of January for the caller, and on the 3rd in UTC."""
ON_2ND = Due.day(date(2026, 1, 2), Operator.LESS)
AFTER_2ND = Due.day(date(2026, 1, 2), Operator.GREATER)


def task(task_id: int = 1, **fields: Any) -> Task:
    return replace(create_task(task_id, TaskDraft("buy milk"), DAYS[1]), **fields)


@pytest.mark.parametrize(
    ("query", "fitting", "other"),
    [
        (TaskQuery(done=True), {"done": True}, {"done": False}),
        (TaskQuery(done=False), {"done": False}, {"done": True}),
        (TaskQuery(labels=("a", "b")), {"labels": ("a", "b", "c")}, {"labels": ("a", "c")}),
        (TaskQuery(priority_min=3), {"priority": 3}, {"priority": 2}),
        (TaskQuery(priority=3), {"priority": 3}, {"priority": 4}),
        (TaskQuery(priority=0), {"priority": 0}, {"priority": 1}),
        (TaskQuery(priority_max=3), {"priority": 3}, {"priority": 4}),
        (TaskQuery(due_before=Due.time(DAYS[1])), {"due_at": DAYS[0]}, {"due_at": DAYS[1]}),
        (TaskQuery(due_before=Due.time(DAYS[1])), {"due_at": DAYS[0]}, {"due_at": None}),
        (TaskQuery(due_after=Due.time(DAYS[1])), {"due_at": DAYS[2]}, {"due_at": DAYS[1]}),
        (TaskQuery(due_after=Due.time(DAYS[1])), {"due_at": DAYS[2]}, {"due_at": None}),
        (TaskQuery(due_before=LATE), {"due_on": date(2026, 1, 1)}, {"due_on": date(2026, 1, 2)}),
        (TaskQuery(due_after=LATE), {"due_on": date(2026, 1, 3)}, {"due_on": date(2026, 1, 2)}),
        (TaskQuery(due_before=ON_2ND), {"due_on": date(2026, 1, 1)}, {"due_on": date(2026, 1, 2)}),
        (TaskQuery(due_before=ON_2ND), {"due_at": DAYS[1] - MICROSECOND}, {"due_at": DAYS[1]}),
        (TaskQuery(due_after=AFTER_2ND), {"due_on": date(2026, 1, 3)}, {"due_on": date(2026, 1, 2)}),
        (TaskQuery(due_after=AFTER_2ND), {"due_at": DAYS[2]}, {"due_at": DAYS[2] - MICROSECOND}),
        (TaskQuery(list="inbox"), {"list": "inbox"}, {"list": "Inbox"}),
        (TaskQuery(list="garden"), {"list": "garden"}, {"list": "inbox"}),
        (TaskQuery(created_after=DAYS[1]), {"created_at": DAYS[2]}, {"created_at": DAYS[1]}),
        (TaskQuery(updated_after=DAYS[1]), {"updated_at": DAYS[2]}, {"updated_at": DAYS[1]}),
        (TaskQuery(q="strasse"), {"description": "Die Straße"}, {"description": "Der Weg"}),
        (TaskQuery(q="Straße"), {"description": "DIE STRASSE"}, {"description": "DIE STRASE"}),
        (TaskQuery(q="задача"), {"description": "ЗАДАЧА №1"}, {"description": "задание"}),
        (TaskQuery(q="strasse"), {"notes": "Die Straße"}, {"list": "strasse"}),
        (TaskQuery(q="100%"), {"description": "be 100% sure"}, {"description": "be 1000 sure"}),
        (TaskQuery(q="a_b"), {"description": "a_b"}, {"description": "axb"}),
    ],
)
def test_a_condition_passes_what_fits_and_nothing_else(
    query: TaskQuery, fitting: dict[str, Any], other: dict[str, Any]
) -> None:
    assert query.matches(task(**fitting))
    assert not query.matches(task(**other))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_canonically_equivalent_texts_find_each_other(text: str) -> None:
    composed, decomposed = normalize("NFC", text), normalize("NFD", text)

    assert fold_text(text) == fold_text(composed) == fold_text(decomposed)
    for q, description in itertools.product((text, composed, decomposed), repeat=2):
        assert TaskQuery(q=q).matches(task(description=description))


def test_no_character_is_found_in_one_normal_form_or_case_alone() -> None:
    differing = [
        hex(ord(character))
        for character in map(chr, [*range(0xD800), *range(0xE000, 0x110000)])
        if not is_normalized("NFC", fold_text(character))
        or fold_text(character) != fold_text(normalize("NFD", character))
        or fold_text(character) != fold_text(character.casefold())
    ]

    assert differing == []


@pytest.mark.parametrize(
    ("one", "other"), [("\u1fb4", "\u0391\u0301\u0345"), ("\u01f0", "J\u030c"), ("ẞ", "SS"), ("\u212b", "a\u030a")]
)
def test_what_casefolding_takes_apart_is_found_too(one: str, other: str) -> None:
    assert fold_text(one) == fold_text(other)


@given(some.lists_of_tasks, some.queries)
def test_all_conditions_must_hold(tasks: list[Task], query: TaskQuery) -> None:
    filters = {field.name for field in fields(TaskQuery) if field.init} - {"sort", "descending"}
    alone = [TaskQuery(**{name: getattr(query, name)}) for name in filters]

    for one in tasks:
        assert query.matches(one) == all(condition.matches(one) for condition in alone)


@given(some.lists_of_tasks)
def test_an_empty_query_matches_everything_by_id(tasks: list[Task]) -> None:
    found, cursor = select(tasks, TaskQuery(), None, 1_000)

    assert found == sorted(tasks, key=lambda one: one.id)
    assert cursor is None


@given(some.lists_of_tasks, some.orders)
def test_a_list_is_in_its_order_with_nulls_last_and_ties_by_id(tasks: list[Task], query: TaskQuery) -> None:
    found, _ = select(tasks, query, None, 1_000)

    assert sorted(one.id for one in found) == sorted(one.id for one in tasks)
    for first, second in itertools.pairwise(found):
        one, two = query.value_of(first), query.value_of(second)
        if one is None or two is None:
            assert two is None
        elif one != two:
            assert (one > two) == query.descending  # type: ignore[operator]
        if one == two:
            assert (first.id > second.id) == query.descending


@given(some.lists_of_tasks, some.queries, st.integers(1, 5))
def test_the_pages_of_a_walk_are_the_whole_list_cut_up(tasks: list[Task], query: TaskQuery, limit: int) -> None:
    whole, end = select(tasks, query, None, 1_000)

    walked: list[Task] = []
    cursor: Cursor | None = None
    while True:
        page, cursor = select(tasks, query, cursor, limit)
        walked += page
        if cursor is None:
            break
        assert len(page) == limit

    assert end is None
    assert walked == whole


@given(some.lists_of_tasks, some.queries)
def test_the_last_page_leads_nowhere_even_where_it_is_full(tasks: list[Task], query: TaskQuery) -> None:
    whole, _ = select(tasks, query, None, 1_000)

    if whole:
        assert select(tasks, query, None, len(whole)) == (whole, None)


@given(some.lists_of_tasks, some.queries, st.integers(1, 5), st.data())
def test_a_walk_goes_on_when_tasks_are_deleted_between_its_pages(
    tasks: list[Task], query: TaskQuery, limit: int, data: st.DataObject
) -> None:
    left, walked, gone = list(tasks), [], set()
    cursor: Cursor | None = None
    while True:
        page, cursor = select(left, query, cursor, limit)
        walked += [one.id for one in page]
        if cursor is None:
            break
        victim = data.draw(st.sampled_from(left))  # the task at the cursor, perhaps
        gone.add(victim.id)
        left.remove(victim)

    throughout = [one.id for one in select(tasks, query, None, 1_000)[0] if one.id not in gone]
    assert [task_id for task_id in walked if task_id not in gone] == throughout
    assert len(walked) == len(set(walked))


@given(some.lists_of_tasks, some.orders)
def test_what_follows_the_place_of_a_task_is_what_comes_after_it(tasks: list[Task], query: TaskQuery) -> None:
    whole, _ = select(tasks, query, None, 1_000)

    for index, one in enumerate(whole):
        following = [other for other in whole if query.follows(other, query.cursor(one))]
        assert following == whole[index + 1 :]


@pytest.mark.parametrize("sort", SortField)
def test_the_cursor_of_a_task_holds_what_it_is_sorted_by(sort: SortField) -> None:
    one = task(5, due_at=DAYS[0], updated_at=DAYS[2], priority=4)

    assert TaskQuery(sort=sort).cursor(one) == Cursor(getattr(one, sort.value), 5)


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), (1, 1.0), (1, "1"), (None, "null"), (0.0, False)])
def test_queries_for_values_of_two_types_of_json_are_different(one: Scalar, other: Scalar) -> None:
    """A store may keep the pages of a query, and to Python 1 and True are equal."""
    queries = [TaskQuery(metadata=(("room", value),)) for value in (one, other, one)]

    assert queries[0] != queries[1]
    assert queries[0] == queries[2]
    assert len(set(queries)) == 2
