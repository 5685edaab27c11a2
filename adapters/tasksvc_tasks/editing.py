"""Editing a task in the user's editor, so that nothing typed is lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from tasksvc_client import SyncClient, Task, TasksvcError, VersionConflict

from tasksvc_tasks.command import ask
from tasksvc_tasks.failures import Failed, Status, failure_of
from tasksvc_tasks.output import say_lines, tell
from tasksvc_tasks.places import state_folder, write_privately
from tasksvc_tasks.service import Service
from tasksvc_tasks.task_text import UnreadableText, read_changes, write_text
from tasksvc_tasks.wording import task_lines


def edit_in_editor(service: Service, client: SyncClient, task: Task) -> Task:
    """Lets the user edit a task, writes what was changed, and returns the task as it is then.

    Where that can't be done, the text stays in a file, which the message names.  Raises Failed.
    """
    path = state_folder() / "edits" / f"task-{task.id}-{os.getpid()}.md"
    original = write_text(task)
    write_privately(path, original)
    try:
        while True:
            _run_editor(path)
            text = path.read_text("utf-8")
            try:
                changes = read_changes(text, task)
                break
            except UnreadableText as error:
                if not sys.stdin.isatty():
                    raise Failed(f"{error} Nothing was changed.") from error
                tell(f"tasksvc: {error}\n")
                if not ask("Edit it again?"):
                    raise Failed("Nothing was changed.") from error
        after = client.update(task.id, if_version=task, **changes) if changes else task
    except VersionConflict as error:
        theirs = error.current or client.get(task.id)
        say_lines(task_lines(theirs))
        raise Failed(
            f"Task {task.id} was changed meanwhile, and is now as above. {_kept(path, original)}", Status.CONFLICT
        ) from error
    except TasksvcError as error:
        failure = failure_of(error, service.url)
        raise Failed(f"{failure.message} {_kept(path, original)}", failure.status) from error
    except Failed as error:
        raise Failed(f"{error.message} {_kept(path, original)}".strip(), error.status) from error
    path.unlink()
    return after


def _run_editor(path: Path) -> None:
    try:
        click.edit(filename=str(path))
    except click.ClickException as error:
        raise Failed(f"The editor failed, so nothing was changed. {error.format_message()}") from error


def _kept(path: Path, original: str) -> str:
    """Returns where the text is; deletes the file if nothing was typed into it."""
    try:
        if path.read_text("utf-8") == original:
            path.unlink()
            return ""
    except (OSError, ValueError):
        pass
    return f"Your text is kept in {path}"
