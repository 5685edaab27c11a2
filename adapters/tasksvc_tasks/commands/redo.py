"""tasksvc redo: does again what was undone last."""

from __future__ import annotations

from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.journal import Journal
from tasksvc_tasks.output import say
from tasksvc_tasks.service import Service
from tasksvc_tasks.undoing import undo


@tasks_command("redo", help="Do again what 'tasksvc undo' undid last, as long as nothing else was done here since.")
def command(service: Service) -> None:
    """Does it, and prints what it was."""
    with service.open() as client:
        entry = undo(client, Journal(service), "undone")
    say(f"Done again: {entry.what}.\n")
