"""The code of docs/adapters.md for a store behind a network, with a driver that loses connections and refuses."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any

import pytest
from pages import Page

from tasksvc import OutcomeUnknown, StoreFull, StoreUnavailable

SECTION = Page.named("docs/adapters.md").text.partition("### A store behind a network\n")[2]


class Error(Exception):
    """An error of the driver; without a code, the connection was lost."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class Connection:
    """A connection of the driver."""

    errors: list[tuple[str, Error]] = []  # noqa: RUF012  # each test has a list of its own
    sent: list[str] = []  # noqa: RUF012

    def __init__(self) -> None:
        self._closed = False

    @classmethod
    async def connect(cls) -> Connection:
        return cls()

    async def execute(self, statement: str) -> None:
        await self.fetch(statement)

    async def fetch(self, statement: str) -> str:
        self.sent.append(statement)
        if self.errors and statement.startswith(self.errors[0][0]):
            raise self.errors.pop(0)[1]
        return "rows"

    def is_closed(self) -> bool:
        return self._closed

    def terminate(self) -> None:
        self._closed = True

    async def close(self) -> None:
        self._closed = True


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> type[Connection]:
    """The driver that the page imports, as the class of its connections."""
    module: Any = ModuleType("mydriver")
    module.Connection, module.Error, module.DISK_FULL, module.DEADLOCK = Connection, Error, 1, 2
    monkeypatch.setitem(sys.modules, "mydriver", module)
    monkeypatch.setattr(Connection, "errors", [])
    monkeypatch.setattr(Connection, "sent", [])
    return Connection


@pytest.fixture
def page(driver: type[Connection]) -> dict[str, Any]:
    """The names that the block of the page defines."""
    block = re.search(r"```python\n(.*?)```", SECTION, re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {}
    exec(block[1], names)  # noqa: S102
    return names


async def test_the_code_reads_and_writes(page: dict[str, Any], driver: type[Connection]) -> None:
    executor = page["executor_of"]("db:")

    assert await executor.run(page["read"]) == "rows"
    await executor.transact(page["write"], commit=page["commit"])

    assert [statement.partition(" ")[0] for statement in driver.sent] == ["SELECT", "BEGIN", "SELECT", "COMMIT"]
    await executor.close()


@pytest.mark.parametrize(
    ("statement", "error", "expected"),
    [
        ("COMMIT", Error("lost"), OutcomeUnknown),
        ("COMMIT", Error("full", 1), StoreFull),
        ("COMMIT", Error("deadlock", 2), None),
        ("SELECT", Error("lost"), None),
        ("SELECT", Error("deadlock", 2), None),
        ("SELECT", Error("syntax", 3), StoreUnavailable),
    ],
)
async def test_the_code_tells_an_unknown_outcome_from_nothing_written(
    page: dict[str, Any], driver: type[Connection], statement: str, error: Error, expected: type[Exception] | None
) -> None:
    executor = page["executor_of"]("db:")
    driver.errors.append((statement, error))

    raised: Exception | None = None
    try:
        await executor.transact(page["write"], commit=page["commit"])
    except StoreUnavailable as failure:
        raised = failure

    assert (None if raised is None else type(raised)) is expected
    assert driver.sent.count("BEGIN") == (1 if expected else 2), "it is done again where that may help"
    await executor.close()
