"""Completion of ids, labels, lists and workspaces in a shell: quick, and silent where no service answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from tasksvc_tasks.service import Service, service_at
from tasksvc_tasks.text import cut, harmless

if TYPE_CHECKING:
    from tasksvc_client import SyncClient, Task

DEADLINE_SECONDS = 1.0
"""Seconds that somebody waits who has pressed the tab key."""
TASKS_MAX = 200
"""Tasks that are looked at for completions, the newest ones."""
DESCRIPTION_COLUMNS = 60

Completions = Sequence[CompletionItem]
Completer = Callable[[click.Context, click.Parameter, str], Completions]


def _asking(find: Callable[[SyncClient, str], Iterator[tuple[str, str | None]]]) -> Completer:
    """Makes a completer of a function that yields values and descriptions.  What goes wrong completes nothing."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> Completions:
        try:
            with _service_of(context).open(deadline=DEADLINE_SECONDS) as client:
                found = [
                    CompletionItem(value, help=None if text is None else cut(harmless(text), DESCRIPTION_COLUMNS))
                    for value, text in find(client, incomplete)
                ]
        except Exception:  # a traceback would be put into what is being typed
            return []
        return [item for item in found if item.value.startswith(incomplete) and item.value.isprintable()]

    return complete


def _service_of(context: click.Context) -> Service:
    return service_at(context.params.get("url"), context.params.get("workspace"))


@_asking
def open_tasks(client: SyncClient, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Yields the ids of open tasks, the newest first."""
    return _ids(client.find(done=False, sort="-id", limit=TASKS_MAX))


@_asking
def done_tasks(client: SyncClient, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Yields the ids of done tasks, those first that were changed last."""
    return _ids(client.find(done=True, sort="-updated_at", limit=TASKS_MAX))


@_asking
def all_tasks(client: SyncClient, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Yields the ids of tasks, the newest first."""
    return _ids(client.find(sort="-id", limit=TASKS_MAX))


@_asking
def labels(client: SyncClient, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Yields the labels of the open tasks that were changed last, by name."""
    tasks = client.find(done=False, sort="-updated_at", limit=TASKS_MAX)
    for label in sorted({label for task in tasks for label in task.labels}):
        yield label, None


@_asking
def lists(client: SyncClient, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Yields the lists, each with the number of its open tasks."""
    for each in client.lists():
        yield each.name, f"{each.open} open"


@_asking
def workspaces(client: SyncClient, incomplete: str) -> Iterator[tuple[str, str | None]]:
    """Yields the workspaces that the token names."""
    for name in client.me().workspaces or ():
        yield name, None


def _ids(tasks: Iterator[Task]) -> Iterator[tuple[str, str | None]]:
    for task in tasks:
        yield str(task.id), task.description
