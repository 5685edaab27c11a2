"""Requests that take long yield to others, whatever they contain."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple

import pytest

from tasksvc.api.requests.strict_json import parse_json
from tasksvc.api.requests.validation import BODY_MAX, load_batch
from tasksvc.api.responses.problems import RequestError
from tasksvc.stores.turns import TURN_SECONDS


@pytest.fixture(autouse=True)
def frozen() -> None:
    """Freezes existing objects, so that the garbage collector ignores them, as it does in the service."""
    gc.collect()
    gc.freeze()


class Turns(NamedTuple):
    """The time that others got while something ran, as this thread's own clock measures it, in seconds."""

    taken: float
    longest: float
    """Returns the longest time between two turns of others."""


async def turns_of_others(work: Coroutine[Any, Any, Any]) -> Turns:
    """Runs `work` to its end, or until it raises a refusal."""
    longest = 0.0
    began = last = time.thread_time()
    working = asyncio.ensure_future(work)
    while not working.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    if not isinstance(working.exception(), RequestError):
        await working
    return Turns(time.thread_time() - began, longest)


def creating(metadata: str) -> str:
    return '{"op":"create","task":{"description":"x","metadata":{"m":[' + metadata + "]}}}"


def batch_of(operation: str, count: int) -> bytes:
    return f"[{','.join([operation] * count)}]".encode()


@pytest.mark.parametrize(
    "raw",
    [
        batch_of(creating(",".join(["{}"] * 5_000)), 20),
        batch_of(creating(",".join(["1.5"] * 4_000)), 20),
        batch_of(creating(",".join(["{}"] * 20_000)), 5),
        batch_of('{"op":"create","task":{' + ",".join(f'"{n}":0' for n in range(5_000)) + "}}", 20),
        batch_of('{"op":"creatf","task":[' + ",".join(["[]"] * 5_000) + "]}", 20),
        batch_of(json.dumps({"op": "create", "task": {"description": "x", "labels": ["a"] * 5_000}}), 20),
    ],
    ids=["objects", "floats", "too many", "unknown", "wrong", "labels"],
)
async def test_a_large_batch_is_checked_in_many_turns(raw: bytes) -> None:
    turns = await turns_of_others(load_batch(raw, operation_max=BODY_MAX))

    assert turns.longest < turns.taken / 4 + 2 * TURN_SECONDS


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b"{}," * 2**20,
        b"[[" + b"{}," * 2**20,
        b'{"a":[' + b"{}," * 2**20,
        b'{"op":"create"' + b" " * BODY_MAX + b"}",
    ],
    ids=["too many operations", "one operation", "an object", "spaces"],
)
async def test_what_cannot_be_a_batch_is_refused_before_it_takes_long(raw: bytes) -> None:
    began = time.thread_time()
    with pytest.raises(RequestError):
        await load_batch(raw, operation_max=BODY_MAX)
    refused = time.thread_time() - began

    parse_json(b"[" + b"{}," * 2**20 + b"{}]")

    assert refused < time.thread_time() - began - refused
