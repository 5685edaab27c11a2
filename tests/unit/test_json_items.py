"""Large JSON arrays, read item by item."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tasksvc.api.requests.json_items import Items, ItemTooLong, first_character
from tasksvc.api.requests.strict_json import parse_json
from tasksvc.api.responses.problems import MalformedRequest

ARRAYS = (
    '[1, 2.5e3 ,{"a":[1,true,"\\ud83d\\ude00x\U0001f600"]},\n null,false, -0.5, "é\\n", [[],{}], -1e-7]\n',
    " [ ] ",
    '[{"a":1,"b":[{}]},{"a":1,"a":2}]',
    '["\\u00e9", "\\\\", "a\\"b"]',
    "[12345,NaN,-Infinity,0.1]",
)
BYTES = b'[]{},:"\\u0129.eE+-tfnN \n\xc3\xa9\xf0\x80'

edits = some.lists(
    some.tuples(some.sampled_from(["replace", "insert", "delete"]), some.integers(0, 100), some.sampled_from(BYTES)),
    max_size=3,
)


def edited(raw: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    result = bytearray(raw)
    for kind, place, byte in changes:
        place %= len(result) + 1
        result[place : place + (kind != "insert")] = b"" if kind == "delete" else bytes([byte])
    return bytes(result)


def outcome(parse: Any) -> str:
    try:
        return repr(parse())
    except MalformedRequest as error:
        return str(error)


@given(array=some.sampled_from(ARRAYS), changes=edits, chunk=some.sampled_from([1, 2, 5, 17, 40, 65_536]))
def test_items_are_taken_and_refused_as_the_whole_is(
    array: str, changes: list[tuple[str, int, int]], chunk: int
) -> None:
    raw = edited(array.encode(), changes)
    if first_character(raw) != b"[":
        return

    by_items = outcome(lambda: list(Items(raw, item_max=1_000, chunk_bytes=chunk)))

    assert by_items == outcome(lambda: parse_json(raw))


@pytest.mark.parametrize(
    "item", ['"' + "x" * 98 + '"', "[" + "1," * 48 + "10]", '"' + "é" * 49 + '"', "1" * 100], ids=lambda item: item[:3]
)
@pytest.mark.parametrize("chunk", [8, 64, 65_536])
def test_an_item_may_have_at_most_its_limit_of_bytes(item: str, chunk: int) -> None:
    raw = f"[0, {item} , 2]".encode()
    size = len(item.encode())

    just = list(Items(raw, item_max=size, chunk_bytes=chunk))
    with pytest.raises(ItemTooLong):
        list(Items(raw, item_max=size - 1, chunk_bytes=chunk))

    assert just == parse_json(raw)


@pytest.mark.parametrize("tail", ["", "]", ", 2]", "x", "\\ud83d"])
def test_what_follows_an_item_that_is_too_long_is_not_looked_at(tail: str) -> None:
    raw = ("[" + "[" + "1," * 200_000 + tail).encode()

    with pytest.raises(ItemTooLong):
        list(Items(raw, item_max=100_000))


def test_the_position_of_an_error_is_that_of_the_usual_decoder() -> None:
    raw = ("[" + ',\n"é\U0001f600"' * 20_000 + " x]").replace("[,", "[", 1).encode()

    by_items, whole = outcome(lambda: list(Items(raw, item_max=1_000))), outcome(lambda: parse_json(raw))

    assert by_items == whole
    assert "line 20001 column" in whole
