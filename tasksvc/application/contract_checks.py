"""What is checked of a store's answers, since nobody else would notice that they are wrong, or not in time."""

from __future__ import annotations

from collections.abc import Sequence

from tasksvc.domain.change import Position
from tasksvc.domain.query import TaskQuery
from tasksvc.domain.task import Task
from tasksvc.ports.store import ChangedWorkspaces, ChangePage, ListSummary, Page, TaskRepository, WorkspaceSummary


class ContractViolation(Exception):
    """The adapter does not keep to the contract of the port, which its author has to know."""


def check_workspace(workspace: TaskRepository, name: str) -> None:
    """Raises ContractViolation where `workspace` isn't the one that was asked for."""
    if workspace.workspace_name != name:
        raise ContractViolation(f"Asked for the workspace {name!r}, the store gave {workspace.workspace_name!r}.")


def check_workspaces(found: Sequence[WorkspaceSummary], prefix: str, after: str, limit: int) -> None:
    """Raises ContractViolation where `found` isn't a page of workspaces; a reader would go round in circles."""
    if len(found) > limit:
        raise ContractViolation(f"Asked for at most {limit} workspaces, the store gave {len(found)}.")
    before = after
    for name, *_ in found:
        if name <= before or not name.startswith(prefix):
            raise ContractViolation(
                f"Asked for the workspaces {prefix!r}... after {after!r}, the store gave {name!r} after {before!r}."
            )
        before = name


def check_changed_workspaces(page: ChangedWorkspaces, since: str, limit: int) -> None:
    """Raises ContractViolation where `page` has too many names, or a token at which a reader would stay."""
    if len(page.names) > limit:
        raise ContractViolation(f"Asked for at most {limit} workspaces, the store gave {len(page.names)}.")
    if page.more and page.next == since:
        raise ContractViolation(f"Asked for the workspaces that have changed since {since!r}, the store gave the same.")


def check_lists(found: Sequence[ListSummary], after: str, limit: int) -> None:
    """Raises ContractViolation where `found` isn't a page of lists; a reader would go round in circles."""
    if len(found) > limit:
        raise ContractViolation(f"Asked for at most {limit} lists, the store gave {len(found)}.")
    before = after
    for name, *_ in found:
        if name <= before:
            raise ContractViolation(f"Asked for the lists after {after!r}, the store gave {name!r} after {before!r}.")
        before = name


def check_task(task: Task, task_id: int) -> None:
    """Raises ContractViolation where `task` is not the one that was asked for."""
    if task.id != task_id:
        raise ContractViolation(f"Asked for task {task_id}, the store gave task {task.id}.")


def check_page(page: Page, query: TaskQuery, limit: int) -> None:
    """Raises ContractViolation where `page` has a task that `query` doesn't match, or more than `limit` tasks.

    An adapter that doesn't know a new filter would give the tasks that it was to leave out.
    """
    if len(page.tasks) > limit:
        raise ContractViolation(f"Asked for at most {limit} tasks, the store gave {len(page.tasks)}.")
    if query.conditions():
        for task in page.tasks:
            if not query.matches(task):
                raise ContractViolation(f"Asked for the tasks of {query}, the store gave task {task.id}.")


def check_count(count: int) -> None:
    """Raises ContractViolation where `count` isn't a number of tasks."""
    if type(count) is not int or count < 0:
        raise ContractViolation(f"Asked how many tasks there are, the store gave {count!r}.")


def check_changes(page: ChangePage, since: Position) -> None:
    """Raises ContractViolation where `page` is not what comes next in the log; a reader would go round in circles."""
    if page.next.seq != since.seq + len(page.changes) or (page.more and not page.changes):
        raise ContractViolation(
            f"Asked for the changes after {since.seq}, the store gave {len(page.changes)} and the end {page.next.seq}."
        )


def check_task_changes(page: ChangePage, task_id: int, since: Position) -> None:
    """Raises ContractViolation where `page` has changes of other tasks, or leads to nowhere."""
    numbers = [change.seq for change in page.changes]
    if (
        any(change.task_id != task_id for change in page.changes)
        or numbers != sorted({number for number in numbers if number > since.seq})
        or page.next.seq < max([since.seq, *numbers])
        or (page.more and not numbers)
    ):
        raise ContractViolation(
            f"Asked for the changes of task {task_id} after {since.seq}, the store gave {numbers} and the end"
            f" {page.next.seq}."
        )
