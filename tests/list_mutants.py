"""Stores with one fault each in what lists there are, and the test of the kit that must fail on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from mutants import ContractViolation

from tasksvc import DEFAULT_LIST, ListSummary, StoreEntry, Task


class ListsOtherwise(ContractViolation):
    """The base of mutants that tell other lists than there are."""

    def change(self, lists: list[ListSummary]) -> list[ListSummary]:
        """Returns the lists that a caller gets instead of all those of the workspace."""
        return lists

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        whole = self.change(list(await super().lists(limit=1_000)))
        return [found for found in whole if found.name > after][:limit]


class ListsByLetters(ListsOtherwise):
    caught_by = "test_lists_are_in_the_order_of_their_code_points"

    def change(self, lists: list[ListSummary]) -> list[ListSummary]:
        return sorted(lists, key=lambda found: found.name.casefold())


class ListsByUTF16(ListsOtherwise):
    caught_by = "test_lists_are_in_the_order_of_their_code_points"

    def change(self, lists: list[ListSummary]) -> list[ListSummary]:
        return sorted(lists, key=lambda found: found.name.encode("utf-16-be"))


class ListsTheInboxLast(ListsOtherwise):
    caught_by = "test_lists_are_in_the_order_of_their_code_points"

    def change(self, lists: list[ListSummary]) -> list[ListSummary]:
        return sorted(lists, key=lambda found: (found.name == DEFAULT_LIST, found.name))


class ListsNamesOfOneCaseOnce(ListsOtherwise):
    caught_by = "test_lists_are_in_the_order_of_their_code_points"

    def change(self, lists: list[ListSummary]) -> list[ListSummary]:
        return sorted({found.name.lower(): found for found in lists}.values())


class LeavesOutTheLastList(ListsOtherwise):
    caught_by = "test_a_list_has_its_open_tasks_and_all_of_them_counted"

    def change(self, lists: list[ListSummary]) -> list[ListSummary]:
        return lists[:-1]


class LeavesOutTheInbox(ListsOtherwise):
    caught_by = "test_a_list_has_its_open_tasks_and_all_of_them_counted"

    def change(self, lists: list[ListSummary]) -> list[ListSummary]:
        return [found for found in lists if found.name != DEFAULT_LIST]


class CountsTasksThatAreDoneAsOpen(ListsOtherwise):
    caught_by = "test_a_list_has_its_open_tasks_and_all_of_them_counted"

    def change(self, lists: list[ListSummary]) -> list[ListSummary]:
        return [found._replace(open=found.total) for found in lists]


class CountsOpenTasksAlone(ListsOtherwise):
    caught_by = "test_a_list_has_its_open_tasks_and_all_of_them_counted"

    def change(self, lists: list[ListSummary]) -> list[ListSummary]:
        return [found._replace(total=found.open) for found in lists]


class LeavesOutListsThatAreDone(ListsOtherwise):
    caught_by = "test_lists_follow_what_is_written"

    def change(self, lists: list[ListSummary]) -> list[ListSummary]:
        return [found for found in lists if found.open]


class AlwaysListsAnInbox(ListsOtherwise):
    caught_by = "test_a_workspace_without_an_inbox_lists_none"

    def change(self, lists: list[ListSummary]) -> list[ListSummary]:
        return sorted(lists) if any(f.name == DEFAULT_LIST for f in lists) or not lists else [*lists, _NO_INBOX]


class ListsTheInboxOfEachPage(ContractViolation):
    """Adds the inbox to each page after whose start it comes."""

    caught_by = "test_pages_of_lists_join_up"

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        whole = await super().lists(after=after, limit=1_000)
        inbox = [found for found in whole if found.name == DEFAULT_LIST]
        return sorted([*[found for found in whole if found.name != DEFAULT_LIST][:limit], *inbox])


class RepeatsTheListBefore(ContractViolation):
    caught_by = "test_pages_of_lists_join_up"

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        return [found for found in await super().lists(limit=1_000) if found.name >= after][:limit]


class SkipsAList(ContractViolation):
    caught_by = "test_pages_of_lists_join_up"

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        return (await super().lists(after=after, limit=1_000))[1 if after else 0 :][:limit]


class GoesOnAfterListsThatExist(ContractViolation):
    caught_by = "test_pages_of_lists_join_up"

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        exists = not after or any(task.list == after for task in self._tasks.values())
        return await super().lists(after=after, limit=limit) if exists else []


class GivesOneListMore(ContractViolation):
    caught_by = "test_pages_of_lists_join_up"

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        return await super().lists(after=after, limit=limit + 1)


class CountsOtherTasks(ContractViolation):
    """The base of mutants that count other tasks than those of the workspace."""

    def counted(self) -> Iterable[Task]:
        raise NotImplementedError

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        return summaries(self.counted(), after, limit)


class CountsTheFirstTasks(CountsOtherTasks):
    caught_by = "test_lists_equal_what_the_tasks_say"

    def counted(self) -> Iterable[Task]:
        return list(self._tasks.values())[:50]


class ListsDeletedTasks(CountsOtherTasks):
    caught_by = "test_lists_follow_what_is_written"

    def counted(self) -> Iterable[Task]:
        return {change.task_id: change.task for change in self._log if change.task is not None}.values()


class CountsTasksWhereTheyWereCreated(CountsOtherTasks):
    caught_by = "test_lists_follow_what_is_written"

    def counted(self) -> Iterable[Task]:
        first = {change.task_id: change.task for change in reversed(self._log) if change.task is not None}
        return [first[task_id] for task_id in self._tasks]


class CountsTasksOfAllWorkspaces(CountsOtherTasks):
    caught_by = "test_each_workspace_has_its_own_lists"

    def counted(self) -> Iterable[Task]:
        return [task for workspace in self._memory.workspaces.values() for task in workspace.tasks.values()]


class CountsWhatIsWrittenSinceItWasOpened(CountsOtherTasks):
    caught_by = "test_lists_are_known_after_a_reopening"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self.old = {id(task) for workspace in self._memory.workspaces.values() for task in workspace.tasks.values()}

    def counted(self) -> Iterable[Task]:
        return [task for task in self._tasks.values() if id(task) not in self.old]


class CountsTheInboxLater(ContractViolation):
    """Counts the tasks of the inbox after those of other lists."""

    caught_by = "test_lists_are_of_one_snapshot"

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        others = summaries([task for task in self._tasks.values() if task.list != DEFAULT_LIST], after, limit)
        for _ in range(5):
            await asyncio.sleep(0)
        inbox = summaries([task for task in self._tasks.values() if task.list == DEFAULT_LIST], after, limit)
        return sorted([*others, *inbox])[:limit]


def summaries(tasks: Iterable[Task], after: str, limit: int) -> list[ListSummary]:
    """Returns the lists of some tasks."""
    names: dict[str, list[bool]] = {}
    for task in tasks:
        names.setdefault(task.list, []).append(task.done)
    found = [ListSummary(name, done.count(False), len(done)) for name, done in sorted(names.items()) if name > after]
    return found[:limit]


_NO_INBOX = ListSummary(DEFAULT_LIST, 0, 0)

LIST_MUTANTS = [found for found in list(globals().values()) if isinstance(found, type) and "caught_by" in vars(found)]
