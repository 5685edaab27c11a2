"""Positions for an order by hand: keys between two others.

A position has 1 to 100 digits and letters of ASCII, and positions are compared by code point. One that is made here
is read as a fraction in base 62: the shorter one of "V" and "V0" comes first, so no key that is made here ends in 0,
and there is always room before it.

Between two keys the new one is drawn from the middle half of the gap. Before and after all others it's one random step
away from its neighbour, and the number of digits grows with the number of zeros or z that the neighbour begins with,
like that of an integer. So keys at both ends stay short: ten million of them have at most seven characters.
"""

from __future__ import annotations

import os

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE = len(DIGITS)
LONGEST = 100
"""Characters of the longest position that the service takes."""
SHORTEST = 5
"""Digits that are compared at an end, before the neighbour's zeros or z add to them."""
CHOICES = BASE**3
"""Keys to draw from, so that two clients that insert at one place seldom draw the same one: once in 100,000 times."""

_VALUES = {digit: value for value, digit in enumerate(DIGITS)}


class NoRoom(ValueError):
    """No position of at most 100 characters is between the two: give these tasks and their neighbours new positions."""


def between(a: str | None, b: str | None) -> str:
    """Returns a position that sorts after `a` and before `b`; None stands for before all, and for after all.

    Two calls for the same place seldom return the same position. It has 5 characters at first, and about one more for
    each six insertions into the same gap.

    Raises ValueError if one of them isn't a position or `a` isn't before `b`, and NoRoom if nothing fits between them.
    """
    for position in (a, b):
        if position is not None and not is_position(position):
            raise ValueError(f"A position has 1 to {LONGEST} digits and letters of ASCII, and {position!r} isn't one.")
    if a is not None and b is not None and a >= b:
        raise ValueError(f"{a!r} isn't before {b!r}, so there is no position between them.")
    low = high = 0
    for length in range(_first_length(a, b), LONGEST + 1):
        low, high = _gap(a, b, length)
        if high - low > CHOICES:
            return _key(_drawn(low, high, a, b), length)
    if high - low < 2:
        raise NoRoom(f"There is no position of at most {LONGEST} characters between {a!r} and {b!r}.")
    return _key(_drawn(low, high, a, b), LONGEST)


def is_position(text: str) -> bool:
    """Returns whether the service takes `text` as a position."""
    return 1 <= len(text) <= LONGEST and text.isascii() and text.isalnum()


def _first_length(a: str | None, b: str | None) -> int:
    """Returns the least number of digits to look at."""
    if a is not None and b is not None:
        return 1
    neighbour, end = (a, DIGITS[-1]) if b is None else (b, DIGITS[0])
    run = 0 if neighbour is None else len(neighbour) - len(neighbour.lstrip(end))
    return min(SHORTEST + 2 * run, LONGEST)


def _gap(a: str | None, b: str | None, length: int) -> tuple[int, int]:
    """Returns two numbers between which those of all keys of `length` digits between `a` and `b` are."""
    low = 0 if a is None else _number(a, length)
    high = BASE**length if b is None else _number(b, length)
    # The first digits of a longer key come before it.
    return low, high + (b is not None and len(b) > length)


def _drawn(low: int, high: int, a: str | None, b: str | None) -> int:
    """Returns a random number between `low` and `high`: near the neighbour at an end, and else in the middle half."""
    room = high - low - 1
    if (a is None) == (b is None):
        margin = room // 4
        return low + 1 + margin + _below(room - 2 * margin)
    step = 1 + _below(min(CHOICES, room))
    return high - step if a is None else low + step


def _below(limit: int) -> int:
    """Returns a random number below `limit`. The module random would take longer to import than all of this."""
    return int.from_bytes(os.urandom(16)) % limit


def _number(key: str, length: int) -> int:
    """Returns the number that the first `length` digits of `key` are, with zeros after it where it is shorter."""
    number = 0
    for digit in key[:length].ljust(length, DIGITS[0]):
        number = number * BASE + _VALUES[digit]
    return number


def _key(number: int, length: int) -> str:
    """Returns the key of `number`, which has `length` digits, without the zeros at its end."""
    digits = []
    for _ in range(length):
        number, value = divmod(number, BASE)
        digits.append(DIGITS[value])
    return "".join(reversed(digits)).rstrip(DIGITS[0])
