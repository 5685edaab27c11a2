"""The lists of a workspace: which there are, and how much is in them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import NamedTuple

from tasksvc.application.contract_checks import check_lists
from tasksvc.application.tasks import ALL_TASKS, Caller, Tasks, Turns
from tasksvc.domain.query import TaskQuery
from tasksvc.ports.store import ListSummary, TaskRepository


class ListPage(NamedTuple):
    """A page of the lists of a workspace."""

    lists: Sequence[ListSummary]
    next: str | None
    """The name after which they go on; None at their end."""


async def find_lists(
    repository: TaskRepository, turns: Turns, *, caller: Caller, after: str = "", limit: int
) -> ListPage:
    """Returns a page of the lists whose names come after `after`, when it's the turn of `caller`.

    Raises what Tasks.count() raises, and ContractViolation where the store gives others.
    """
    find = partial(repository.lists, after=after, limit=limit + 1)
    found = await turns.at(ALL_TASKS).run(caller(), find)
    check_lists(found, after, limit + 1)
    shown = found[:limit]
    return ListPage(shown, shown[-1].name if len(found) > limit else None)


async def iter_lists(
    repository: TaskRepository, turns: Turns, *, caller: Caller, after: str | None = "", page_size: int
) -> AsyncGenerator[Sequence[ListSummary], None]:
    """Yields the lists after `after` page by page; nothing where `after` is their end."""
    while after is not None:
        page = await find_lists(repository, turns, caller=caller, after=after, limit=page_size)
        yield page.lists
        after = page.next


async def summarize_list(tasks: Tasks, name: str, *, caller: Caller) -> ListSummary:
    """Returns how much is in the list `name`, which may have no task.  Raises what Tasks.count() raises."""
    unfinished, finished = [await tasks.count(TaskQuery(list=name, done=done), caller=caller) for done in (False, True)]
    return ListSummary(name, unfinished, unfinished + finished)
