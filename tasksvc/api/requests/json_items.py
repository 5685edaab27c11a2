"""A large JSON array from outside, item by item, as strictly as strict_json.py.

The array is never in memory as a whole: as Python's objects, JSON can be thirty times as large as its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, Final, NoReturn

from tasksvc.api.requests.strict_json import DECODER, invalid_json, no_collection, not_utf8, too_deep

CHUNK_BYTES: Final = 64 * 1024
"""Bytes that are decoded at once.  Only an item that is longer needs more."""
SEAM: Final = 16
"""Characters at the end of a chunk in which a token may be cut off; the longest, two escaped surrogates, has 12."""
SEAM_BYTES: Final = 4 * SEAM

_SPACES: Final = b" \t\n\r"
_SPACE = re.compile(r"[ \t\n\r]*").match


class ItemTooLong(Exception):
    """An item has more bytes than are taken."""


def first_character(raw: bytes) -> bytes:
    """Returns the first byte that isn't whitespace, which shows the type of the JSON value in `raw`."""
    return raw[:SEAM].lstrip(_SPACES)[:1] or raw.translate(None, _SPACES)[:1]  # the fastest for many spaces


class Items:
    """Iterates over the items of the JSON array in `raw`, whose first_character() is a bracket.

    Raises MalformedRequest for what parse_json() refuses, with the same message, when it gets there.  To check the
    depth of an item is left to the caller.  Raises ItemTooLong.
    """

    def __init__(self, raw: bytes, *, item_max: int, chunk_bytes: int = CHUNK_BYTES) -> None:
        """Takes items of at most `item_max` bytes, and decodes `chunk_bytes` at once."""
        self._raw, self._item_max, self._chunk_bytes = raw, item_max, chunk_bytes
        self._offset = 0
        """Offset of the chunk in `raw`, in bytes."""
        self._chunk = ""
        self._is_last = False
        """Whether the chunk is the last one."""

    def __iter__(self) -> Iterator[Any]:
        _check_utf8(self._raw, self._chunk_bytes)
        self._take(self._raw.index(b"[") + 1, self._chunk_bytes)
        place = self._skip_space(0)
        if not self._chunk.startswith("]", place):
            while True:
                value, place = self._decode(place)
                yield value
                del value  # so that there is one at a time
                place = self._skip_space(place)
                if self._chunk.startswith("]", place):
                    break
                if not self._chunk.startswith(",", place):
                    self._fail("Expecting ',' delimiter", place)
                comma = self._offset, self._chunk, place
                place = self._skip_space(place + 1)
                if self._chunk.startswith("]", place) and _TRAILING_COMMA is not None:
                    self._offset, self._chunk, place = comma
                    self._fail(_TRAILING_COMMA, place)
        place = self._skip_space(place + 1)
        if place < len(self._chunk):
            self._fail("Extra data", place)

    def _take(self, offset: int, size: int) -> None:
        """Goes on with the chunk of `size` bytes at `offset`, or a few more, so that it ends with a character."""
        end = _end_of_character(self._raw, offset + size)
        self._offset, self._chunk, self._is_last = offset, self._raw[offset:end].decode(), end == len(self._raw)

    def _byte_at(self, place: int) -> int:
        return self._offset + len(self._chunk[:place].encode())

    def _skip_space(self, place: int) -> int:
        """Skips whitespace from `place` on, and returns where it ends.  That may be in a later chunk."""
        while True:
            found = _SPACE(self._chunk, place)
            assert found is not None
            place = found.end()
            if place < len(self._chunk) or self._is_last:
                return place
            self._take(self._byte_at(place), self._chunk_bytes)
            place = 0

    def _decode(self, place: int) -> tuple[Any, int]:
        """Decodes the value at `place`, and returns it and where it ends.  That may be in a later chunk."""
        size, most = self._chunk_bytes, self._item_max + 2 * SEAM_BYTES
        while True:
            try:
                with no_collection() if size > self._chunk_bytes else nullcontext():
                    value, end = DECODER.raw_decode(self._chunk, place)
            except json.JSONDecodeError as error:
                is_cut = error.msg.startswith("Unterminated string") or error.pos + SEAM >= len(self._chunk)
                if self._is_last or not is_cut:
                    self._fail(error.msg, error.pos)
            except RecursionError:
                raise too_deep() from None
            except ValueError as error:
                raise invalid_json(str(error)) from None
            else:
                if self._is_last or end + SEAM < len(self._chunk):  # otherwise a number may go on
                    self._check_length(place, end)
                    return value, end
                del value
            if place == 0:
                if size >= most:
                    raise ItemTooLong
                size = min(4 * size, most)
            self._take(self._byte_at(place), size)
            place = 0

    def _check_length(self, place: int, end: int) -> None:
        may_be_longer = 4 * (end - place) > self._item_max
        if may_be_longer and len(self._chunk[place:end].encode()) > self._item_max:
            raise ItemTooLong

    def _fail(self, reason: str, place: int) -> NoReturn:
        """Raises MalformedRequest with the words of the standard library's decoder."""
        end = self._byte_at(place)
        line_start = self._raw.rfind(b"\n", 0, end) + 1
        line = self._raw.count(b"\n", 0, end) + 1
        column = _characters(self._raw, line_start, end, self._chunk_bytes) + 1
        raise invalid_json(
            f"{reason}: line {line} column {column} (char {_characters(self._raw, 0, end, self._chunk_bytes)})"
        )


def _trailing_comma() -> str | None:
    """Returns what the decoder says of a comma before the end, where it looks at that; from Python 3.13 on."""
    try:
        DECODER.decode("[0,]")
    except json.JSONDecodeError as error:
        return error.msg if error.pos == len("[0") else None
    raise AssertionError


_TRAILING_COMMA: Final = _trailing_comma()


def _chunks(raw: bytes, start: int, end: int, chunk_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yields `raw` from `start` to `end` in chunks that end with a character, each with its offset."""
    while start < end:
        chunk_end = min(end, _end_of_character(raw, start + chunk_bytes))
        yield start, raw[start:chunk_end]
        start = chunk_end


def _end_of_character(raw: bytes, end: int) -> int:
    """Returns `end`, or where the character ends that has bytes on both sides of it."""
    if end >= len(raw):
        return len(raw)
    for _ in range(3):
        if end < len(raw) and raw[end] & 0xC0 == 0x80:
            end += 1
    return end


def _check_utf8(raw: bytes, chunk_bytes: int) -> None:
    for offset, chunk in _chunks(raw, 0, len(raw), chunk_bytes):
        try:
            chunk.decode()
        except UnicodeDecodeError as error:
            raise not_utf8(offset + error.start) from None


def _characters(raw: bytes, start: int, end: int, chunk_bytes: int) -> int:
    return sum(len(chunk.decode()) for _, chunk in _chunks(raw, start, end, chunk_bytes))
