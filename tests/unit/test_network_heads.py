"""How readers of stores behind a network notice changes: heads of logs, looks at all of them, notifications."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from tasksvc import LOG_START, Position, StoreUnavailable
from tasksvc.network import Listener, LogHeads, Look, Notifier

PATIENCE = 60.0
"""Seconds after which a test that waits for something has failed."""


@pytest.fixture
async def heads() -> LogHeads:
    return LogHeads(poll=PATIENCE)


class Logs:
    """The logs of a store, whose changes a look finds."""

    def __init__(self) -> None:
        self.changed: list[tuple[str, Position]] = []
        self.failures = 0
        self.tokens: list[str] = []
        """The tokens with which was looked."""

    async def look(self, token: str) -> Look:
        self.tokens.append(token)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        found, self.changed = self.changed, []
        return Look(found, str(len(self.tokens)), is_new_life=not token)


@pytest.fixture
def logs() -> Logs:
    return Logs()


@pytest.fixture
async def listener(logs: Logs) -> AsyncIterator[Listener]:
    """A listener that can't listen, and looks all the time."""
    made = Listener(logs.look, poll=PATIENCE, poll_deaf=0.001, retry=0.001)
    yield made
    await asyncio.wait_for(made.stop(), PATIENCE)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


def waits(heads: LogHeads, workspace: str, since: Position) -> asyncio.Task[None]:
    return asyncio.create_task(heads.wait(workspace, since, timeout=PATIENCE))


async def ends(*waiting: asyncio.Task[None]) -> None:
    """Waits for those who are woken; a wait that ends by its timeout takes too long."""
    await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE / 2)


# ---------------------------------------------------------------- heads


async def test_a_higher_position_wakes_those_who_wait_and_a_lower_one_does_not(heads: LogHeads) -> None:
    heads.note("a", Position("g", 5))
    waiting = [waits(heads, "a", Position("g", 5)) for _ in range(3)]
    await asyncio.sleep(0)

    heads.note("a", Position("g", 4))
    heads.note("a", Position("g", 5))
    await asyncio.sleep(0.01)
    assert not any(each.done() for each in waiting)
    heads.note("a", Position("g", 6))

    await ends(*waiting)


async def test_each_erasure_wakes_those_who_wait(heads: LogHeads) -> None:
    """Of what was written in between, a process may not have heard yet."""
    for generation in ("g", "h"):
        waiting = waits(heads, "a", Position(generation, 5))
        await asyncio.sleep(0)

        heads.note("a", LOG_START)

        await ends(waiting)


@pytest.mark.parametrize("end", [LOG_START, Position("h", 0)], ids=["erased", "the default workspace erased"])
@pytest.mark.parametrize("is_known", [False, True])
async def test_who_has_read_a_log_before_an_erasure_and_waits_after_it_reads_again_soon(
    end: Position, is_known: bool
) -> None:
    heads = LogHeads(poll=0.001, settling=0.2)
    if is_known:
        heads.note("a", Position("g", 5))
    else:
        await heads.wait("a", Position("g", 5), timeout=0)
    await asyncio.sleep(0.3)  # it has been kept for long

    heads.note("a", end)

    await ends(waits(heads, "a", Position("g", 5)))


async def test_a_change_wakes_nobody_who_waits_for_another_workspace(heads: LogHeads) -> None:
    here, there = waits(heads, "a", Position("g", 5)), waits(heads, "b", Position("g", 5))
    await asyncio.sleep(0)

    heads.note("a", Position("g", 6))
    await ends(here)

    await asyncio.sleep(0.01)
    assert not there.done()
    heads.wake()
    await ends(there)


async def test_who_is_behind_and_whoever_waits_at_a_closed_store_does_not_wait(heads: LogHeads) -> None:
    heads.note("a", Position("g", 5))

    await ends(waits(heads, "a", Position("g", 4)))
    heads.close()
    await ends(waits(heads, "a", Position("g", 5)))


async def test_another_generation_wakes_those_who_wait(heads: LogHeads) -> None:
    heads.note("a", Position("g", 5))
    waiting = waits(heads, "a", Position("g", 5))
    await asyncio.sleep(0)

    heads.note("a", Position("h", 1))

    await ends(waiting)


async def test_whoever_waits_for_a_workspace_that_was_not_kept_before_soon_reads_it_again() -> None:
    heads = LogHeads(poll=0.001)

    await ends(waits(heads, "new", Position("g", 5)))


async def test_workspaces_beyond_a_limit_are_forgotten_but_not_those_that_somebody_waits_for() -> None:
    heads = LogHeads(poll=PATIENCE, max_heads=10)
    waiting = waits(heads, "waited for", Position("g", 5))
    await asyncio.sleep(0)

    for number in range(100):
        heads.note(f"w{number}", Position("g", 1))

    assert len(heads._heads) <= 11
    heads.note("waited for", Position("g", 6))
    await ends(waiting)


