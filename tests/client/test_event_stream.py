"""Server-Sent Events, however their bytes are divided."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasksvc_client.event_stream import Event, EventStream

SAMPLE = (
    'retry: 1000\nid: g-0\n\nid: g-1\ndata: {"a": "ü🌱"}\n\n:\n\nevent: position-gone\ndata: 1\ndata:2\n\n'
    "data\r\n\r\nid: g-2\rdata:  x\r\rother: y\n\nid: bad\0\ndata: z\n\ndata: not ended"
).encode()
EVENTS = [
    Event("message", None, "g-0"),
    Event("message", '{"a": "ü🌱"}', "g-1"),
    Event("position-gone", "1\n2", "g-1"),
    Event("message", "", "g-1"),
    Event("message", " x", "g-2"),
    Event("message", "z", "g-2"),
]


def fed(*pieces: bytes) -> list[Event]:
    stream = EventStream()
    return [event for piece in pieces for event in stream.feed(piece)]


@given(st.lists(st.integers(0, len(SAMPLE)), max_size=20), st.booleans())
def test_events_are_the_same_however_they_are_divided(cuts: list[int], begins_with_a_mark: bool) -> None:
    data = b"\xef\xbb\xbf" + SAMPLE if begins_with_a_mark else SAMPLE
    ends = [0, *sorted(cuts), len(data)]

    assert fed(*(data[start:end] for start, end in pairwise(ends))) == EVENTS


def test_events_are_the_same_byte_by_byte() -> None:
    assert fed(*(bytes([byte]) for byte in SAMPLE)) == EVENTS


@given(st.binary())
def test_any_bytes_are_events_or_an_error(data: bytes) -> None:
    try:
        fed(data)
    except ValueError:
        return


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    with pytest.raises(ValueError, match="larger"):
        fed(*[b"x" * 1_000_000] * 100)
