"""Positions between two others: strictly between, short at both ends, and seldom equal."""

from __future__ import annotations

import functools

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tasksvc_client.positions import DIGITS, LONGEST, NoRoom, between, is_position

unhurried = settings(deadline=None, suppress_health_check=list(HealthCheck))
"""A busy machine isn't a failure."""
keys = st.text(DIGITS, min_size=1, max_size=LONGEST)
own_keys = keys.filter(lambda key: not key.endswith("0"))
"""Keys as between() makes them."""
ends = st.text("0z", min_size=1, max_size=LONGEST) | keys
"""Keys, many of them near an end."""


@unhurried
@given(st.tuples(own_keys, own_keys).filter(lambda pair: pair[0] != pair[1]))
def test_a_position_is_strictly_between_two_others(pair: tuple[str, str]) -> None:
    a, b = sorted(pair)
    assume(len(a) < LONGEST)
    assume(len(b) < LONGEST)

    position = between(a, b)

    assert a < position < b
    assert is_position(position)
    assert not position.endswith("0")


@unhurried
@given(ends, ends)
def test_any_two_positions_have_one_between_them_or_no_room(a: str, b: str) -> None:
    a, b = sorted((a, b))
    assume(a != b)

    try:
        position = between(a, b)
    except NoRoom:
        assert _room(a, b) == 0
    else:
        assert a < position < b
        assert is_position(position)


def _room(a: str, b: str) -> int:
    """Returns how many keys of 100 digits, of which any may be a 0, are between two others."""
    low, high = (functools.reduce(_with_digit, key.ljust(LONGEST, "0"), 0) for key in (a, b))
    return max(high - low - 1, 0)


def _with_digit(number: int, digit: str) -> int:
    return 62 * number + DIGITS.index(digit)


@unhurried
@given(ends.filter(lambda key: key != "z" * LONGEST))
def test_a_position_is_after_the_last(last: str) -> None:
    assert last < between(last, None)


@unhurried
@given(ends.filter(lambda key: key.strip("0") and key != "0" * (LONGEST - 1) + "1"))
def test_a_position_is_before_the_first(first: str) -> None:
    assert between(None, first) < first


class OrderByHand(RuleBasedStateMachine):
    """A list that is in order, with the positions that its tasks have."""

    def __init__(self) -> None:
        super().__init__()
        self.positions: list[str] = []

    @rule(place=st.integers(0, 60))
    def insert(self, place: int) -> None:
        place = min(place, len(self.positions))
        before = self.positions[place - 1] if place else None
        after = self.positions[place] if place < len(self.positions) else None
        self.positions.insert(place, between(before, after))

    @rule(place=st.integers(0, 60))
    def take_out(self, place: int) -> None:
        del self.positions[place : place + 1]

    @invariant()
    def the_positions_sort_as_the_list_does(self) -> None:
        assert self.positions == sorted(set(self.positions))


TestOrderByHand = OrderByHand.TestCase
TestOrderByHand.settings = settings(unhurried, max_examples=40)


def test_positions_stay_short_after_thousands_of_insertions_at_both_ends() -> None:
    first = last = between(None, None)
    for _ in range(20_000):
        last = between(last, None)
        first = between(None, first)

        assert max(len(first), len(last)) <= 7


@pytest.mark.parametrize("towards_the_first", [True, False])
def test_hundreds_of_positions_fit_into_one_gap(towards_the_first: bool) -> None:
    low, high = "V", "W"
    for _ in range(400):
        position = between(low, high)
        low, high = (low, position) if towards_the_first else (position, high)

    assert len(position) < LONGEST


def test_positions_for_the_same_place_are_seldom_equal() -> None:
    for place in [(None, None), ("V", None), (None, "V"), ("V", "V1")]:
        drawn = [between(*place) for _ in range(100)]

        assert len(set(drawn)) >= 98, place


@pytest.mark.parametrize("wrong", ["", "a" * 101, "a-b", "ä", "²", "a b"])
def test_what_is_no_position_is_refused(wrong: str) -> None:
    for a, b in [(wrong, None), (None, wrong), (wrong, "zz"), ("0", wrong)]:
        with pytest.raises(ValueError, match="1 to 100 digits and letters of ASCII") as caught:
            between(a, b)
        assert repr(wrong) in str(caught.value)


@pytest.mark.parametrize(("a", "b"), [("V", "V"), ("W", "V"), ("V0", "V")])
def test_positions_that_are_equal_or_in_the_wrong_order_are_refused(a: str, b: str) -> None:
    with pytest.raises(ValueError, match=f"'{a}' isn't before '{b}'"):
        between(a, b)


@pytest.mark.parametrize(("a", "b"), [("V", "V0"), (None, "0"), ("z" * 100, None), ("V" * 100, "V" * 99 + "W")])
def test_it_says_that_there_is_no_room(a: str | None, b: str | None) -> None:
    with pytest.raises(NoRoom, match="no position of at most 100 characters"):
        between(a, b)
