"""Parents before their parts, and at most eight levels."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tasksvc_formats import Item, Ordering, Report
from tasksvc_formats.ordering import LEVELS_MAX

from formats.reading import summary


def ordered(*pairs: tuple[str, str | None]) -> tuple[list[tuple[str, str | None]], Report]:
    """Returns the uids and parents of tasks as they are put in order."""
    report = Report()
    with Ordering((Item(uid, parent, {"description": uid}) for uid, parent in pairs), report) as items:
        return [(uid, parent) for uid, parent, _ in items], report


def test_the_order_of_the_source_is_kept_where_it_can_be() -> None:
    found, _ = ordered(("c", "b"), ("d", None), ("b", "a"), ("a", None), ("e", "a"))

    assert found == [("a", None), ("b", "a"), ("c", "b"), ("d", None), ("e", "a")]


def test_what_is_too_deep_moves_up() -> None:
    chain = [("1", None), *((str(number), str(number - 1)) for number in range(2, 12))]

    found, report = ordered(*chain)

    assert found[7:] == [("8", "7"), ("9", "7"), ("10", "7"), ("11", "7")]
    assert summary(report) == {("changed", "subtasks below level 8, which move up to it"): 3}


def test_a_parent_that_is_missing_or_below_its_part_is_left_out() -> None:
    found, report = ordered(("a", "gone"), ("b", "c"), ("c", "b"), ("d", "d"))

    assert found == [("a", None), ("c", None), ("b", "c"), ("d", None)]
    assert summary(report) == {
        ("left out", "parent that is below its own part"): 2,
        ("left out", "parent that isn't in the file"): 1,
    }


def test_of_two_tasks_with_one_uid_the_first_counts() -> None:
    found, report = ordered(("a", None), ("b", None), ("a", "b"))

    assert found == [("a", None), ("b", None)]
    assert summary(report) == {("left out", "second task with the same uid"): 1}


@given(st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.none() | st.sampled_from("abcdefghijklmnopqr"))))
def test_whatever_the_parents_are_the_order_can_be_created(pairs: list[tuple[str, str | None]]) -> None:
    found, _ = ordered(*pairs)

    levels = dict[str, int]()
    for uid, parent in found:
        assert uid not in levels
        levels[uid] = 1 if parent is None else levels[parent] + 1
    assert levels.keys() == {uid for uid, _ in pairs}
    assert max(levels.values(), default=1) <= LEVELS_MAX
