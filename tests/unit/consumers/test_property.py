"""A consumer misses nothing, whatever is committed, pruned, erased and renewed while it crashes and starts again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import PATIENCE_SECONDS

from tasksvc import LOG_START, Change, CreateTask, InMemoryRepository, Position, TaskDraft
from tasksvc.application.change_watch import ChangeWatch
from tasksvc.application.clock import now
from tasksvc.application.consumers import Consumer, Start
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.log_search import end_of_log
from tasksvc.application.plugin_records import Records

BUSY = Timeouts(consumer_poll=0.0, consumer_retry=0.0, consumer_retry_max=0.0, consumer_token=0.0)
NAMES = ("default", "a", "b")

Step = tuple[str, int]

steps = st.lists(
    st.one_of(
        *(st.tuples(st.just(f"commit {name}"), st.integers(1, 4)) for name in NAMES),
        st.tuples(st.just("run"), st.integers(1, 40)),
        st.tuples(st.just("run"), st.integers(1, 40)),
        st.tuples(st.just("crash"), st.integers(0, 5)),
        st.tuples(st.just("prune"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["erase a", "erase default", "renew"]), st.just(0)),
    ),
    max_size=30,
)


class Model:
    """What a consumer was given, and whether anything was left out or came in disorder."""

    def __init__(self, store: InMemoryRepository, failures: Sequence[bool]) -> None:
        self.store, self._failures = store, list(failures)
        self.reached: dict[str, Position] = {}
        """The position up to which all changes of a workspace were given or reported."""
        self.may_repeat: set[str] = set(NAMES)
        """The workspaces whose last changes may be given again."""
        self.pruned = False

    async def handle(self, workspace: str, changes: Sequence[Change], position: Position) -> None:
        first, last = changes[0].seq, changes[-1].seq
        reached = self.reached.get(workspace, Position(position.generation, 0))
        assert [change.seq for change in changes] == list(range(first, last + 1))
        assert position.seq == last
        if position.generation != reached.generation:
            # Only where a crash came before the first place was written.  Otherwise it's reported before.
            assert first == 1
            assert workspace in self.may_repeat
            reached = Position(position.generation, 0)
        assert first <= reached.seq + 1, "nothing is left out"
        assert first == reached.seq + 1 or workspace in self.may_repeat, "nothing is repeated without a cause"
        for _ in range(last % 3):
            await asyncio.sleep(0)
        if self._failures and self._failures.pop():
            raise RuntimeError("the handler fails")
        self.may_repeat.discard(workspace)
        self.reached[workspace] = Position(position.generation, max(reached.seq, last))

    async def lost(self, workspace: str, since: Position, start: Position) -> None:
        reached = self.reached.get(workspace, LOG_START)
        assert since.seq <= reached.seq or since.generation != reached.generation
        assert since.generation != start.generation or (self.pruned and since.seq < start.seq)
        if self._failures and self._failures.pop():
            raise RuntimeError("the report fails")
        if start.generation == reached.generation:
            start = Position(start.generation, max(start.seq, reached.seq))
        self.reached[workspace] = start
        if start == LOG_START:  # the workspace is gone; a new one of its name isn't reported again
            del self.reached[workspace]

    async def is_done(self) -> bool:
        """Returns whether everything that the logs have was given or reported."""
        for name in NAMES:
            if self.reached.get(name) != await end_of_log(self.store.workspace(name)):
                return False
        return True


def start(model: Model) -> asyncio.Task[None]:
    """Starts a process with a consumer."""
    store = model.store
    consumer = Consumer(
        "test",
        model.handle,
        records=Records(lambda: store, "plugin:test"),
        workspace=store.workspace,
        watch=ChangeWatch(lambda: store, BUSY),
        start=Start.BEGINNING,
        lost=model.lost,
        concurrency=2,
        limits=Limits(changes_read=2),
        timeouts=BUSY,
    )
    return asyncio.create_task(consumer.run())


async def step(model: Model, what: str, number: int) -> None:
    store, long_ago = model.store, now() - timedelta(days=1)
    name = what.rpartition(" ")[2]
    if what.startswith("commit"):
        for _ in range(number):
            await store.workspace(name).commit([CreateTask(TaskDraft("x"))], at=now())
    elif what.startswith("erase"):
        await store.workspace(name).erase()
    elif what == "renew":
        await store.renew()
    elif what == "prune":
        model.pruned = True
        await store.prune(log_before=long_ago, max_changes=number, keys_before=long_ago, limit=1_000)
    else:
        for _ in range(number):
            await asyncio.sleep(0)


@settings(max_examples=150)
@given(steps, st.lists(st.booleans(), max_size=10))
async def test_every_change_that_is_not_pruned_is_given_in_order_and_every_gap_is_reported(
    plan: Sequence[Step], failures: Sequence[bool]
) -> None:
    model = Model(InMemoryRepository(), failures)
    errors: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasksvc.application.consumers.log.error", lambda *words, exc_info: errors.append(repr(exc_info)))
        running = start(model)
        for what, number in plan:
            await step(model, what, number)
            if what == "crash":
                running.cancel()
                await asyncio.wait([running])
                model.may_repeat = set(NAMES)
                running = start(model)
        for name in NAMES:  # since a store that was renewed names a workspace at its next change
            await step(model, f"commit {name}", 1)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await model.is_done() and not any("Assertion" in error for error in errors):
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])

    assert not [error for error in errors if "fails" not in error]
