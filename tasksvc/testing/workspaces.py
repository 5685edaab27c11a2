"""Workspaces: each is a store of its own inside the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tasksvc import (
    DEFAULT_WORKSPACE,
    LOG_START,
    WORKSPACE_NAME_MAX,
    Capability,
    CreateTask,
    DeleteMatching,
    DeleteRecord,
    DeleteTask,
    IdempotencyKey,
    InvalidWorkspaceName,
    OutcomeUnknown,
    Position,
    PositionGone,
    Precondition,
    PutRecord,
    Record,
    RecordConflict,
    SortField,
    StoreUnavailable,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateTask,
    VersionConflict,
)
from tasksvc.testing.cancellation import cancelled_everywhere
from tasksvc.testing.dumping import dumped
from tasksvc.testing.samples import FULL, later, varied
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised

KEY = IdempotencyKey("s", "key", "f")
LONG = 20.0
"""A timeout in seconds that a test of a correct store never reaches."""
VALID = (
    *("a", "A", "a.", "a-", "a_", "a~", "aa", ".a", "...", "-", "_", "~", "0", "00", "1e3", "null", "u_42", "u-42"),
    *("Default", "DEFAULT", "default.", "default_", "defaul", "x" * WORKSPACE_NAME_MAX, "y" * (WORKSPACE_NAME_MAX - 1)),
    "x" * (WORKSPACE_NAME_MAX - 1) + "y",
)
"""Names, some of which a store could take for one another."""
INVALID = ("", ".", "..", "a/b", "/", "a b", " a", "a\n", "\n", "ä", "а", "a%20", "a?", "a#", "a:b", "a\0", "'")
TOO_LONG = "x" * (WORKSPACE_NAME_MAX + 1)


async def is_unmade(store: Store) -> None:
    """Checks that the workspace of `store` reads as one that nothing was ever written to."""
    repository, name = store.repository, store.workspace
    page = await repository.find(TaskQuery(), limit=10)
    assert (list(page.tasks), page.next, page.position) == ([], None, LOG_START), f"{name!r} is empty, at LOG_START"
    assert await repository.count(TaskQuery()) == 0, f"{name!r} counts nothing"
    await raised(TaskNotFound, repository.get(1), f"get(1) in {name!r}, which isn't made")
    changes = await repository.read_changes(LOG_START, limit=10)
    assert (list(changes.changes), changes.next, changes.more) == ([], LOG_START, False), f"{name!r} has no log"
    assert name not in [each.name for each in await repository.workspaces(limit=1_000)], f"{name!r} isn't listed"


class WorkspacesContract(StoreUnderTest):
    """Tests of workspaces that one repository writes to."""

    # ------------------------------------------------------------ names

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_each_name_is_a_workspace_of_its_own(self, store: Store) -> None:
        for number, name in enumerate(VALID):
            assert (await store.within(name).add(f"{number}")).id == 1, f"{name!r} is compared exactly with other names"
        if Capability.DURABLE in store.opened.capabilities:
            await store.reopen()

        for number, name in enumerate(VALID):
            found = [task.description for task in await store.within(name).listed()]
            assert found == [f"{number}"], f"{name!r} holds what was written to it, and no more"
            assert store.within(name).repository.workspace_name == name, "a repository knows the name of its workspace"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_another_text_is_refused_as_a_name(self, store: Store) -> None:
        for name in (*INVALID, TOO_LONG):
            await raised(InvalidWorkspaceName, asyncio.to_thread(store.opened.workspace, name), f"workspace({name!r})")

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_the_default_workspace_is_the_one_that_is_opened(self, store: Store) -> None:
        other = store.opened.workspace("other")
        task = await store.add()
        await other.commit([CreateTask(TaskDraft("another"))], at=later(0))

        assert store.opened.workspace_name == DEFAULT_WORKSPACE, "a store is opened in its default workspace"
        for repository in (store.opened.workspace(DEFAULT_WORKSPACE), other.workspace(DEFAULT_WORKSPACE)):
            assert repository.workspace_name == DEFAULT_WORKSPACE, "a repository knows the name of its workspace"
            assert (await repository.get(1)).task == task, "and gives the tasks of the default one"
        again = other.workspace("other").workspace("other")
        assert (await again.get(1)).task.description == "another", "a workspace is reached from any other, and itself"
        assert other.capabilities == store.opened.capabilities, "each can do what the store can"

    # ------------------------------------------------------------ one that isn't made

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_workspace_that_was_never_written_to_is_empty_at_the_start(self, store: Store) -> None:
        head = (await store.commit(CreateTask(FULL))).position
        new = store.within("new")

        await is_unmade(new)

        for position in (head, Position(head.generation, 0), Position("", 1), Position("0" * 16, 0)):
            await raised(PositionGone, new.log(position), f"{position} in a workspace that isn't made")
        assert not (await new.repository.changes(LOG_START, limit=1, wait=0.02)).changes, "LOG_START is waited at"
        await is_unmade(new)

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_commit_that_leaves_nothing_makes_no_workspace(self, store: Store) -> None:
        new = store.within("new")

        empty = await new.commit()
        matching = await new.commit(DeleteMatching([1, 2], TaskQuery()))
        for write in (DeleteTask(9), UpdateTask(9, {"priority": 1})):
            await raised(TaskNotFound, new.commit(CreateTask(FULL), write, idempotency_key=KEY), f"{write} of no task")

        assert empty.position == matching.position == LOG_START, "such a commit stands at the start of the log"
        await is_unmade(new)
        if Capability.RECORDS in store.opened.capabilities:
            assert (await new.commit(PutRecord("s", "a", {}))).position == LOG_START, "records are the store's"
            await is_unmade(new)
        if Capability.DURABLE in store.opened.capabilities:
            await store.reopen()
            await is_unmade(store.within("new"))

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_the_first_write_makes_a_workspace(self, store: Store) -> None:
        new = store.within("new")

        committed = await new.commit(CreateTask(FULL), CreateTask(TaskDraft("b")))

        own = committed.position.generation
        assert own not in ("", await store.generation()), "it has a generation of its own"
        assert committed.position == (own, 2) == await new.head(), "and a log of its own"
        assert [getattr(task, "id", 0) for task in committed.results] == [1, 2], "and ids of its own"
        assert [change.seq for change in await new.log(LOG_START)] == [1, 2], "LOG_START is still good"
        assert (await new.repository.get(1)).generation == own, "get() gives its generation"
        await raised(PositionGone, new.log(Position("", 1)), "a position of no generation that isn't LOG_START")
        await new.check()

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_key_alone_makes_a_workspace(self, store: Store) -> None:
        new = store.within("new")

        first = await new.commit(DeleteMatching([1], TaskQuery()), idempotency_key=KEY)
        await new.add()
        again = await new.commit(DeleteMatching([1], TaskQuery()), idempotency_key=KEY)

        assert first.position == (await new.generation(), 0), "it has a generation, and a log without a change"
        assert first.position.generation, "it has a generation"
        assert again.replayed, "the key is kept"
        assert list(again.results) == list(first.results), "with the results of the first time"
        assert (again.position.seq, len(await new.listed())) == (1, 1), "a replay does nothing"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_reader_at_the_start_is_woken_by_the_first_write(self, store: Store) -> None:
        new = store.within("new")
        waiting = asyncio.ensure_future(new.repository.changes(LOG_START, limit=10, wait=LONG))
        await asyncio.sleep(0.01)
        assert not waiting.done(), "a reader waits in a workspace that isn't made"

        await new.add()

        page = await asyncio.wait_for(waiting, LONG / 2)
        assert [change.seq for change in page.changes] == [1], "the first write ends the wait"
        assert page.next == await new.head(), "one reads on from there"

    @on_store(Capability.WORKSPACES, Capability.DURABLE, alone=True)
    async def test_workspaces_are_kept_over_a_reopening(self, store: Store) -> None:
        names = ("default", "a", "b")
        before = {}
        for number, name in enumerate(names, 1):
            place = store.within(name)
            await place.add_all([TaskDraft(name), FULL] * number)
            await place.commit(DeleteTask(2 * number))
            await place.commit(CreateTask(TaskDraft(name)), idempotency_key=KEY)
            before[name] = (await place.listed(), await place.log(), await place.head())

        await store.reopen()

        for number, name in enumerate(names, 1):
            place = store.within(name)
            assert (await place.listed(), await place.log(), await place.head()) == before[name], "all of each is kept"
            again = await place.commit(CreateTask(TaskDraft(name)), idempotency_key=KEY)
            assert again.replayed, "with its idempotency keys"
            assert (await place.add()).id == 2 * number + 2, "with its highest id"
            await place.check()
        await is_unmade(store.within("c"))

    # ------------------------------------------------------------ isolation

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_what_is_in_one_workspace_is_not_found_in_another(self, store: Store) -> None:
        here, there = store.within("a"), store.within("b")
        tasks = await here.add_all(varied(30))
        await there.add("another")

        await raised(TaskNotFound, there.get(2), "get() of a task of another workspace")
        for query in (
            TaskQuery(),
            TaskQuery(descending=True),
            TaskQuery(done=True),
            TaskQuery(labels=("a",)),
            TaskQuery(priority=3),
            TaskQuery(q="alpha"),
            *(TaskQuery(sort=sort) for sort in SortField),
        ):
            found = [task.description for task in await there.listed(query)]
            count = await there.repository.count(query)
            assert set(found) <= {"another"}, f"find() finds tasks of its own workspace alone: {query}"
            assert count == len(found), f"count() counts tasks of its own workspace alone: {query}"
        assert await here.listed() == tasks, "each is found in its own"
        for each in (here, there):
            await each.check()

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_writes_reach_tasks_of_their_own_workspace_alone(self, store: Store) -> None:
        here, there = store.within("a"), store.within("b")
        kept = await here.add_all([TaskDraft("x", done=True, labels=("a",))] * 3)
        await there.add_all([TaskDraft("x", done=True, labels=("a",))] * 3)

        await there.commit(UpdateTask(1, {"description": "y", "labels": ("b",)}), DeleteTask(2))
        await there.commit(DeleteMatching([1, 2, 3], TaskQuery(done=True)))

        assert await here.listed() == kept, "what is written in one workspace changes nothing in another"
        assert await here.listed(TaskQuery(labels=("a",))) == kept, "nor what is found there"
        assert await there.listed() == [], "all were deleted in their own"
        for each in (here, there):
            await each.check()

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_each_workspace_counts_ids_versions_and_changes_by_itself(self, store: Store) -> None:
        places = [store.within(name) for name in ("default", "a", "b", "c")]
        for turn in range(1, 6):
            for place in places[: turn + 1 if turn < 3 else 4]:
                task = await place.add(f"{turn}")
                await place.patch(task, priority=turn)
                await place.remove(await place.add("gone"))

        for place, turns in zip(places, (5, 5, 4, 3), strict=True):
            assert [task.id for task in await place.listed()] == [2 * turn - 1 for turn in range(1, turns + 1)], (
                "each workspace counts its ids from 1"
            )
            assert {task.version for task in await place.listed()} == {2}, "versions are those of the task"
            assert (await place.head()).seq == 4 * turns, "each workspace numbers its changes from 1"
            await place.check()
        assert len({await place.generation() for place in places}) == 4, "each has a generation of its own"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_key_of_one_workspace_is_free_in_another(self, store: Store) -> None:
        here, there = store.within("a"), store.within("b")
        first = await here.commit(CreateTask(TaskDraft("here")), idempotency_key=KEY)

        second = await there.commit(CreateTask(TaskDraft("there")), idempotency_key=KEY._replace(fingerprint="other"))

        assert not second.replayed, "a key of another workspace is another key"
        for place, committed, key in ((here, first, KEY), (there, second, KEY._replace(fingerprint="other"))):
            again = await place.commit(CreateTask(TaskDraft("again")), idempotency_key=key)
            assert again.replayed, "each workspace keeps its keys"
            assert list(again.results) == list(committed.results), "with its results"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_version_of_one_workspace_never_matches_in_another(self, store: Store) -> None:
        here, there = store.within("a"), store.within("b")
        await asyncio.gather(here.add("here"), there.add("there"))
        foreign = Precondition(await here.versions(1))

        for write in (UpdateTask(1, {"priority": 1}, foreign), DeleteTask(1, foreign)):
            error = await raised(VersionConflict, there.commit(write), "a version of another workspace")
            assert error.generation == await there.generation(), "the error tells the generation of the workspace"
            assert error.current.description == "there", "and the task of the workspace"
        await there.commit(UpdateTask(1, {"priority": 1}, Precondition(await there.versions(1))))
        await there.commit(DeleteTask(1, Precondition(None, await here.versions(1, 2))))

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_position_of_one_workspace_is_gone_in_another(self, store: Store) -> None:
        here, there = store.within("a"), store.within("b")
        await asyncio.gather(here.add(), there.add(), store.add())

        for place in (here, there, store):
            for other in (here, there, store):
                if place.workspace != other.workspace:
                    head = await other.head()
                    for position in (head, head._replace(seq=0)):
                        await raised(PositionGone, place.log(position), f"{position} of another workspace")

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_reader_waits_for_changes_of_its_own_workspace(self, store: Store) -> None:
        places = [store.within(name) for name in ("default", "a", "b")]
        await asyncio.gather(*(place.add() for place in places))
        waiting = [
            asyncio.ensure_future(place.repository.changes(await place.head(), limit=10, wait=LONG)) for place in places
        ]
        await asyncio.sleep(0.01)

        for number, place in enumerate(places):
            await place.add(f"{number}")
            page = await asyncio.wait_for(waiting[number], LONG / 2)
            assert [change.task and change.task.description for change in page.changes] == [f"{number}"], (
                "a reader is woken by a change of its workspace"
            )
            await asyncio.sleep(0.01)
            assert not any(each.done() for each in waiting[number + 1 :]), "and by no other"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_page_of_one_workspace_has_no_task_of_the_next(self, store: Store) -> None:
        """Stores that keep their rows by workspace and id may read on into the next workspace."""
        places = [store.within(name) for name in ("a", "b", "c")]
        for place in places:
            await place.add_all(varied(7))

        for place in places:
            for sort in SortField:
                for descending in (False, True):
                    query = TaskQuery(sort=sort, descending=descending)
                    listed = await place.listed(query, page_size=3)
                    assert len(listed) == 7, f"a list ends where the workspace ends: {query}"
            assert len(await place.log(page_size=3)) == 7, "the log ends where the workspace ends"
            assert (await place.listed(TaskQuery(), page_size=3))[-1].id == 7, "with its last task"

    # ------------------------------------------------------------ records

    @on_store(Capability.WORKSPACES, Capability.RECORDS, alone=True)
    async def test_records_are_the_same_in_all_workspaces(self, store: Store) -> None:
        here, there = store.within("a"), store.within("b")

        await here.commit(PutRecord("s", "a", {"n": 1}, expected=0))
        await there.commit(PutRecord("s", "a", {"n": 2}, expected=1), PutRecord("s", "b", {}))
        await store.commit(DeleteRecord("s", "b", expected=1))

        for place in (here, there, store):
            assert await place.repository.record("s", "a") == Record("s", "a", {"n": 2}, 2), "records are the store's"
            assert list(await place.repository.records("s", limit=9)) == [Record("s", "a", {"n": 2}, 2)], "all are"
        await raised(RecordConflict, here.commit(PutRecord("s", "a", {}, expected=1)), "an old version of a record")

    @on_store(Capability.WORKSPACES, Capability.RECORDS, alone=True)
    async def test_the_key_of_a_commit_of_records_is_its_workspaces(self, store: Store) -> None:
        here, there = store.within("a"), store.within("b")
        first = await here.commit(PutRecord("s", "a", {"n": 1}), idempotency_key=KEY)

        second = await there.commit(PutRecord("s", "a", {"n": 2}), idempotency_key=KEY)
        again = await here.commit(PutRecord("s", "a", {"n": 3}), idempotency_key=KEY)

        assert not second.replayed, "a key of another workspace is another key"
        assert (again.replayed, list(again.results)) == (True, list(first.results)), "each workspace keeps its keys"
        assert await store.repository.record("s", "a") == Record("s", "a", {"n": 2}, 2), "the record was written twice"

    @on_store(Capability.WORKSPACES, Capability.RECORDS, alone=True)
    async def test_of_many_workspaces_that_expect_no_record_one_wins(self, store: Store) -> None:
        outcomes = await asyncio.gather(
            *(store.within(f"{n % 7}").commit(PutRecord("leases", "a", {"by": n}, expected=0)) for n in range(50)),
            return_exceptions=True,
        )

        won = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        lost = [outcome for outcome in outcomes if isinstance(outcome, RecordConflict)]
        assert (len(won), len(lost)) == (1, 49), f"compare-and-set lets one win, in whichever workspace: {outcomes}"
        assert await store.repository.record("leases", "a") == won[0].results[0], "the record is the winner's"

    # ------------------------------------------------------------ many at once

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_no_write_to_many_workspaces_at_once_is_lost(self, store: Store) -> None:
        names = [f"w{n}" for n in range(20)] + [DEFAULT_WORKSPACE]

        async def write(number: int) -> None:
            for turn in range(4):
                place = store.within(names[(number * 5 + turn * 3) % len(names)])
                task = await place.add(f"{number}-{turn}")
                await place.commit(UpdateTask(task.id, {"priority": 1}), CreateTask(TaskDraft(f"{number}-{turn}+")))
                assert (await place.get(task.id)).priority == 1, "each writer reads what it wrote"

        await asyncio.gather(*map(write, range(42)))

        total = 0
        for name in names:
            place = store.within(name)
            await place.check()
            tasks = await place.listed()
            assert [task.id for task in tasks] == list(range(1, len(tasks) + 1)), "each workspace counts its own ids"
            total += len(tasks)
        assert total == 2 * 4 * 42, "each acknowledged task is there"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_of_many_first_writes_at_once_one_makes_the_workspace(self, store: Store) -> None:
        for name in ("a", "b", "c"):
            new = store.within(name)
            beside = asyncio.ensure_future(store.within(f"{name}2").add())
            commits = await asyncio.gather(*(new.commit(CreateTask(TaskDraft(f"{n}"))) for n in range(30)))
            await beside

            generations = {committed.position.generation for committed in commits}
            assert generations == {await new.generation()}, "a workspace is made once"
            assert [task.id for task in await new.listed()] == list(range(1, 31)), "each write has an id of its own"
            await new.check()

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_refused_commit_fails_none_in_another_workspace(self, store: Store) -> None:
        async def write(n: int) -> object:
            place = store.within(f"{n % 5}")
            if n % 3:
                return await place.add(f"good {n}")
            return await place.commit(CreateTask(TaskDraft(f"bad {n}")), DeleteTask(10**6 + n))

        outcomes = await asyncio.gather(*map(write, range(45)), return_exceptions=True)

        for n, outcome in enumerate(outcomes):
            assert isinstance(outcome, Task if n % 3 else TaskNotFound), f"a commit is answered for itself: {outcome!r}"
        for number in range(5):
            place = store.within(f"{number}")
            assert len(await place.listed()) == 6, "the good commits are there, the bad ones are not"
            await place.check()

    # ------------------------------------------------------------ failures

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_cancelled_first_write_makes_a_whole_workspace_or_none(self, store: Store) -> None:
        turn = 0

        def new() -> Store:
            return store.within(f"new-{turn}")

        async for _ in cancelled_everywhere(
            lambda: new().commit(CreateTask(FULL), CreateTask(TaskDraft("b")), idempotency_key=KEY)
        ):
            # Which waits for the cancelled one, if that goes on, and leaves nothing.
            await raised(TaskNotFound, new().commit(DeleteTask(10**9)), "there is no such task")
            if len(await new().listed()) == 2:
                assert await new().generation(), "a workspace that holds something is made"
                assert (await new().commit(CreateTask(FULL), idempotency_key=KEY)).replayed, "with the commit's key"
            else:
                await is_unmade(new())
                assert (await new().add()).id == 1, "and the next write makes it"
            await new().check()
            turn += 1

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_failed_first_write_makes_no_workspace(self, store: Store) -> None:
        new = store.within("new")
        with store.fail_driver():
            error = await raised(StoreUnavailable, new.add("lost"), "a first write while the driver fails")
            await raised(StoreUnavailable, store.add("lost"), "a write to the default workspace while the driver fails")
        if Capability.DURABLE in store.opened.capabilities:
            await store.reopen()

        new = store.within("new")
        if await new.listed():
            assert isinstance(error, OutcomeUnknown), "StoreUnavailable says that nothing was written"
        else:
            await is_unmade(new)
            assert (await new.add()).id == 1, "the next write makes it"
        await new.check()

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_closing_a_workspace_closes_the_store(self, store: Store) -> None:
        place = store.within("a")
        await place.add()
        calls: list[Callable[[], Awaitable[object]]] = [place.repository.ping, store.opened.ping]
        for call in calls:
            await call()

        await place.repository.close()

        for call in (lambda: place.get(1), lambda: store.listed(), lambda: store.within("b").add()):
            await raised(StoreUnavailable, call(), "a call after close() of a workspace")

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_what_was_only_read_is_in_no_dump(self, store: Store) -> None:
        for number in range(20):
            await is_unmade(store.within(f"{number}"))
            await store.within(f"{number}").commit()

        assert len(await dumped(store)) == 2, "the store holds two headers, as if nobody had read"
