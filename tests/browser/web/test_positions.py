"""Positions that the page makes follow the same rule as those of the client in Python."""

from __future__ import annotations

import pytest
from tasksvc_client.positions import NoRoom, between

from browser.web.conftest import Space

pytestmark = pytest.mark.browser

Z, ZERO = "z" * 100, "0" * 99 + "1"
TABLE = [
    *((None, None), ("V", None), (None, "V"), ("zzzz", None), (None, "0001"), ("a", "b"), ("a", "a1"), ("A9z", "AA")),
    *(("a", "a00001"), ("az", "b"), ("0", "00001"), ("zz", "zzzzz1"), ("a" * 99, "a" * 99 + "1"), (Z[:99], None)),
    *((None, ZERO), (Z, None), ("a" * 99 + "0", "a" * 99 + "1"), ("a", "a"), ("b", "a"), ("a-b", None), ("", None)),
]
MAKE = """async ([file, table]) => {
  const { between, NoRoom } = await import(file);
  return table.map(([a, b]) => Array.from({ length: 50 }, () => {
    try { return between(a, b); } catch (error) { return error instanceof NoRoom ? 'no room' : 'wrong'; }
  }));
}"""


def made(a: str | None, b: str | None) -> str:
    try:
        return between(a, b)
    except NoRoom:
        return "no room"
    except ValueError:
        return "wrong"


def test_positions_of_the_page_are_between_their_neighbours_and_as_long_as_those_of_the_client(space: Space) -> None:
    page = space.open()
    file = page.locator("script[type=module]").evaluate("script => new URL('positions.js', script.src).href")

    results = page.evaluate(MAKE, [file, TABLE])

    for (a, b), found in zip(TABLE, results, strict=True):
        expected = [made(a, b) for _ in range(200)]
        if expected[0] in ("no room", "wrong"):
            assert set(found) == {expected[0]}, (a, b)
            continue
        assert all((a is None or a < each) and (b is None or each < b) for each in found), (a, b)
        assert max(map(len, found)) <= max(map(len, expected)), (a, b)
        assert not any(each.endswith("0") for each in found), (a, b)
    assert space.complaints == []
