"""Tests of commit() and its effects on tasks, one commit after the other."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any, cast

from tasksvc import (
    ChangeKind,
    CommitResult,
    CreateTask,
    DeleteMatching,
    DeleteResult,
    DeleteTask,
    InvalidTask,
    Precondition,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UnknownWrite,
    UpdateTask,
    Version,
    VersionConflict,
    Write,
)
from tasksvc.domain.task import GIVEN_ONCE
from tasksvc.testing.samples import EXCLUDED, FULL, NOW, OTHER_VALUES, exact, later, task_of
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised


class WritingContract(StoreUnderTest):
    """Tests of creating, updating and deleting, and of what they share."""

    # ------------------------------------------------------------ CreateTask

    @on_store()
    async def test_a_new_task_has_what_its_draft_says(self, store: Store) -> None:
        task = await store.add_draft(FULL, at=NOW)

        wanted = task_of(FULL)
        assert exact(task) == exact(wanted), "Add answers the task that Ledger.decide() makes of the draft"
        assert exact(await store.get(1)) == exact(wanted), "get() answers what Add answered"

    @on_store()
    async def test_a_description_alone_is_a_whole_draft(self, store: Store) -> None:
        task = await store.add("Buy milk")

        assert exact(task) == exact(task_of(TaskDraft("Buy milk"))), "what a draft does not say has its default"

    @on_store()
    async def test_ids_count_up_from_one(self, store: Store) -> None:
        ids = [(await store.add()).id for _ in range(5)]

        assert ids == [1, 2, 3, 4, 5], "ids count up from 1"

    @on_store()
    async def test_the_id_of_a_deleted_task_is_not_reused(self, store: Store) -> None:
        tasks = await store.add_all([TaskDraft("a")] * 3)
        await store.remove(tasks[1])

        assert (await store.add()).id == 4, "an id is never given twice, though its task was removed"

    @on_store()
    async def test_the_highest_id_is_not_given_again(self, store: Store) -> None:
        tasks = await store.add_all([TaskDraft("a")] * 3)
        for task in tasks:
            await store.remove(task)

        assert (await store.add()).id == 4, "an id is never given twice, though the highest was removed"

    @on_store()
    async def test_an_id_that_a_batch_created_and_deleted_is_not_reused(self, store: Store) -> None:
        await store.commit(CreateTask(TaskDraft("a")), DeleteTask(1))

        assert (await store.add()).id == 2, "an id is never given twice, though its task lived within one commit"

    # ------------------------------------------------------------ UpdateTask

    @on_store()
    async def test_a_patch_touches_what_it_names_alone(self, store: Store) -> None:
        task = await store.add_draft(FULL)

        patched = await store.patch(task, at=later(1), description="Buy bread")

        wanted = task_of(FULL, description="Buy bread", updated_at=later(1), version=2)
        assert exact(patched) == exact(wanted), "a field that a patch does not name is not touched"
        assert exact(await store.get(1)) == exact(wanted), "get() answers what Patch answered"

    @on_store()
    async def test_a_patch_changes_every_field(self, store: Store) -> None:
        task = await store.add()
        parent = await store.add()
        patchable = {name: value for name, value in OTHER_VALUES.items() if name not in (*EXCLUDED, *GIVEN_ONCE)}
        values = {**patchable, "parent_id": parent.id, "metadata": {"a": {"b": [1, None]}}}

        patched = await store.patch(task, **values)

        wanted = task_of(TaskDraft(**values), version=2)
        assert exact(patched) == exact(wanted), "Patch answers the task with all the fields of the patch"
        assert exact(await store.get(1)) == exact(wanted), "get() answers what Patch answered"

    @on_store()
    async def test_a_due_time_clears_a_due_day_and_the_other_way_round(self, store: Store) -> None:
        day = date(2026, 12, 1)
        task = await store.add(due_at=NOW)

        on_day = await store.patch(task, due_on=day)
        at_time = await store.patch(on_day, due_at=NOW)

        assert (on_day.due_at, on_day.due_on) == (None, day)
        assert (at_time.due_at, at_time.due_on) == (NOW, None)
        assert exact(await store.get(1)) == exact(at_time), "get() answers what Patch answered"

    @on_store()
    async def test_a_due_time_and_a_due_day_at_once_are_refused(self, store: Store) -> None:
        both: dict[str, Any] = {"due_at": NOW, "due_on": date(2026, 12, 1)}
        task = await store.add()

        for write in (CreateTask(TaskDraft("x", **both)), UpdateTask(task.id, both)):
            error = await raised(InvalidTask, store.commit(CreateTask(TaskDraft("y")), write), "two kinds of due")
            assert error.index == 1, "the error names the write"
        assert [exact(each) for each in await store.listed()] == [exact(task)], "a refused commit does nothing"

    @on_store()
    async def test_null_resets_a_field(self, store: Store) -> None:
        task = await store.add_draft(FULL)

        nothing: dict[str, Any] = dict.fromkeys(name for name in TaskDraft._field_defaults if name not in GIVEN_ONCE)

        patched = await store.patch(task, **nothing)

        wanted = task_of(TaskDraft(FULL.description), version=2)
        assert exact(patched) == exact(wanted), "None in a patch gives a field its default"
        assert await store.get(1) == patched, "get() answers what Patch answered"

    @on_store()
    async def test_a_patch_of_a_field_that_is_given_once_is_refused(self, store: Store) -> None:
        task = await store.add(done=True)

        for name in GIVEN_ONCE:
            for value in (OTHER_VALUES[name], None):
                writes = CreateTask(TaskDraft("y")), UpdateTask(task.id, {name: value})
                error = await raised(InvalidTask, store.commit(*writes), f"{name} in a patch")
                assert (error.field, error.index) == (name, 1), "the error names the field and the write"
        assert [exact(each) for each in await store.listed()] == [exact(task)], "a refused commit does nothing"

    @on_store()
    async def test_metadata_is_merged_and_null_removes_a_member(self, store: Store) -> None:
        task = await store.add(metadata={"keep": 1, "go": 2, "deep": {"keep": [1], "go": {}}, "list": [1, 2]})

        patched = await store.patch(task, metadata={"go": None, "deep": {"go": None, "new": {}}, "list": [3]})

        assert patched.metadata == {"keep": 1, "deep": {"keep": [1], "new": {}}, "list": [3]}, (
            "metadata is patched as RFC 7396 says: objects are merged, null removes, all else is replaced"
        )
        assert await store.get(1) == patched, "get() answers what Patch answered"

    @on_store()
    async def test_a_patch_that_changes_nothing_creates_no_version_and_no_change(self, store: Store) -> None:
        task = await store.add_draft(FULL._replace(metadata={"a": {"b": 1}}))

        patches: list[dict[str, Any]] = [
            {},
            {"description": "Buy milk"},
            {"done": True, "labels": FULL.labels},
            {"metadata": {"a": {}}},
        ]
        for fields in patches:
            same = await store.patch(task, at=later(9), **fields)
            assert exact(same) == exact(task), f"{fields} changes nothing, so the task stays as it is, version and all"

        assert await store.get(1) == task, "a patch that changes nothing leaves the task as it is"
        assert len(await store.log()) == 1, "a patch that changes nothing is no change, so the log does not show it"

    @on_store()
    async def test_one_and_one_point_zero_and_true_differ(self, store: Store) -> None:
        task = await store.add(metadata={"n": 1})

        for version, value in enumerate((1.0, True, 1), start=2):
            task = await store.patch(task, metadata={"n": value})
            assert task.version == version, "1, 1.0 and true are different values in JSON, so this is a change"
            assert exact(await store.get(1)) == exact(task), "get() answers what Patch answered"

    @on_store()
    async def test_completed_at_comes_and_goes_with_done(self, store: Store) -> None:
        task = await store.add()
        assert task.completed_at is None, "a task that is not done has no completed_at"

        task = await store.patch(task, at=later(1), done=True)
        assert task.completed_at == later(1), "completed_at is the time at which done was set"
        task = await store.patch(task, at=later(2), done=True, priority=1)
        assert task.completed_at == later(1), "completed_at stays while the task stays done"
        task = await store.patch(task, at=later(3), done=False)
        assert task.completed_at is None, "completed_at is cleared with done"
        assert await store.get(1) == task, "get() answers what Patch answered"

    @on_store()
    async def test_updated_at_never_goes_back(self, store: Store) -> None:
        task = await store.add(at=NOW)

        task = await store.patch(task, at=later(-3_600), done=True)

        assert (task.updated_at, task.completed_at) == (NOW, NOW), "updated_at never goes back, whatever the clock does"
        task = await store.patch(task, at=later(5), priority=1)
        assert (task.created_at, task.updated_at) == (NOW, later(5)), "updated_at is the time of the last change"
        assert await store.get(1) == task, "get() answers what Patch answered"

    @on_store()
    async def test_versions_count_up_from_one(self, store: Store) -> None:
        task = await store.add()

        versions = [task.version]
        for priority in (1, 2, 2, 3):
            task = await store.patch(task, priority=priority)
            versions.append(task.version)

        assert versions == [1, 2, 3, 3, 4], "each change of a task counts its version up by one"

    @on_store()
    async def test_a_patch_whose_metadata_grows_too_large_is_refused(self, store: Store) -> None:
        task = await store.add(metadata={"a": "x" * 10_000})

        error = await raised(
            InvalidTask, store.patch(task, metadata={"b": "x" * 10_000}), "metadata of more than 16 KiB after a patch"
        )

        assert (error.field, error.index) == ("metadata", 0), "the error names the field and the write"
        assert await store.get(1) == task, "a patch that is refused changes nothing"

    # ------------------------------------------------------------ DeleteTask

    @on_store()
    async def test_a_deleted_task_is_gone(self, store: Store) -> None:
        task, other = await store.add_all([TaskDraft("a"), TaskDraft("b")])

        committed = await store.commit(DeleteTask(task.id))

        assert list(committed.results) == [None], "the result of Remove is None"
        await raised(TaskNotFound, store.get(task.id), "get() of a removed task")
        assert await store.listed() == [other], "find() does not list a removed task, and lists the others"

    @on_store()
    async def test_writes_to_a_task_that_is_not_there_are_refused(self, store: Store) -> None:
        gone = await store.add()
        await store.remove(gone)

        for task_id in (gone.id, 2, 0, -1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30):
            for write in (UpdateTask(task_id, {"priority": 1}), DeleteTask(task_id)):
                error = await raised(TaskNotFound, store.commit(write), f"{write}, of a task that is not there")
                assert (error.task_id, error.index) == (task_id, 0), "the error names the task and the write"

    @on_store()
    async def test_a_removal_by_a_query_takes_what_matches(self, store: Store) -> None:
        done, open_, gone, other = await store.add_all(
            [TaskDraft("a", done=True), TaskDraft("b"), TaskDraft("c", done=True), TaskDraft("d", done=True)]
        )
        await store.remove(gone)
        query = TaskQuery(done=True)

        committed = await store.commit(DeleteMatching([done.id, open_.id, gone.id, 99, done.id], query, more=True))
        nothing = await store.commit(DeleteMatching([], query))

        assert list(committed.results) == [DeleteResult(1, more=True)], (
            "DeleteMatching counts what it removed, not what is gone, named twice or doesn't match"
        )
        assert list(nothing.results) == [DeleteResult(0, more=False)], "DeleteMatching of nothing removes nothing"
        assert await store.listed() == [open_, other], (
            "DeleteMatching leaves what it doesn't name and what doesn't match"
        )
        await store.check()

    @on_store()
    async def test_a_removal_by_a_query_sees_the_writes_before_it(self, store: Store) -> None:
        first, second = await store.add_all([TaskDraft("a", done=True), TaskDraft("b")])

        committed = await store.commit(
            UpdateTask(first.id, {"done": False}),
            UpdateTask(second.id, {"done": True}),
            CreateTask(TaskDraft("c", done=True)),
            DeleteMatching([1, 2, 3], TaskQuery(done=True)),
            CreateTask(TaskDraft("d")),
        )

        assert committed.results[3] == DeleteResult(2, more=False), "each write of a commit sees those before it"
        assert [task.description for task in await store.listed()] == ["a", "d"], "DeleteMatching sees them too"
        await store.check()

    # ------------------------------------------------------------ unknown writes

    @on_store()
    async def test_a_write_of_no_known_kind_is_refused(self, store: Store) -> None:
        task = await store.add()
        strange = cast(Write, ("archive", task.id))

        alone = await raised(UnknownWrite, store.commit(strange), "a write of no known kind")
        among_others = await raised(
            UnknownWrite,
            store.commit(CreateTask(FULL), DeleteTask(task.id), strange),
            "a write of no known kind, after others",
        )

        assert (alone.index, among_others.index) == (0, 2), "the error names the write"
        assert await store.listed() == [task], "what is refused changes nothing"
        assert len(await store.log()) == 1, "what is refused isn't in the log"

    @on_store()
    async def test_a_write_of_no_known_kind_fails_no_commit_beside_it(self, store: Store) -> None:
        task = await store.add()
        strange = cast(Write, ("archive", task.id))

        outcomes = await asyncio.gather(
            *(
                store.commit(strange if n % 3 == 0 else UpdateTask(task.id, {"metadata": {f"{n}": n}}))
                for n in range(30)
            ),
            return_exceptions=True,
        )

        for n, outcome in enumerate(outcomes):
            kind = UnknownWrite if n % 3 == 0 else CommitResult
            assert isinstance(outcome, kind), f"each commit stands or falls alone, and this one has {outcome!r}"
        await store.check()

    # ------------------------------------------------------------ expected versions

    @on_store()
    async def test_a_write_with_the_expected_version_succeeds(self, store: Store) -> None:
        task = await store.add()

        task = await store.patch(task, expected=Precondition(await store.versions(1)), priority=1)
        task = await store.patch(task, expected=Precondition(await store.versions(7, 2)), priority=2)
        task = await store.patch(task, expected=Precondition(none_of=await store.versions(1, 2)), priority=3)
        assert task.version == 4, "a write whose expectation holds is done"
        await store.remove(task, expected=Precondition(await store.versions(4)))
        assert await store.listed() == [], "a removal whose expectation holds is done"

    @on_store()
    async def test_an_unexpected_version_refuses_the_write(self, store: Store) -> None:
        task = await store.patch(await store.add(), priority=1)

        for expected in (
            Precondition(await store.versions(1)),
            Precondition(await store.versions(3, 4)),
            Precondition(frozenset()),
            Precondition(none_of=await store.versions(2)),
            Precondition(await store.versions(2), await store.versions(2)),
        ):
            for write in (UpdateTask(1, {"priority": 9}, expected), DeleteTask(1, expected)):
                error = await raised(VersionConflict, store.commit(write), f"version 2 where {expected} was expected")
                assert error.current == task, "the error carries the task as it is"
                assert error.generation == await store.generation(), "the error carries the store's generation"
                assert error.index == 0, "the error names the write"
        await store.check()
        assert await store.listed() == [task], "a write that is refused changes nothing"

    @on_store()
    async def test_a_version_of_another_generation_never_matches(self, store: Store) -> None:
        task = await store.add()
        others = frozenset({Version("another", 1)})

        for write in (UpdateTask(1, {"priority": 9}, Precondition(others)), DeleteTask(1, Precondition(others))):
            error = await raised(VersionConflict, store.commit(write), "version 1 of another generation expected")
            assert error.generation == await store.generation(), "the error carries the store's generation"
        assert await store.listed() == [task], "a write that is refused changes nothing"
        await store.patch(task, expected=Precondition(others | await store.versions(1)), priority=1)
        await store.patch(task, expected=Precondition(none_of=others), priority=2)
        assert (await store.get(1)).version == 3, "beside others the own version matches, and others exclude nothing"

    @on_store()
    async def test_a_patch_that_changes_nothing_is_refused_too(self, store: Store) -> None:
        task = await store.add(priority=1)

        await raised(
            VersionConflict,
            store.patch(task, expected=Precondition(await store.versions(9)), priority=1),
            "an unexpected version, though the patch would change nothing",
        )

    # ------------------------------------------------------------ several writes in one commit

    @on_store()
    async def test_each_write_sees_those_before_it(self, store: Store) -> None:
        committed = await store.commit(
            CreateTask(TaskDraft("a")),
            UpdateTask(1, {"done": True}, Precondition(await store.versions(1))),
            CreateTask(TaskDraft("b")),
            UpdateTask(1, {"priority": 3}, Precondition(await store.versions(2))),
            DeleteTask(2, Precondition(await store.versions(1))),
            UpdateTask(1, {"priority": 3}),
        )

        results = [(result.id, result.version) if isinstance(result, Task) else result for result in committed.results]
        assert results == [(1, 1), (1, 2), (2, 1), (1, 3), None, (1, 3)], (
            "each write of a commit sees those before it, and the results are in the order of the writes"
        )
        assert await store.listed() == [committed.results[3]], "the list shows what the last writes left"
        await store.check()

    @on_store()
    async def test_a_refused_write_undoes_its_whole_commit(self, store: Store) -> None:
        kept = await store.add_draft(FULL)
        before = await store.head()
        bad: list[tuple[Write, type[Exception]]] = [
            (UpdateTask(99, {"done": True}), TaskNotFound),
            (DeleteTask(99), TaskNotFound),
            (UpdateTask(1, {"priority": 1}, Precondition(await store.versions(1))), VersionConflict),
            (DeleteTask(1, Precondition(none_of=await store.versions(2))), VersionConflict),
            (UpdateTask(1, {"metadata": {"big": "x" * 20_000}}), InvalidTask),
        ]

        for write, kind in bad:
            for index in (2, 3):
                writes: list[Write] = [
                    CreateTask(TaskDraft("a")),
                    UpdateTask(1, {"priority": 3}),
                    CreateTask(TaskDraft("b")),
                    UpdateTask(2, {"done": True}),
                ]
                writes.insert(index, write)
                error = await raised(kind, store.commit(*writes), f"a commit with {write}")
                assert getattr(error, "index", None) == index, "the error names the first write that breaks a rule"

        assert await store.listed() == [kept], "nothing of a refused commit is left in the list"
        assert await store.head() == before, "nothing of a refused commit is left in the log"
        assert (await store.add()).id == 2, "a refused commit takes no id"
        await store.check()

    @on_store()
    async def test_the_log_of_a_commit_is_in_the_order_of_its_writes(self, store: Store) -> None:
        await store.commit(
            CreateTask(TaskDraft("a")), CreateTask(TaskDraft("b")), UpdateTask(1, {"done": True}), DeleteTask(2)
        )

        told = [(change.seq, change.kind, change.task_id) for change in await store.log()]
        assert told == [
            (1, ChangeKind.CREATED, 1),
            (2, ChangeKind.CREATED, 2),
            (3, ChangeKind.UPDATED, 1),
            (4, ChangeKind.DELETED, 2),
        ], "the log has the changes of a commit in the order of its writes"

    @on_store()
    async def test_a_commit_of_a_thousand_writes_is_one(self, store: Store) -> None:
        tasks = await store.add_all([TaskDraft(f"task {n}") for n in range(1_000)])

        assert [task.id for task in tasks] == list(range(1, 1_001)), (
            "there is one result for each write, in their order"
        )
        assert await store.listed() == tasks, "the list shows all the tasks of a large commit"

        await raised(
            TaskNotFound,
            store.commit(*(DeleteTask(task.id) for task in tasks), DeleteTask(9_999)),
            "a large commit whose last write is refused",
        )
        await store.check()

    @on_store()
    async def test_an_empty_commit_does_nothing(self, store: Store) -> None:
        await store.add()

        committed = await store.commit()

        assert list(committed.results) == [], "no writes, no results"
        assert committed.position == await store.head(), "the position is the head of the log"
        assert len(await store.log()) == 1, "no writes, no changes"

    @on_store()
    async def test_the_position_of_a_commit_lies_behind_its_changes(self, store: Store) -> None:
        first = await store.commit(CreateTask(TaskDraft("a")), CreateTask(TaskDraft("b")))
        second = await store.commit(UpdateTask(1, {"done": True}))

        assert first.position == (await store.generation(), 2), "the position is behind the last change of the commit"
        assert [change.seq for change in await store.log(first.position)] == [3], "what comes later is read from there"
        assert await store.log(second.position) == [], "nothing comes after the last commit"
        assert not first.replayed, "without an idempotency key nothing is replayed"

    @on_store()
    async def test_a_refused_commit_does_not_disturb_the_next(self, store: Store) -> None:
        for _ in range(3):
            await raised(
                TaskNotFound, store.commit(CreateTask(TaskDraft("no")), DeleteTask(99)), "removing what is not there"
            )
            await store.add("yes")

        assert [(task.id, task.description) for task in await store.listed()] == [(1, "yes"), (2, "yes"), (3, "yes")]
        await store.check()
