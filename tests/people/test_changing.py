"""tasksvc done, reopen, rm, edit, undo and redo."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tasksvc_client import Create, Task

from people.person import Person


@pytest.fixture
def three(ann: Person) -> Person:
    """A user with three tasks."""
    ann.tasks.batch([Create("One", labels=["a"]), Create("Two"), Create("Three", done=True)])
    return ann


def state(person: Person) -> list[tuple[Any, ...]]:
    """Returns what a user sees of all tasks."""
    return [shown(task) for task in person.tasks.find(sort="id")]


def shown(task: Task) -> tuple[Any, ...]:
    return (task.id, task.description, task.done, task.due_on, task.labels, task.parent_id, task.priority)


def test_several_tasks_are_completed_together(three: Person) -> None:
    printed = three.says("done", "1,2", "#3")

    assert printed == "Done: 1 One\nDone: 2 Two\nDone before: 3 Three\n"
    assert [task.done for task in three.tasks.find()] == [True] * 3
    assert three.says("reopen", "2") == "Open again: 2 Two\n"
    assert three.says("reopen", "2") == "Still open: 2 Two\n"


@pytest.mark.parametrize("command", ["done", "reopen", "rm"])
def test_all_are_changed_or_none(command: str, three: Person) -> None:
    before = state(three)

    done = three(command, "1", "3", "99")

    assert (done.returncode, done.stdout, done.stderr) == (3, "", "tasksvc: There is no task 99.\n")
    assert state(three) == before
    assert three("undo").returncode == 1


def test_the_next_task_of_one_that_repeats_is_shown(ann: Person) -> None:
    ann.says("add", "Water", "-d", "2030-12-02", "--repeat", "weekly")

    printed = ann.says("done", "1")

    assert printed.startswith("Done: 1 Water\nNext: 2  Water  due Mon 2030-12-09  repeats")
    ann.says("undo")
    assert state(ann) == [(1, "Water", False, ann.tasks.get(1).due_on, (), None, 0)]


def test_fields_are_changed_and_cleared(three: Person) -> None:
    three.says("edit", "1", "-d", "2030-12-02", "-p", "4", "--list", "l", "-n", "n", "--parent", "2", "-l", "b")
    changed = three.tasks.get(1)
    printed = three.says("edit", "1", "--due", "none", "--parent", "none", "--unlabel", "a", "-p", "0", "-n", "")
    cleared = three.tasks.get(1)

    assert (str(changed.due_on), changed.priority, changed.list) == ("2030-12-02", 4, "l")
    assert (changed.notes, changed.parent_id, changed.labels) == ("n", 2, ("a", "b"))
    assert (cleared.due_on, cleared.parent_id, cleared.labels, cleared.priority, cleared.notes) == (
        None,
        None,
        ("b",),
        0,
        "",
    )
    assert printed == "1  One  @b  in l\n"
    assert three.says("edit", "1", "-p", "0") == "Unchanged: 1  One  @b  in l\n"


def test_undo_goes_back_step_by_step_and_redo_forward(three: Person) -> None:
    states = [state(three)]
    for words in (
        ["add", "Four", "--parent", "1"],
        ["done", "1", "2"],
        ["edit", "1", "-p", "5", "--description", "Uno"],
        ["rm", "1", "3"],
        ["reopen", "2"],
    ):
        three.says(*words)
        states.append(state(three))

    for expected in reversed(states[:-1]):
        three.says("undo")
        assert state(three) == expected
    nothing = three("undo")
    for expected in states[1:]:
        three.says("redo")
        assert state(three) == expected

    assert (nothing.returncode, nothing.stderr) == (1, "tasksvc: There is nothing to undo here.\n")
    assert three("redo").stderr == "tasksvc: There is nothing to redo here.\n"
    three.says("undo")
    three.says("done", "4")
    assert three("redo").stderr == "tasksvc: There is nothing to redo here.\n"


def test_what_is_below_a_deleted_task_stays_or_goes_and_comes_back(ann: Person) -> None:
    ann.tasks.batch([Create("a"), Create("b", parent_id=1), Create("c", parent_id=2), Create("d")])
    whole = state(ann)

    kept = ann.says("rm", "1")
    after_one = state(ann)
    ann.says("undo")
    one_back = state(ann)
    gone = ann.says("rm", "2", "1", "--children")
    left = state(ann)
    ann.says("undo")
    back = state(ann)
    ann.says("redo")

    assert kept == "Deleted: 1 a\n1 task that was a part of it stays.\n"
    assert [(each[0], each[5]) for each in after_one] == [(2, None), (3, 2), (4, None)]
    assert one_back == back == whole
    assert gone == "Deleted: 1 a\nDeleted: 2 b\nDeleted: 3 c\n"
    assert [each[0] for each in left] == [each[0] for each in state(ann)] == [4]


@pytest.mark.parametrize("change", ["changed", "deleted"])
def test_what_somebody_else_changed_since_is_not_undone(change: str, three: Person) -> None:
    three.says("done", "1", "2")
    if change == "changed":
        three.tasks.update(2, priority=9)
    else:
        three.tasks.delete(2)
    before = state(three)

    refused = three("undo")

    assert refused.returncode == 4
    assert refused.stderr.startswith(f"tasksvc: 'done 1 2' can't be undone: task 2 was {change} on ")
    assert refused.stderr.count("\n") == 1
    assert state(three) == before


def test_a_deleted_task_that_came_back_otherwise_is_not_restored_again(three: Person) -> None:
    three.says("rm", "1")
    three.tasks.restore(1, 1)
    three.tasks.update(1, priority=9)

    assert three("undo").returncode == 4
    assert three.tasks.get(1).priority == 9


def test_each_workspace_and_service_has_its_own_journal(three: Person) -> None:
    three.says("done", "1")

    elsewhere = three("undo", TASKSVC_WORKSPACE="elsewhere")

    assert elsewhere.stderr == "tasksvc: There is nothing to undo here.\n"
    three.says("undo")
    assert three.tasks.get(1).done is False


def test_the_journal_keeps_a_hundred_commands(three: Person) -> None:
    journal = three.home / "state" / "tasksvc" / "journal.json"
    three.says("done", "1")
    (place,) = json.loads(journal.read_text())
    one = json.loads(journal.read_text())[place]["done"]
    journal.write_text(json.dumps({place: {"done": one * 150, "undone": []}}))

    three.says("done", "2")

    assert len(json.loads(journal.read_text())[place]["done"]) == 100


def test_a_damaged_journal_stops_undo_and_nothing_else(three: Person) -> None:
    journal = three.home / "state" / "tasksvc" / "journal.json"
    journal.parent.mkdir(parents=True)
    journal.write_text("{")

    done, undone = three("done", "1"), three("undo")

    assert (done.returncode, done.stdout) == (0, "Done: 1 One\n")
    assert done.stderr.startswith("tasksvc: It is done, but 'tasksvc undo' won't know of it.")
    assert (undone.returncode, undone.stderr.count("\n")) == (1, 1)
    assert "is damaged. Delete it" in undone.stderr
