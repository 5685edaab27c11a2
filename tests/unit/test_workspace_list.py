"""The list of workspaces, and stores that give another one than was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from tasksvc import CreateTask, InMemoryRepository, TaskDraft, WorkspaceSummary
from tasksvc.application.contract_checks import ContractViolation
from tasksvc.application.workspaces import find_workspaces, iter_workspaces

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
NAMES = ("a", "b", "u_1", "u_2", "u_3")


class Liar(InMemoryRepository):
    """Leaves out one of the conditions of a list of workspaces."""

    def __init__(self, lie: str) -> None:
        super().__init__()
        self.lie = lie

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        conditions = {"prefix": prefix, "after": after, "limit": limit} | {self.lie: 99 if self.lie == "limit" else ""}
        found = await super().workspaces(**{name: value for name, value in conditions.items() if name != "order"})  # type: ignore[arg-type]
        return found[::-1] if self.lie == "order" else found


async def filled(store: InMemoryRepository) -> InMemoryRepository:
    for name in NAMES:
        await store.workspace(name).commit([CreateTask(TaskDraft("x"))], at=NOW)
    return store


async def test_a_whole_list_is_read_page_by_page() -> None:
    store = await filled(InMemoryRepository())

    async with aclosing(iter_workspaces(store, prefix="u_", page_size=2)) as pages:
        names = [[each.name for each in page] async for page in pages]

    assert names == [["u_1", "u_2"], ["u_3"]]


@pytest.mark.parametrize(("lie", "after"), [("prefix", "b"), ("after", "u_1"), ("limit", ""), ("order", "")])
async def test_a_list_that_was_not_asked_for_is_not_passed_on(lie: str, after: str) -> None:
    store = await filled(Liar(lie))

    with pytest.raises(ContractViolation, match="the store gave"):
        await find_workspaces(store, prefix="u_", after=after, limit=1)
