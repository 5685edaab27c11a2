"""Searches of several callers take turns."""

from __future__ import annotations

import asyncio
import random

import pytest
from patience import PATIENCE_SECONDS

from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.searches import RETRY_SECONDS, Searches
from tasksvc.domain.errors import Overloaded, StoreUnavailable

LIMITS, TIMEOUTS = Limits(), Timeouts()


class Store:
    """A store whose searches end when the test lets them."""

    def __init__(self, limits: Limits = LIMITS, timeouts: Timeouts = TIMEOUTS) -> None:
        self.searches = Searches(limits, timeouts)
        self.running: list[str] = []
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}

    def ask(self, name: str) -> asyncio.Task[str]:
        """Starts a search; the first letter of its name is its caller."""
        self.ends[name] = asyncio.Event()

        async def search() -> str:
            self.running.append(name)
            self.begun.append(name)
            try:
                await self.ends[name].wait()
                return f"{name} is found"
            finally:
                self.running.remove(name)

        return asyncio.create_task(self.searches.run(name[0], search))

    async def end(self, *names: str) -> None:
        """Lets these searches end."""
        for name in names:
            self.ends[name].set()
            await turns()


async def turns() -> None:
    """Runs the event loop until nothing can go on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_search_runs_at_once_and_is_answered() -> None:
    store = Store()
    asked = store.ask("a1")
    await turns()

    await store.end("a1")

    assert await asked == "a1 is found"


async def test_a_caller_has_one_search_at_the_store_at_a_time() -> None:
    store = Store()
    asked = [store.ask(name) for name in ("a1", "a2", "a3")]
    await turns()

    assert store.running == ["a1"]
    await store.end("a1")
    assert store.running == ["a2"]
    await store.end("a2", "a3")
    assert await asyncio.gather(*asked) == ["a1 is found", "a2 is found", "a3 is found"]


async def test_another_caller_waits_for_no_search_that_waits() -> None:
    store = Store()
    asked = [store.ask(name) for name in ("a1", "a2", "a3", "b1")]
    await turns()

    assert store.running == ["a1", "b1"]
    for search in asked:
        search.cancel()


async def test_callers_come_round_in_turn() -> None:
    store = Store(Limits(searches=1))
    asked = [store.ask(name) for name in ("a1", "a2", "a3", "b1", "b2", "c1")]
    await turns()

    for _ in asked:
        await store.end(*store.running)

    assert store.begun == ["a1", "a2", "b1", "c1", "a3", "b2"]
    assert len(await asyncio.gather(*asked)) == 6


async def test_the_number_of_callers_with_a_search_at_the_store_is_limited() -> None:
    store = Store()
    asked = [store.ask(f"{caller}1") for caller in "abcdefgh"]
    await turns()

    assert len(store.running) == LIMITS.searches
    await store.end("a1")
    assert len(store.running) == LIMITS.searches
    for search in asked:
        search.cancel()


async def test_a_search_that_is_cancelled_while_it_waits_never_begins() -> None:
    store = Store()
    asked = [store.ask(name) for name in ("a1", "a2", "a3")]
    await turns()

    asked[1].cancel()
    await turns()
    await store.end("a1", "a3")

    assert store.begun == ["a1", "a3"]
    assert await asked[2] == "a3 is found"


async def test_a_search_that_is_cancelled_while_it_runs_gives_the_turn_to_the_next() -> None:
    store = Store()
    asked = [store.ask(name) for name in ("a1", "a2")]
    await turns()

    asked[0].cancel()
    await turns()

    assert store.running == ["a2"]
    asked[1].cancel()


async def test_a_search_that_is_cancelled_when_its_turn_comes_gives_it_to_the_next() -> None:
    store = Store()
    asked = [store.ask(name) for name in ("a1", "a2", "a3")]
    await turns()

    asked[0].cancel()
    asked[1].cancel()
    await turns()

    assert store.running == ["a3"]
    asked[2].cancel()


async def test_a_search_that_fails_gives_the_turn_to_the_next() -> None:
    store = Store()

    async def broken() -> None:
        raise StoreUnavailable("The disk is on fire.")

    with pytest.raises(StoreUnavailable, match="on fire"):
        await store.searches.run("a", broken)
    asked = store.ask("a1")
    await turns()

    assert store.running == ["a1"]
    asked.cancel()


@pytest.mark.parametrize("waits", [False, True])
async def test_a_search_that_takes_too_long_is_refused_and_ends(waits: bool) -> None:
    store = Store(timeouts=Timeouts(search=0.05))
    before = [store.ask("a1")] if waits else []
    asked = store.ask("a2")

    with pytest.raises(StoreUnavailable, match=r"was not done within 0.05 s.*Narrow it") as refused:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asked

    assert refused.value.retry_after == RETRY_SECONDS
    await asyncio.gather(*before, return_exceptions=True)
    assert store.running == []


async def test_a_timeout_of_the_store_is_its_own() -> None:
    async def slow() -> None:
        raise TimeoutError("of the driver")

    with pytest.raises(TimeoutError, match="of the driver"):
        await Searches(LIMITS, TIMEOUTS).run("a", slow)


async def test_one_search_more_than_may_wait_is_refused_and_none_of_another_caller() -> None:
    store = Store()
    asked = [store.ask(f"a{number}") for number in range(1 + LIMITS.searches_waiting)]
    await turns()

    with pytest.raises(Overloaded):
        await store.ask("a-more")
    another = store.ask("b1")
    await turns()

    assert store.running == ["a0", "b1"]
    for search in (*asked, another):
        search.cancel()


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_ends_or_is_cancelled_each_search_has_its_turn(seed: int) -> None:
    rng = random.Random(seed)
    store = Store()
    asked: dict[str, asyncio.Task[str]] = {}
    for number in range(200):
        match rng.choice(["ask", "ask", "end", "cancel", "turn"]):
            case "ask":
                name = f"{rng.choice('abcdef')}{number}"
                asked[name] = store.ask(name)
            case "end" if store.running:
                store.ends[rng.choice(store.running)].set()
            case "cancel" if asked:
                asked[rng.choice(list(asked))].cancel()
            case "turn":
                await turns()
        callers = [name[0] for name in store.running]
        assert len(set(callers)) == len(callers) <= LIMITS.searches

    for end in store.ends.values():
        end.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        outcomes = await asyncio.gather(*asked.values(), return_exceptions=True)

    for name, outcome in zip(asked, outcomes, strict=True):
        assert outcome == f"{name} is found" or isinstance(outcome, asyncio.CancelledError)
    assert store.running == []
