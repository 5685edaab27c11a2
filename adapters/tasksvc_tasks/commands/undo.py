"""tasksvc undo: undoes the last thing that was done here."""

from __future__ import annotations

from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.journal import Journal
from tasksvc_tasks.output import say
from tasksvc_tasks.service import Service
from tasksvc_tasks.undoing import undo


@tasks_command(
    "undo",
    help="Undo the last thing that you did on this machine, in this service and workspace. The next undo goes one"
    " further back. A task that was changed since stays as it is, and nothing is undone then.",
)
def command(service: Service) -> None:
    """Undoes it, and prints what it was."""
    with service.open() as client:
        entry = undo(client, Journal(service), "done")
    say(f"Undone: {entry.what}. 'tasksvc redo' does it again.\n")
