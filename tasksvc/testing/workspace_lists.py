"""Which workspaces there are, and which have changed."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable

from tasksvc import (
    LOG_START,
    Capability,
    CreateTask,
    DeleteMatching,
    DeleteTask,
    IdempotencyKey,
    Position,
    PutRecord,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    Write,
)
from tasksvc.testing.dumping import dumped
from tasksvc.testing.samples import FIRST_MOMENT, LAST_MOMENT, NOW, later
from tasksvc.testing.store import Store, StoreUnderTest, each_of, on_store, raised

KEY = IdempotencyKey("s", "key", "f")
TOKEN_MAX = 500
"""Characters that a token has at most."""
NO_TOKENS = ("0", "x", "-", ":", "0:0", "1-1", "a" * TOKEN_MAX, "null", "%", "'", " ", "../", "1e9", "-1", "9" * 40)
"""Texts that are tokens of no store."""


async def changed(repository: TaskRepository, since: str, *, limit: int = 1_000) -> tuple[list[str], str]:
    """Returns all workspaces that changed after `since`, read page by page, and the token of the end."""
    names: list[str] = []
    for _ in range(10_000):
        page = await repository.changed_workspaces(since, limit=limit)
        assert len(page.names) <= limit, "a page names at most `limit` workspaces"
        assert len(page.next) <= TOKEN_MAX, f"a token has at most {TOKEN_MAX} characters"
        assert page.next.isascii(), "a token is of ASCII"
        assert page.next.isprintable(), "a token is printable"
        names += page.names
        since = page.next
        if not page.more:
            return names, since
    raise AssertionError("changed_workspaces() comes to an end where nothing is written")


async def _write(store: Store, names: Iterable[str]) -> None:
    for name in names:
        await store.within(name).add()


async def _names(store: Store, *, prefix: str = "", after: str = "", limit: int = 1_000) -> list[str]:
    return [each.name for each in await store.opened.workspaces(prefix=prefix, after=after, limit=limit)]


async def _summary(store: Store) -> tuple[int, int, object]:
    """Returns what the list of workspaces tells of the workspace of `store`."""
    (found,) = await store.opened.workspaces(prefix=store.workspace, limit=1)
    assert found.name == store.workspace, "a workspace that is made is listed"
    return found.tasks, found.open, found.updated_at


class WorkspaceListsContract(StoreUnderTest):
    """Tests of workspaces() and changed_workspaces()."""

    # ------------------------------------------------------------ all of them

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_new_store_has_the_default_workspace_alone(self, store: Store) -> None:
        assert [tuple(each) for each in await store.opened.workspaces(limit=10)] == [("default", 0, 0, None)], (
            "the default workspace is made with the store, and empty"
        )
        assert (await store.head()).generation, "it has a generation"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_workspaces_are_listed_in_code_point_order(self, store: Store) -> None:
        names = ["a", "B", "b", "A", "aa", "a.", "a-", "a_", "a~", "Z", "z", "0", "10", "9", "-", ".a", "_", "~", "a0"]
        await _write(store, names)
        ordered = sorted([*names, "default"])

        assert await _names(store) == ordered, "workspaces are in the order of the code points of their names"
        for limit in (1, 3, len(ordered), len(ordered) + 1):
            walked: list[str] = []
            while page := await _names(store, after=walked[-1] if walked else "", limit=limit):
                assert len(page) <= limit, "a page has at most `limit` workspaces"
                walked += page
                assert len(walked) <= len(ordered), "a page begins after `after`"
            assert walked == ordered, f"pages of {limit} join up"
        assert await _names(store, after="a-0", limit=2) == ["a.", "a0"], "`after` need not be a workspace"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_workspaces_are_listed_by_a_prefix(self, store: Store) -> None:
        names = ["u_1", "u_2", "u-1", "uu1", "U_1", "u", "u_", "u~1", "v", "t", "~", "~~"]
        await _write(store, names)

        for prefix in (
            "u",
            "u_",
            "U",
            "u_1",
            "u_11",
            "w",
            "~",
            "~~",
            "~~~",
            "d",
            "default",
            "defaults",
            "%",
            "u%",
            "\uffff",
        ):
            wanted = sorted(name for name in [*names, "default"] if name.startswith(prefix))
            assert await _names(store, prefix=prefix) == wanted, f"names begin with {prefix!r}, whatever is in it"
            walked: list[str] = []
            while page := await _names(store, prefix=prefix, after=walked[-1] if walked else "", limit=1):
                walked += page
                assert len(walked) <= len(names), "a page begins after `after`"
            assert walked == wanted, f"pages of names that begin with {prefix!r} join up"
        assert await _names(store, prefix="u", after="a") == await _names(store, prefix="u"), "`after` may lie before"
        assert await _names(store, prefix="u", after="v") == [], "`after` may lie behind"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_summary_tells_tasks_and_the_last_change(self, store: Store) -> None:
        place = store.within("a")

        for number in range(1, 4):
            await place.add(at=later(number))
            assert await _summary(place) == (number, number, later(number)), "it counts tasks, and has the last change"
        await place.commit(UpdateTask(1, {"priority": 1}), at=later(10))
        assert await _summary(place) == (3, 3, later(10)), "an update is a change"
        await place.commit(DeleteTask(1), at=later(11))
        assert await _summary(place) == (2, 2, later(11)), "a deletion is a change"
        await place.commit(UpdateTask(2, {"description": "a task"}), at=later(12), idempotency_key=KEY)
        assert await _summary(place) == (2, 2, later(11)), "what changes nothing is none"
        await place.add(at=later(5))
        assert await _summary(place) == (3, 3, later(5)), "the newest change is the last one of the log"
        assert await _summary(store) == (0, 0, None), "the default workspace has its own"

        if Capability.PRUNE in store.opened.capabilities:
            await store.opened.prune(log_before=LAST_MOMENT, max_changes=0, keys_before=FIRST_MOMENT, limit=1_000)
            assert await _summary(place) == (3, 3, None), "a log that was pruned has no last change, and the tasks stay"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_summary_tells_how_many_tasks_are_open(self, store: Store) -> None:
        for place in (store, store.within("a")):
            await place.add_all([TaskDraft("x", done=n % 3 == 0) for n in range(10)])
            assert (await _summary(place))[:2] == (10, 6), "a task that is created as done isn't open"
            await place.commit(
                UpdateTask(2, {"done": True}), UpdateTask(3, {"done": True}), UpdateTask(1, {"done": False})
            )
            assert (await _summary(place))[:2] == (10, 5), "a task may be done, and open again"
            await place.commit(UpdateTask(2, {"done": True}), UpdateTask(5, {"priority": 1}))
            assert (await _summary(place))[:2] == (10, 5), "what doesn't change `done` changes no number"
            await place.commit(DeleteTask(2), DeleteTask(1))
            assert (await _summary(place))[:2] == (8, 4), "a deleted task counts as neither"
            await place.commit(DeleteMatching([3, 4, 5], TaskQuery(done=False)))
            assert (await _summary(place))[:2] == (7, 3), "also where a filter deletes it"
            both: list[Write] = [
                CreateTask(TaskDraft("y")),
                UpdateTask(11, {"done": True}),
                UpdateTask(11, {"done": False}),
            ]
            await place.commit(*both, CreateTask(TaskDraft("z")), UpdateTask(12, {"done": True}), DeleteTask(11))
            assert (await _summary(place))[:2] == (8, 3), "a commit counts with all of its writes"
            await raised(TaskNotFound, place.commit(CreateTask(TaskDraft("x")), DeleteTask(99)), "there is no task 99")
            assert (await _summary(place))[:2] == (8, 3), "a refused commit counts for nothing"

    @on_store(Capability.WORKSPACES, Capability.DURABLE, alone=True)
    async def test_summaries_are_kept_over_a_reopening(self, store: Store) -> None:
        for number, name in enumerate(("default", "a", "b"), 1):
            place = store.within(name)
            await place.add_all([TaskDraft("x", done=n % 2 == 0) for n in range(2 * number)])
            await place.commit(UpdateTask(1, {"done": False}), DeleteTask(2), at=later(number))
        before = await store.opened.workspaces(limit=9)

        await store.reopen()

        assert list(await store.opened.workspaces(limit=9)) == list(before), "a reopening changes no summary"
        for name in ("default", "a", "b"):
            summary = await _summary(store.within(name))
            await store.within(name).add(at=later(9))
            assert await _summary(store.within(name)) == (summary[0] + 1, summary[1] + 1, later(9)), "they go on"

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_summaries_of_a_restored_store_are_those_of_the_dump(self, store: Store) -> None:
        for number, name in enumerate(("default", "a", "b"), 1):
            place = store.within(name)
            await place.add_all([TaskDraft("x", done=n % 2 == 0) for n in range(2 * number)])
            await place.commit(UpdateTask(1, {"done": False}), DeleteTask(2), at=later(number))
        other = await store.another()

        await other.opened.restore(each_of(await dumped(store)))

        assert list(await other.opened.workspaces(limit=9)) == list(await store.opened.workspaces(limit=9)), (
            "a restored store has the summaries of the dump"
        )
        for name in ("default", "a", "b"):
            summary = await _summary(other.within(name))
            await other.within(name).commit(DeleteTask(1), at=later(9))
            assert await _summary(other.within(name)) == (summary[0] - 1, summary[1] - 1, later(9)), "they go on"

    # ------------------------------------------------------------ those that changed

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_without_a_token_all_workspaces_count_as_changed(self, store: Store) -> None:
        names = [f"w{n}" for n in range(25)]
        await _write(store, names)
        await store.within("key").commit(DeleteMatching([], TaskQuery()), idempotency_key=KEY)

        for limit in (1, 3, 27, 100):
            named, _ = await changed(store.opened, "", limit=limit)
            assert sorted(named) == sorted([*names, "key", "default"]), f"all that are made are named, {limit} a page"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_after_a_token_only_what_changed_is_named(self, store: Store) -> None:
        names = [f"w{n}" for n in range(25)]
        await _write(store, names)
        _, token = await changed(store.opened, "")
        token = await _settled(store.opened, token)

        await _write(store, ["w3", "new", "w3", "w7"])
        await store.within("w9").commit(UpdateTask(1, {"priority": 0}))
        if Capability.RECORDS in store.opened.capabilities:
            await store.within("w9").commit(PutRecord("s", "a", {}))
        for limit in (1, 2, 100):
            named, _ = await changed(store.opened, token, limit=limit)
            assert {"w3", "new", "w7"} <= set(named), f"what changed is named, {limit} a page"
            assert len(named) <= 10, f"what didn't change is hardly ever named: {named}"
        _, after = await changed(store.opened, token)
        await _write(store, ["w7"])
        assert "w7" in (await changed(store.opened, after))[0], "one that changes once more is named once more"
        assert {"w3", "w7"} <= set((await changed(store.opened, token))[0]), "an earlier token stays good"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_token_that_is_not_of_this_store_counts_as_none(self, store: Store) -> None:
        await _write(store, ["a", "b"])
        other = await store.another()
        for _ in range(5):
            await _write(other, ["a", "b", "c"])
        _, foreign = await changed(other.opened, "")

        for token in (*NO_TOKENS, foreign, foreign[:-1], foreign + "0", "\N{BLACK STAR}", "a\0"):
            named, following = await changed(store.opened, token)
            assert set(named) == {"a", "b", "default"}, f"{token!r} is no token of this store, so all are named"
            await _write(store, ["b"])
            assert "b" in (await changed(store.opened, following))[0], "and one goes on from there"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_follower_beside_writers_misses_no_change(self, store: Store) -> None:
        names = ["default", *(f"w{n}" for n in range(12))]
        over = asyncio.Event()

        async def write(number: int) -> None:
            chance = random.Random(number)
            for turn in range(12):
                place = store.within(chance.choice(names))
                await place.commit(CreateTask(TaskDraft(f"{number}-{turn}")))
                await asyncio.sleep(chance.choice((0, 0, 0.001)))

        followers = [asyncio.ensure_future(follow(store.opened, over, limit=limit)) for limit in (1, 4, 100)]
        await asyncio.gather(*map(write, range(16)))
        over.set()

        heads = {name: await store.within(name).head() for name in names}
        for seen in await asyncio.gather(*followers):
            for name, head in heads.items():
                assert seen.get(name, LOG_START).seq == head.seq, (
                    f"one that reads each workspace that is named meets every change, and missed some of {name!r}"
                )

    @on_store(Capability.WORKSPACES, Capability.DURABLE, alone=True)
    async def test_a_follower_misses_no_change_over_reopenings(self, store: Store) -> None:
        token = ""
        for turn in range(4):
            _, token = await changed(store.opened, token)
            await _write(store, ["a", f"new-{turn}"])

            await store.reopen()
            await _write(store, [f"{turn}"])

            named, following = await changed(store.opened, token)
            assert {"a", f"new-{turn}", f"{turn}"} <= set(named), (
                "a token is good, or counts as none, after a reopening"
            )
            await _write(store, ["a"])
            await store.reopen()
            assert "a" in (await changed(store.opened, following))[0], "and so is one that was given since"

    @on_store(Capability.WORKSPACES, Capability.PRUNE, alone=True)
    async def test_a_follower_misses_no_change_that_is_pruned(self, store: Store) -> None:
        await _write(store, ["a", "b", "c"])
        _, token = await changed(store.opened, "")
        await _write(store, ["b", "d"])
        await store.within("c").commit(DeleteTask(1))

        for turn in range(2):
            await store.opened.prune(log_before=LAST_MOMENT, max_changes=0, keys_before=LAST_MOMENT, limit=1_000)
            named, following = await changed(store.opened, token)
            assert {"b", "c", "d"} <= set(named), "what has changed is named though the log was pruned"
            await _write(store, [f"{turn}"])
            assert f"{turn}" in (await changed(store.opened, following))[0], "and one goes on from there"
            if turn == 0 and Capability.DURABLE in store.opened.capabilities:
                await store.reopen()

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_follower_misses_no_change_where_the_store_is_restored_or_renewed(self, store: Store) -> None:
        await _write(store, ["a", "b"])
        _, token = await changed(store.opened, "")
        await store.opened.renew()
        await _write(store, ["a"])
        assert "a" in (await changed(store.opened, token))[0], "a token of before a renewal omits nothing"

        other = await store.another()
        _, born = await changed(other.opened, "")
        await other.opened.restore(each_of(await dumped(store)))
        for old in (born, token):
            named, following = await changed(other.opened, old)
            assert set(named) == {"a", "b", "default"}, "in a restored store all count as changed since"
            await _write(other, ["b"])
            assert "b" in (await changed(other.opened, following))[0], "and one goes on from there"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_clock_that_goes_back_hides_no_change(self, store: Store) -> None:
        await store.within("a").add(at=LAST_MOMENT)
        _, token = await changed(store.opened, "")

        for number, at in enumerate((NOW, FIRST_MOMENT, later(-1))):
            await store.within("b").add(at=at)
            named, token = await changed(store.opened, token)
            assert "b" in named, f"a change is named whatever the time of its commit is: change {number}"


async def _settled(repository: TaskRepository, token: str) -> str:
    """Returns a token after which nothing is named, since nothing is written; a store may name some again before."""
    for _ in itertools.repeat(None, 100):
        names, token = await changed(repository, token)
        if not names:
            return token
        await asyncio.sleep(0.01)
    raise AssertionError("where nothing is written, none is named in the end")


async def follow(repository: TaskRepository, over: asyncio.Event, *, limit: int) -> dict[str, Position]:
    """Reads the logs of workspaces that are named, until `over` and to the end. Returns where each was read up to."""
    seen: dict[str, Position] = {}
    token = ""
    while True:
        is_last = over.is_set()
        page = await repository.changed_workspaces(token, limit=limit)
        for name in page.names:
            place = repository.workspace(name)
            while True:
                changes = await place.read_changes(seen.get(name, LOG_START), limit=100)
                seen[name] = changes.next
                if not changes.more:
                    break
        token = page.next
        if is_last and not page.more:
            return seen
        await asyncio.sleep(0)
