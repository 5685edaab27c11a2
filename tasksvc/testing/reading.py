"""Tests of get() and find()."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import strategies as st

from tasksvc import (
    DEFAULT_LIST,
    LOG_START,
    CreateTask,
    Cursor,
    DeleteTask,
    Due,
    Operator,
    SortField,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    fold_text,
    json_size,
    select,
)
from tasksvc.testing.samples import FIRST_MOMENT, LAST_MOMENT, NOW, drawn, later, queries, varied
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised

SELECTIONS = st.tuples(queries, st.none() | st.integers(0, 59), st.sampled_from([1, 7, 100]))
"""Queries, with the place in the list of a task after which they begin, and a size of pages."""
WALKS = st.tuples(st.sampled_from(SortField), st.booleans(), st.integers(1, 4), st.integers(0, 10))
"""Orders and sizes of pages, with a number that decides what others write meanwhile."""


def ids(tasks: Sequence[Task]) -> list[int]:
    return [task.id for task in tasks]


def _ids_and_place(selected: tuple[Sequence[Task], Cursor | None]) -> tuple[list[int], Cursor | None]:
    tasks, place = selected
    return ids(tasks), place


async def _expect(store: Store, query: TaskQuery, wanted: list[int], rule: str) -> None:
    assert ids(await store.listed(query)) == wanted, f"{rule}: {query}"


class ReadingContract(StoreUnderTest):
    """Tests of single tasks, filters, orders and pages."""

    # ------------------------------------------------------------ get

    @on_store()
    async def test_get_of_any_other_integer_finds_nothing(self, store: Store) -> None:
        await store.add()

        for task_id in (0, -1, 2, 2**31, 2**32 + 1, 2**53, 2**63 - 1, 2**63, 2**64 + 1, -(2**63), 10**30, -(10**30)):
            error = await raised(TaskNotFound, store.get(task_id), f"get({task_id})")
            assert error.task_id == task_id, "the error names the id"

    @on_store()
    async def test_a_read_sees_every_write_acknowledged_before_it(self, store: Store) -> None:
        task = await store.add()
        for n in range(1, 50):
            task = await store.patch(task, description=f"revision {n}")
            assert await store.get(task.id) == task, "get() sees every write that was acknowledged"
            assert await store.listed() == [task], "find() sees every write that was acknowledged"
            newest = (await store.log())[-1]
            assert newest.task == task, "read_changes() sees every write that was acknowledged"

    @on_store()
    async def test_all_that_is_read_and_written_is_of_the_generation_of_the_store(self, store: Store) -> None:
        committed = await store.commit(CreateTask(TaskDraft("a task")))

        generation = committed.position.generation
        assert (await store.repository.get(1)).generation == generation, "get() gives the generation of the store"
        assert await store.head() == committed.position, "find() gives the generation of the store"
        page = await store.repository.read_changes(LOG_START, limit=1)
        assert page.next == committed.position, "read_changes() gives the generation of the store"

    # ------------------------------------------------------------ filters

    @on_store()
    async def test_an_empty_store_lists_nothing(self, store: Store) -> None:
        page = await store.repository.find(TaskQuery(), limit=10)

        assert list(page.tasks) == [], "there is nothing in a new store"
        assert page.next is None, "an empty list has no next page"
        assert page.position == (await store.generation(), 0), "the log of a new store begins at 0"

    @on_store()
    async def test_filter_by_done(self, store: Store) -> None:
        await store.add_all([TaskDraft("a"), TaskDraft("b", done=True), TaskDraft("c")])

        await _expect(store, TaskQuery(done=True), [2], "done=True takes tasks that are done")
        await _expect(store, TaskQuery(done=False), [1, 3], "done=False takes tasks that are not done")
        await _expect(store, TaskQuery(), [1, 2, 3], "without a filter every task is listed")

    @on_store()
    async def test_filter_by_labels(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", labels=labels) for labels in ((), ("a",), ("a", "b"), ("A", "ab"), ("ä",))])

        await _expect(store, TaskQuery(labels=("a",)), [2, 3], "a label is found whole and by its exact characters")
        await _expect(store, TaskQuery(labels=("b", "a")), [3], "all labels of a filter must be there")
        await _expect(store, TaskQuery(labels=("ä",)), [5], "a label is any text")
        await _expect(store, TaskQuery(labels=("a", "nowhere")), [], "all labels of a filter must be there")

    @on_store()
    async def test_a_filter_follows_the_labels_of_a_patched_task(self, store: Store) -> None:
        task = await store.add(labels=("a", "b"))
        await store.patch(task, labels=("b", "c"))

        await _expect(store, TaskQuery(labels=("a",)), [], "a label that was taken off finds nothing")
        await _expect(store, TaskQuery(labels=("b", "c")), [1], "the labels that a patch gave find the task")

    @on_store()
    async def test_filter_by_priority(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", priority=priority) for priority in (0, 5, 9, 4)])

        await _expect(store, TaskQuery(priority_min=5), [2, 3], "priority_min takes its own value too")
        await _expect(store, TaskQuery(priority_min=0), [1, 2, 3, 4], "priority_min=0 takes every task")
        await _expect(store, TaskQuery(priority_max=4), [1, 4], "priority_max takes its own value too")
        await _expect(store, TaskQuery(priority_max=0), [1], "priority_max=0 takes tasks without a priority")
        await _expect(store, TaskQuery(priority=5), [2], "priority takes tasks of that priority alone")
        await _expect(store, TaskQuery(priority=0), [1], "priority=0 takes tasks without a priority")
        await _expect(store, TaskQuery(priority_min=4, priority_max=5), [2, 4], "both bounds must hold")
        await _expect(store, TaskQuery(priority=5, priority_max=4), [], "all conditions on the priority must hold")

    @on_store()
    async def test_every_condition_on_the_priority_holds_in_every_order(self, store: Store) -> None:
        tasks = await store.add_all([TaskDraft("x", priority=n * 7 % 10, done=n % 3 == 0) for n in range(20)])
        conditions = [
            *(TaskQuery(priority=priority) for priority in (0, 3, 9)),
            *(TaskQuery(priority_min=least) for least in (0, 3, 9)),
            *(TaskQuery(priority_max=most) for most in (0, 3, 9)),
            TaskQuery(priority_min=2, priority_max=5),
            TaskQuery(priority_min=5, priority_max=2),
        ]

        for condition, sort, descending in store.share(list(itertools.product(conditions, SortField, (False, True)))):
            query = replace(condition, sort=sort, descending=descending)
            wanted, _ = select(tasks, query, None, 100)
            for page_size in (3, 100):
                walked = await store.listed(query, page_size=page_size)
                assert ids(walked) == ids(wanted), f"find() must equal select(), in pages of {page_size}: {query}"

    @on_store()
    async def test_filter_by_due_at(self, store: Store) -> None:
        due = (NOW, None, later(0.000001), FIRST_MOMENT, LAST_MOMENT)
        await store.add_all([TaskDraft("x", due_at=at) for at in due])

        await _expect(store, TaskQuery(due_before=Due.time(NOW)), [4], "due_before is strict, and takes no null")
        await _expect(
            store, TaskQuery(due_before=Due.time(later(0.000001))), [1, 4], "due_before is exact to the microsecond"
        )
        await _expect(store, TaskQuery(due_after=Due.time(NOW)), [3, 5], "due_after is strict, and takes no null")
        await _expect(
            store,
            TaskQuery(due_after=Due.time(FIRST_MOMENT), due_before=Due.time(LAST_MOMENT)),
            [1, 3],
            "both must hold",
        )

    @on_store()
    async def test_a_due_day_is_compared_with_the_day_of_the_time_that_is_given(self, store: Store) -> None:
        days = (date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 25), date.min, date.max)
        await store.add_all([TaskDraft("x", due_on=day) for day in days])
        await store.add_all([TaskDraft("x"), TaskDraft("x", due_at=NOW), TaskDraft("x", due_at=later(36_000))])

        # 2026-11-24T15:00Z, which is the 25th in the east
        for zone, wanted in ((0, [1, 4]), (14, [1, 2, 4]), (-12, [1, 4])):
            at = NOW.astimezone(timezone(timedelta(hours=zone)))
            await _expect(store, TaskQuery(due_before=Due.time(at)), wanted, f"due_before, {zone} hours east of UTC")
        for zone, wanted in ((0, [3, 5, 8]), (14, [5, 8]), (-12, [3, 5, 8])):
            at = NOW.astimezone(timezone(timedelta(hours=zone)))
            await _expect(store, TaskQuery(due_after=Due.time(at)), wanted, f"due_after, {zone} hours east of UTC")

    @on_store()
    async def test_a_filter_by_a_day_compares_times_by_their_day_in_utc(self, store: Store) -> None:
        midnight = datetime(2026, 11, 25, tzinfo=UTC)
        times = (midnight - timedelta(microseconds=1), midnight, midnight + timedelta(days=1))
        await store.add_all([TaskDraft("x", due_at=at) for at in times])
        await store.add_all([TaskDraft("x", due_on=date(2026, 11, day)) for day in (24, 25, 26)])

        before, after = (Due.day(date(2026, 11, 25), operator) for operator in (Operator.LESS, Operator.GREATER))

        await _expect(store, TaskQuery(due_before=before), [1, 4], "due_before a day")
        await _expect(store, TaskQuery(due_after=after), [3, 6], "due_after a day")

    @on_store()
    async def test_a_due_day_is_sorted_as_its_start_in_utc(self, store: Store) -> None:
        midnight = datetime(2026, 11, 25, tzinfo=UTC)
        second = timedelta(seconds=1)
        await store.add_all(
            [
                TaskDraft("x", due_at=midnight),
                TaskDraft("x"),
                TaskDraft("x", due_on=midnight.date()),
                TaskDraft("x", due_at=midnight - second),
                TaskDraft("x", due_at=midnight + second),
                TaskDraft("x", due_on=date(2026, 11, 24)),
            ]
        )

        for descending, wanted in ((False, [6, 4, 1, 3, 5, 2]), (True, [5, 3, 1, 4, 6, 2])):
            query = TaskQuery(sort=SortField.DUE_AT, descending=descending)
            for page_size in (1, 4, 100):
                found = await store.listed(query, page_size=page_size)
                assert ids(found) == wanted, f"by due time, days among them, in pages of {page_size}"

    @on_store()
    async def test_positions_are_sorted_by_code_point_and_none_comes_last(self, store: Store) -> None:
        positions = ("b", None, "a", "Z", "a0", "9", "b", None, "zz")
        await store.add_all([TaskDraft("x", position=position) for position in positions])

        for descending, wanted in ((False, [6, 4, 3, 5, 1, 7, 9, 2, 8]), (True, [9, 7, 1, 5, 3, 4, 6, 8, 2])):
            query = TaskQuery(sort=SortField.POSITION, descending=descending)
            for page_size in (1, 4, 100):
                found = await store.listed(query, page_size=page_size)
                assert ids(found) == wanted, f"by position, in pages of {page_size}"
        await store.patch(await store.get(2), position="a")
        await store.patch(await store.get(6), position=None)
        found = await store.listed(TaskQuery(sort=SortField.POSITION))
        assert ids(found) == [4, 2, 3, 5, 1, 7, 9, 6, 8], "a task is where its position is now"

    @on_store()
    async def test_filter_by_list(self, store: Store) -> None:
        names = (DEFAULT_LIST, "garden", "Garden", "garden ", 'gar"den', DEFAULT_LIST)
        tasks = await store.add_all([TaskDraft("x", list=name) for name in names])
        await store.patch(tasks[5], list="garden")

        for name, wanted in (
            ("garden", [2, 6]),
            (DEFAULT_LIST, [1]),
            ("Garden", [3]),
            ("garden ", [4]),
            ('gar"den', [5]),
            ("Inbox", []),
        ):
            await _expect(store, TaskQuery(list=name), wanted, f"the list {name!r}")
            assert await store.repository.count(TaskQuery(list=name)) == len(wanted), f"count() of the list {name!r}"
        await store.patch(tasks[1], list=None)
        await _expect(store, TaskQuery(list=DEFAULT_LIST), [1, 2], "None moves a task to the default list")
        await _expect(store, TaskQuery(list="garden", q="x"), [6], "beside other filters")

    @on_store()
    async def test_search_looks_into_notes_too(self, store: Store) -> None:
        await store.add_draft(TaskDraft("alpha", notes="Die Straße"))
        await store.add_draft(TaskDraft("STRASSE", notes="beta"))
        await store.add_draft(TaskDraft("gamma", notes="", list="strasse", labels=("strasse",)))

        await _expect(store, TaskQuery(q="strasse"), [1, 2], "a search finds descriptions and notes")
        await _expect(store, TaskQuery(q="a\ndie"), [], "and no text that is partly in both")
        await store.patch(await store.get(1), notes="moved")
        await _expect(store, TaskQuery(q="strasse"), [2], "as they are now")

    @on_store()
    async def test_filter_by_created_at_and_updated_at(self, store: Store) -> None:
        tasks = [await store.add(at=later(n)) for n in range(4)]
        await store.patch(tasks[0], at=later(9), done=True)

        await _expect(store, TaskQuery(created_after=later(1)), [3, 4], "created_after is strict")
        await _expect(store, TaskQuery(updated_after=later(2)), [1, 4], "updated_after is strict, and sees a patch")

    @on_store()
    async def test_search_folds_case_as_python_does(self, store: Store) -> None:
        texts = ("Straße", "STRASSE", "ЗАДАЧА", "İstanbul", "istanbul", "ſee", "ΣΊΣΥΦΟΣ", "ﬁne", "Ǆ", "ꭰ")
        await store.add_all([TaskDraft(text) for text in texts])

        for q in (
            "strasse",
            "STRAßE",
            "задача",
            "ЗаДа",
            "i̇stanbul",
            "istanbul",
            "SEE",
            "σίσυφος",
            "FINE",
            "fi",
            "ǆ",
            "Ꭰ",
        ):
            wanted = [n for n, text in enumerate(texts, 1) if fold_text(q) in fold_text(text)]
            await _expect(store, TaskQuery(q=q), wanted, "q and description are both as fold_text() gives them")

    @on_store()
    async def test_search_takes_every_character_literally(self, store: Store) -> None:
        texts = ("100%", "a_b", "aXb", "back\\slash", "it's", 'say "no"', "line\nbreak", "[a-z]*", "café", "cafe\u0301")
        await store.add_all([TaskDraft(text) for text in texts])

        for q in ("%", "_", "\\", "'", '"', "\n", "*", "[a-z]", "é", "e\u0301", "", "a_b", "--", "; drop"):
            wanted = [n for n, text in enumerate(texts, 1) if fold_text(q) in fold_text(text)]
            await _expect(store, TaskQuery(q=q), wanted, "q is a substring, and no character in it means another")

    @on_store()
    async def test_search_finds_each_normal_form_by_every_other(self, store: Store) -> None:
        texts = ["café", "cafe\u0301", "CAFE\u0301", "cafe", "\u1e69", "s\u0323\u0307", "s\u0307\u0323"]
        texts += ["한", "\u1112\u1161\u11ab"]
        await store.add_all([TaskDraft(text) for text in texts])

        for forms, wanted in (
            (("café", "cafe\u0301", "CAFÉ"), [1, 2, 3]),
            (("cafe",), [4]),
            (("\u1e69", "s\u0323\u0307", "s\u0307\u0323", "\u1e68"), [5, 6, 7]),
            (("한", "\u1112\u1161\u11ab"), [8, 9]),
        ):
            for q in forms:
                await _expect(store, TaskQuery(q=q), wanted, "a search compares normal forms")
        assert [task.description for task in await store.listed()] == texts, "a text comes back as it was sent"

    # ------------------------------------------------------------ order

    @on_store()
    async def test_the_list_is_ordered_by_id(self, store: Store) -> None:
        tasks = await store.add_all(varied(20))
        for task in reversed(tasks):
            await store.patch(task, description="touched")

        await _expect(store, TaskQuery(), list(range(1, 21)), "the order is by id unless another is asked for")
        await _expect(store, TaskQuery(descending=True), list(range(20, 0, -1)), "descending turns the order")

    @on_store()
    async def test_tasks_without_a_value_come_last_both_ways(self, store: Store) -> None:
        due = (None, later(2), None, later(1), LAST_MOMENT, FIRST_MOMENT)
        await store.add_all([TaskDraft("x", due_at=at) for at in due])

        up, down = TaskQuery(sort=SortField.DUE_AT), TaskQuery(sort=SortField.DUE_AT, descending=True)
        await _expect(store, up, [6, 4, 2, 5, 1, 3], "nulls come last in ascending order")
        await _expect(store, down, [5, 2, 4, 6, 3, 1], "nulls come last in descending order too")

    @on_store()
    async def test_ties_are_broken_by_id_in_the_direction_of_the_sort(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", priority=priority) for priority in (3, 0, 3, 9, 0)])

        up, down = TaskQuery(sort=SortField.PRIORITY), TaskQuery(sort=SortField.PRIORITY, descending=True)
        await _expect(store, up, [2, 5, 1, 3, 4], "ties are broken by id, ascending")
        await _expect(store, down, [4, 3, 1, 5, 2], "ties are broken by id, descending")

    @on_store()
    async def test_order_by_time_is_exact_to_the_microsecond(self, store: Store) -> None:
        moments = (later(0.000002), NOW, LAST_MOMENT, later(0.000001), FIRST_MOMENT)
        for at in moments:
            await store.add(at=at)

        for sort in (SortField.CREATED_AT, SortField.UPDATED_AT):
            await _expect(store, TaskQuery(sort=sort), [5, 2, 4, 1, 3], "times are compared as times")

    # ------------------------------------------------------------ pages

    @on_store()
    async def test_a_page_has_at_most_limit_tasks_and_leads_on(self, store: Store) -> None:
        await store.add_all(varied(7))

        first = await store.repository.find(TaskQuery(), limit=3)
        assert ids(first.tasks) == [1, 2, 3], "a page has at most `limit` tasks"
        assert first.next is not None, "there are more tasks, so there is a next place"
        second = await store.repository.find(TaskQuery(), after=first.next, limit=3)
        assert second.next is not None, "there are more tasks, so there is a next place"
        third = await store.repository.find(TaskQuery(), after=second.next, limit=3)
        assert (ids(second.tasks), ids(third.tasks), third.next) == ([4, 5, 6], [7], None), "pages join up"

    @on_store()
    async def test_a_page_with_a_bound_in_bytes_ends_before_the_task_that_would_pass_it(self, store: Store) -> None:
        drafts = [
            TaskDraft(
                "xé語😀"[n % 4] * (1 + 7 * n * n % 400),
                due_at=later(n % 5) if n % 2 else None,
                priority=n % 3,
                labels=("語" * n, 'a "quoted" label') if n % 3 else (),
                metadata={"note": ["é" * n, {"n": n}]} if n % 5 else {},
            )
            for n in range(40)
        ]
        tasks = await store.add_all(drafts)

        cases = list(itertools.product(SortField, (False, True), (1, 700, 3_000, 10**9)))
        for sort, descending, max_bytes in store.share(cases):
            query = TaskQuery(sort=sort, descending=descending)
            met: list[int] = []
            after = None
            while True:
                page = await store.repository.find(query, after=after, limit=11, max_bytes=max_bytes)
                assert (ids(page.tasks), page.next) == _ids_and_place(select(tasks, query, after, 11, max_bytes)), (
                    f"a page ends before the task with which it has more than max_bytes={max_bytes}: {query}"
                )
                met += ids(page.tasks)
                if (after := page.next) is None:
                    break
            assert met == ids(select(tasks, query, None, 100)[0]), f"such pages join up to the whole list: {query}"

    @on_store()
    async def test_a_page_whose_bytes_just_fit_is_the_last(self, store: Store) -> None:
        tasks = await store.add_all([TaskDraft("語" * 100)] * 3)
        size = sum(map(json_size, tasks))

        just = await store.repository.find(TaskQuery(), limit=3, max_bytes=size)
        less = await store.repository.find(TaskQuery(), limit=3, max_bytes=size - 1)

        assert (ids(just.tasks), just.next) == ([1, 2, 3], None), "a page may have all of max_bytes"
        assert (ids(less.tasks), less.next) == ([1, 2], Cursor(2, 2)), "a page has at most max_bytes"

    @on_store()
    async def test_a_page_that_just_fits_is_the_last(self, store: Store) -> None:
        await store.add_all(varied(6))

        page = await store.repository.find(TaskQuery(), limit=6)

        assert (len(page.tasks), page.next) == (6, None), "where nothing is left there is no next place"

    @on_store()
    async def test_every_order_is_walked_without_gap_or_repeat(self, store: Store) -> None:
        tasks = await store.add_all(varied(23))

        for sort in SortField:
            for descending in (False, True):
                query = TaskQuery(sort=sort, descending=descending)
                wanted, _ = select(tasks, query, None, 100)
                for page_size in (1, 2, 5, 22, 23):
                    walked = await store.listed(query, page_size=page_size)
                    assert ids(walked) == ids(wanted), f"pages of {page_size} join up to the whole list: {query}"

    @on_store()
    async def test_a_cursor_outlives_its_task(self, store: Store) -> None:
        await store.add_all(varied(14))
        for sort in SortField:
            for descending in (False, True):
                query = TaskQuery(sort=sort, descending=descending)
                order, _ = select(await store.listed(), query, None, 100)
                page = await store.repository.find(query, limit=4)
                assert page.next is not None, "there are more tasks, so there is a next place"
                await store.remove(order[3])

                rest = await store.repository.find(query, after=page.next, limit=100)

                assert ids(rest.tasks) == ids(order[4:]), f"a list goes on after a task that was removed: {query}"
                await store.add_draft(varied(14)[order[3].id % 14])

    @on_store()
    async def test_a_cursor_need_not_be_the_place_of_a_task(self, store: Store) -> None:
        tasks = await store.add_all(varied(14))
        places = [
            (SortField.ID, Cursor(7, 7)),
            (SortField.ID, Cursor(10**6, 10**6)),
            (SortField.PRIORITY, Cursor(4, 5)),
            (SortField.DUE_AT, Cursor(None, 3)),
            (SortField.DUE_AT, Cursor(later(0.5), 9)),
            (SortField.CREATED_AT, Cursor(NOW, 6)),
            (SortField.UPDATED_AT, Cursor(LAST_MOMENT, 1)),
        ]
        for sort, after in places:
            for descending in (False, True):
                query = TaskQuery(sort=sort, descending=descending)
                page = await store.repository.find(query, after=after, limit=100)
                wanted, _ = select(tasks, query, after, 100)
                assert ids(page.tasks) == ids(wanted), f"the list goes on after {after}: {query}"

    @on_store()
    async def test_the_position_of_a_page_is_the_head_of_the_log(self, store: Store) -> None:
        for n in range(1, 4):
            await store.add()
            page = await store.repository.find(TaskQuery(done=True), limit=1)
            assert page.position == (await store.generation(), n), "a page carries the position of its snapshot"

    # ------------------------------------------------------------ count

    @on_store()
    async def test_an_empty_store_counts_nothing(self, store: Store) -> None:
        assert await store.repository.count(TaskQuery()) == 0, "there is nothing in a new store"
        assert await store.repository.count(TaskQuery(q="x", done=True)) == 0, "there is nothing in a new store"

    @on_store()
    async def test_a_count_sees_every_write_acknowledged_before_it(self, store: Store) -> None:
        open_ = TaskQuery(done=False)
        for n in range(1, 30):
            task = await store.add(f"task {n}")
            assert await store.repository.count(open_) == 1, "count() sees a task that was made"
            await store.patch(task, done=True)
            assert await store.repository.count(open_) == 0, "count() sees a task that was changed"
            assert await store.repository.count(TaskQuery()) == n, "count() without a filter counts every task"
        await store.remove(task)
        assert await store.repository.count(TaskQuery()) == 28, "count() sees that a task was removed"

    @on_store()
    async def test_a_count_goes_beyond_a_page(self, store: Store) -> None:
        for _ in range(3):
            await store.add_all([TaskDraft("x", labels=("a",))] * 700)

        for query in (TaskQuery(), TaskQuery(labels=("a",)), TaskQuery(done=False, priority_max=3, q="X")):
            assert await store.repository.count(query) == 2_100, f"count() isn't bounded by the size of a page: {query}"

    # ------------------------------------------------------------ every combination

    @on_store()
    async def test_every_count_is_the_length_of_its_list(self, store: Store) -> None:
        tasks = await store.add_all(varied(60))
        for query in store.share(drawn(queries, 250)):
            wanted = sum(map(query.matches, tasks))
            assert await store.repository.count(query) == wanted, f"count() counts what find() lists: {query}"

    @on_store()
    async def test_every_selection_equals_select(self, store: Store) -> None:
        await store.add_all(varied(60))
        for n, task in enumerate((await store.listed())[::3]):
            if n % 4 == 0:
                await store.remove(task)
            else:
                await store.patch(task, at=later(n), labels=("a", "ä"), done=None)
        tasks = await store.listed()
        for query, place, limit in store.share(drawn(SELECTIONS, 250)):
            after = None if place is None else query.cursor(tasks[place % len(tasks)])
            page = await store.repository.find(query, after=after, limit=limit)
            assert (list(page.tasks), page.next) == select(tasks, query, after, limit), (
                f"find() must equal select(): {query}, after={after}, limit={limit}"
            )

    @on_store()
    async def test_a_walk_meets_what_stays_once_while_others_write(self, store: Store) -> None:
        """Clients that follow next links rely on it."""
        for sort, descending, page_size, seed in store.share(drawn(WALKS, 25)):
            query = TaskQuery(sort=sort, descending=descending)
            staying = {task.id for task in await store.add_all(varied(8))}
            moving = await store.add_all(varied(8))
            met: list[int] = []
            after = None
            for turn in range(1_000):
                page = await store.repository.find(query, after=after, limit=page_size)
                met += ids(page.tasks)
                if (after := page.next) is None:
                    break
                if moving and (turn + seed) % 3 == 0:
                    await store.remove(moving.pop(seed % len(moving)))
                elif turn < 10:
                    await store.add_draft(varied(8)[(turn + seed) % 8])
            assert after is None, "a walk comes to its end"
            assert len(met) == len(set(met)), f"a walk never repeats a task that did not move: {query}"
            assert staying <= set(met), f"a walk never misses a task that was there throughout: {query}"
            await store.commit(*(DeleteTask(task.id) for task in await store.listed()))
