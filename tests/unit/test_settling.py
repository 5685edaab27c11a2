"""What the entries of commits leave in tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tasksvc import Commit, CreateTask, DeleteTask, Ledger, TaskDraft, UpdateTask, decide_all, settle

NOW = datetime(2026, 11, 24, 15, 0, 0, tzinfo=UTC)


async def test_a_new_task_alone_leaves_what_it_leaves_among_others() -> None:
    ledger = Ledger("g")
    draft = TaskDraft("x", labels=("a", "b"))
    _, entries = await decide_all(ledger, [Commit([CreateTask(draft)], NOW)])
    _, more = await decide_all(ledger, [Commit([CreateTask(TaskDraft("y")), DeleteTask(2)], NOW)])

    alone, among = settle(entries, {}), settle([*entries, *more], {})

    assert alone.changes == among.changes[:1]
    assert alone[1:] == among[1:]
    assert [task_id for _, task_id in alone.new_terms] == [1, 1]


async def test_terms_that_a_task_keeps_are_left_alone() -> None:
    ledger = Ledger("g")
    (made,), entries = await decide_all(ledger, [Commit([CreateTask(TaskDraft("x", labels=("a", "b")))], NOW)])
    before = {1: ledger.tasks.get(1)}
    patch = UpdateTask(1, {"labels": ("b", "c")})
    _, entries = await decide_all(ledger, [Commit([patch], NOW + timedelta(1))])

    settled = settle(entries, {key: task for key, task in before.items() if task is not None})

    assert [len(settled.new_terms), len(settled.deleted_terms)] == [1, 1]
    assert "c" in settled.new_terms[0][0]
    assert "a" in settled.deleted_terms[0][0]
    assert not isinstance(made, Exception)
