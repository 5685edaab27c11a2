"""Readers of connections take turns."""

from __future__ import annotations

import asyncio

from tasksvc.api.server.read_turns import ReadTurns


class Reader:
    """A reader that records its turns in `log`."""

    def __init__(self, log: list[str], name: str) -> None:
        self._log, self._name = log, name

    def read_on(self) -> None:
        self._log.append(self._name)


async def test_one_connection_goes_on_at_each_turn_of_the_loop_in_order() -> None:
    turns, log = ReadTurns(), list[str]()
    for name in ("first", "second", "third"):
        turns.wait(Reader(log, name))
    loop = asyncio.get_running_loop()
    loop.call_soon(log.append, "others")

    seen = []
    for _ in range(4):
        seen.append(list(log))
        await asyncio.sleep(0)

    assert [len(entries) for entries in seen] == [0, 2, 3, 4]
    assert log == ["first", "others", "second", "third"]


async def test_a_caller_that_comes_after_all_others_has_a_turn_too() -> None:
    turns, log = ReadTurns(), list[str]()
    turns.wait(Reader(log, "first"))
    await asyncio.sleep(0)

    turns.wait(Reader(log, "second"))
    await asyncio.sleep(0)

    assert log == ["first", "second"]
