"""tasksvc edit in an editor: programs that change the file stand for people."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasksvc_client import Task
from tasksvc_tasks.task_text import UnreadableText, read_changes, write_text

from people.person import Person


def editor(tmp_path: Path, code: str) -> str:
    """Returns a command that runs `code` with the text of the file as `text`, and writes `text` back."""
    script = tmp_path / "editor.py"
    script.write_text(
        "import pathlib, subprocess, sys\n"
        "path = pathlib.Path(sys.argv[1])\n"
        f"text = path.read_text()\n{code}\npath.write_text(text)\n"
    )
    return shlex.join([sys.executable, str(script)])


def change(old: str, new: str) -> str:
    return f"text = text.replace({old!r}, {new!r})"


def files(person: Person) -> list[Path]:
    return list((person.home / "state" / "tasksvc" / "edits").iterdir())


def test_what_is_changed_in_the_editor_is_written(ann: Person, tmp_path: Path) -> None:
    ann.tasks.create("Water", labels=["home"], notes="old", priority=3)
    code = "\n".join(
        [
            change("description: Water", "description: Water\n    the plants"),
            change("due:", "due: 2030-12-02 18:00"),
            change("priority: 3", "priority:"),
            change("labels: home", 'labels: b, "c, d"'),
            change("old", "new\n---\nline"),
        ]
    )

    printed = ann.says("edit", "1", VISUAL=editor(tmp_path, code))

    task = ann.tasks.get(1)
    assert (task.description, task.priority, task.labels) == ("Water\nthe plants", 0, ("b", "c, d"))
    assert (task.due_at, task.notes) == (datetime(2030, 12, 2, 17, 0, tzinfo=UTC), "new\n---\nline")
    assert printed.startswith("1  Water␊the plants  due Mon 2030-12-02 18:00")
    assert files(ann) == []
    ann.says("undo")
    assert ann.tasks.get(1).description == "Water"


def test_a_text_that_is_left_as_it_is_changes_nothing(ann: Person) -> None:
    ann.tasks.create("Water", notes="a\n\n", due_at="2030-12-02T17:00:00.5Z")

    assert ann.says("edit", "1", VISUAL="true").startswith("Unchanged: 1  Water")
    assert ann.tasks.get(1).version == 1
    assert files(ann) == []


def test_a_conflict_shows_theirs_and_keeps_what_was_typed(ann: Person, tmp_path: Path) -> None:
    ann.tasks.create("Water")
    theirs = shlex.join([*ann.command("edit", "1", "-p", "9")])
    code = f"subprocess.run({theirs!r}, shell=True, check=True)\n" + change("Water", "Water the plants")

    refused = ann("edit", "1", VISUAL=editor(tmp_path, code))

    (kept,) = files(ann)
    assert (refused.returncode, refused.stderr.count("\n")) == (4, 1)
    assert refused.stderr.endswith(f"Your text is kept in {kept}\n")
    assert "  priority  9\n" in refused.stdout
    assert "description: Water the plants" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert ann.tasks.get(1).description == "Water"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (change("due:", "due: 1/12"), "Line 3: '1/12' can mean"),
        (change("priority:", "priority: high"), "Line 4: 'high' isn't a priority from 0 to 9."),
        (change("description: Water", "description:"), "Line 2: the description is empty."),
        (change("list:", "liste:"), "Line 6: 'liste: inbox' isn't one of description, due"),
        (change("---", ""), "The line --- is missing"),
        (change("parent:", "parent: 99"), "There is no task 99"),
        (change("list: inbox", f"list: {'x' * 101}"), "100"),
    ],
)
def test_a_text_that_cannot_be_used_is_kept(code: str, sentence: str, ann: Person, tmp_path: Path) -> None:
    ann.tasks.create("Water")

    refused = ann("edit", "1", VISUAL=editor(tmp_path, code))

    (kept,) = files(ann)
    assert refused.returncode in (1, 3, 4)
    assert refused.stderr.count("\n") == 1
    assert sentence in refused.stderr
    assert refused.stderr.endswith(f"Your text is kept in {kept}\n")
    assert ann.tasks.get(1).version == 1


@pytest.mark.parametrize("program", ["false", "/nowhere/editor"])
def test_an_editor_that_fails_changes_nothing(program: str, ann: Person) -> None:
    ann.tasks.create("Water")

    refused = ann("edit", "1", VISUAL=program)

    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith("tasksvc: The editor failed, so nothing was changed.")
    assert files(ann) == []


def task(**fields: object) -> Task:
    document = {
        "id": 1,
        "description": "Water",
        "notes": "",
        "done": False,
        "completed_at": None,
        "due_at": None,
        "due_on": None,
        "priority": 0,
        "labels": [],
        "list": "inbox",
        "parent_id": None,
        "position": None,
        "metadata": {},
        "repeat": None,
        "series_id": None,
        "next_id": None,
        "uid": None,
        "version": 1,
        "created_at": "2026-11-28T00:00:00Z",
        "updated_at": "2026-11-28T00:00:00Z",
        **fields,
    }
    return Task.from_json(document)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20) | st.text("a\n #:-,\"' ", max_size=20)


@given(
    description=TEXTS.filter(str.strip),
    notes=TEXTS,
    labels=st.lists(TEXTS.filter(str.strip), max_size=3),
    list_=TEXTS.filter(str.strip),
)
def test_any_task_can_be_opened_and_saved_unchanged(
    description: str, notes: str, labels: list[str], list_: str
) -> None:
    written = task(description=description, notes=notes, labels=labels, list=list_, due_on="2030-12-02")

    assert read_changes(write_text(written), written) == {}


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["due: fri", "---", "x", "a: b", 'labels: "', "    y"])).map("\n".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        changes = read_changes(text, task())
    except UnreadableText:
        return
    assert isinstance(changes, dict)


def test_only_what_was_changed_is_sent() -> None:
    written = task(due_on="2030-12-02")

    assert read_changes(write_text(written).replace("due: Mon 2030-12-02", "due: 2030-12-03"), written) == {
        "due_on": date(2030, 12, 3)
    }
    assert read_changes(write_text(written).replace("due: Mon 2030-12-02", "due:"), written) == {
        "due_on": None,
        "due_at": None,
    }