# ---------------------------------------------------------------- looks


async def test_one_look_is_for_all_who_wait_and_there_is_none_while_nobody_does(listener: Listener, logs: Logs) -> None:
    await asyncio.sleep(0.01)
    assert logs.tokens == []
    await ends(waits(listener, "a", Position("g", 1)))  # by the first look, before which nothing was known
    waiting = [waits(listener, name, Position("g", 1)) for name in ("a", "a", "b")]
    await until(lambda: len(logs.tokens) > 3)

    logs.changed = [("a", Position("g", 2)), ("b", Position("g", 2)), ("c", Position("g", 2))]
    await ends(*waiting)

    await until(lambda: not listener._wanted.is_set())
    before = len(logs.tokens)
    await asyncio.sleep(0.01)
    assert len(logs.tokens) == before
    assert logs.tokens == ["", *map(str, range(1, before))], "each goes on where the last one ended"


async def test_after_a_look_that_failed_all_who_wait_learn_of_it_and_the_next_one_goes_on(
    listener: Listener, logs: Logs
) -> None:
    await ends(waits(listener, "a", Position("g", 1)))  # by the first look, before which nothing was known
    again = waits(listener, "a", Position("g", 1))
    await asyncio.sleep(0)
    logs.failures = 1

    await ends(again)

    last = waits(listener, "a", Position("g", 1))
    logs.changed = [("a", Position("g", 2))]
    await ends(last)


async def test_stopping_ends_waits_and_a_look_under_way() -> None:
    listener = Listener(lambda token: asyncio.Future())
    waiting = waits(listener, "a", Position("g", 1))
    await asyncio.sleep(0.01)

    await asyncio.wait_for(listener.stop(), PATIENCE / 2)

    await ends(waiting)


# ---------------------------------------------------------------- listening


async def test_a_listener_that_lost_its_connection_listens_again_and_wakes_who_waits(logs: Logs) -> None:
    lose = asyncio.Event()
    begun_so_often = 0

    async def listen(begin: Callable[[], None]) -> None:
        nonlocal begun_so_often
        begun_so_often += 1
        begin()
        await lose.wait()
        lose.clear()
        raise ConnectionError("lost")

    listener = Listener(logs.look, listen, poll=PATIENCE, poll_deaf=PATIENCE)
    first = waits(listener, "a", Position("g", 1))
    await until(lambda: listener.is_listening)
    await ends(first)
    waiting = waits(listener, "a", Position("g", 1))
    await asyncio.sleep(0.01)
    assert not waiting.done()

    lose.set()
    await until(lambda: not listener.is_listening)
    assert begun_so_often == 1, "it is known to be deaf while it connects again"

    await ends(waiting)
    assert begun_so_often == 2
    await listener.stop()
    assert not listener.is_listening


async def test_a_listener_that_can_not_listen_looks_often(logs: Logs) -> None:
    calls = 0

    async def listen(begin: Callable[[], None]) -> None:
        nonlocal calls
        calls += 1

    listener = Listener(logs.look, listen, poll=PATIENCE, poll_deaf=0.001)
    first = waits(listener, "a", Position("g", 1))
    await ends(first)
    waiting = waits(listener, "a", Position("g", 1))

    logs.changed = [("a", Position("g", 2))]

    await ends(waiting)
    assert calls == 1
    await listener.stop()


# ---------------------------------------------------------------- notifying


async def test_what_is_told_while_a_message_is_sent_goes_together_in_the_next_one() -> None:
    sent: list[Mapping[str, Position]] = []
    free = asyncio.Event()

    async def send(heads: Mapping[str, Position]) -> None:
        sent.append(heads)
        await free.wait()

    notifier = Notifier(send, pause=0)
    notifier.tell({"a": Position("g", 1)})
    await until(lambda: sent)
    for seq in (2, 3):
        notifier.tell({"a": Position("g", seq), f"w{seq}": Position("g", 1)})
    free.set()
    await asyncio.wait_for(notifier.close(), PATIENCE)

    assert sent == [
        {"a": Position("g", 1)},
        {"a": Position("g", 3), "w2": Position("g", 1), "w3": Position("g", 1)},
    ]


async def test_a_message_that_can_not_be_sent_keeps_no_other_one_back() -> None:
    sent: list[Mapping[str, Position]] = []

    async def send(heads: Mapping[str, Position]) -> None:
        sent.append(heads)
        raise StoreUnavailable("away")

    notifier = Notifier(send, pause=0)
    for seq in (1, 2):
        notifier.tell({"a": Position("g", seq)})
        await asyncio.wait_for(notifier.close(), PATIENCE)

    assert sent == [{"a": Position("g", 1)}, {"a": Position("g", 2)}]
