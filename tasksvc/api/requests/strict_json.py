"""Strict JSON from outside (RFC 8259, I-JSON of RFC 7493 where it matters): what is ambiguous is refused."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tasksvc.api.responses.problems import MalformedRequest

DEPTH_MAX = 64
"""Levels of nesting; the deepest valid request has 36."""


LARGE_BYTES = 64 * 1024
"""Bytes from which a body can hold enough objects to make the garbage collector run again and again."""


def parse_json(raw: bytes) -> Any:
    """Returns the one JSON value in `raw`.  Integers and floats keep their kind.

    Raises MalformedRequest for anything that is not JSON in UTF-8, for NaN and Infinity, for a name
    that an object has twice, for nesting past DEPTH_MAX, and for integers past the parser.
    """
    value = decode_json(raw)
    check_depth(value)
    return value


def decode_json(raw: bytes) -> Any:
    """Returns what parse_json() does, but leaves check_depth() to the caller."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(error.start) from None
    try:
        if len(raw) < LARGE_BYTES:
            return DECODER.decode(text)
        with no_collection():
            return DECODER.decode(text)
    except RecursionError:
        raise too_deep() from None
    except ValueError as error:  # of the decoder, and of int() for thousands of digits
        raise invalid_json(str(error)) from None


def not_utf8(place: int) -> MalformedRequest:
    """Returns the error of a body whose byte at `place` is not of UTF-8."""
    return MalformedRequest(f"The body is not UTF-8, at byte {place}.")


def too_deep() -> MalformedRequest:
    """Returns the error of a body that is nested too deep."""
    return MalformedRequest(f"The body is nested deeper than {DEPTH_MAX} levels.")


def invalid_json(reason: str) -> MalformedRequest:
    """Returns the error of a body that is not JSON, or is ambiguous."""
    return MalformedRequest(f"The body is not valid JSON: {reason}")


@contextmanager
def no_collection() -> Iterator[None]:
    """Keeps the garbage collector off within the block, since it would visit all that is decoded again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = next(name for name in times if times[name] > 1)
        raise ValueError(f"an object has the name {ascii(twice)[:60]} twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} isn't a JSON number")


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
"""Decodes strict JSON, but for its depth.  Raises ValueError and RecursionError."""


_NESTING = {dict, list}


def check_depth(value: Any, most: int = DEPTH_MAX) -> None:
    """Raises MalformedRequest for nesting past `most` levels."""
    level = [value] if type(value) in _NESTING else []
    for _ in range(most):
        if not level:
            return
        level = [
            below
            for value in level
            for below in (value.values() if type(value) is dict else value)
            if type(below) in _NESTING
        ]
    if level:
        raise too_deep()
