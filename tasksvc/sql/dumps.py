"""The entries of a dump, in batches of bounded size."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from typing import Final, NamedTuple, assert_never

from tasksvc import (
    STORE,
    Change,
    Entry,
    IdempotencyRecord,
    Record,
    StoreEntry,
    StoreHeader,
    Task,
    WorkspaceHeader,
    json_size,
)
from tasksvc.sql.rows import (
    CHANGE_COLUMNS,
    IDEMPOTENCY_RECORD_COLUMNS,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    Row,
    change_from_row,
    idempotency_record_from_row,
    record_from_row,
    task_from_row,
)

BATCH_ENTRIES: Final = 1_000
"""The most entries of a batch."""
BATCH_BYTES: Final = 2**20
"""The bytes of JSON after which a batch ends; a single entry may have 155 KB, and an idempotency key 8 MB."""


class DumpPart(NamedTuple):
    """The entries of one kind in a dump."""

    table: str
    columns: Sequence[str]
    key: Sequence[str]
    """The columns by which the rows are ordered, among those of the store or of one workspace."""
    from_row: Callable[[Row], Entry]
    """Makes an entry of a row with `columns`."""

    def select(self, where: str = "", quote: Callable[[str], str] = str) -> str:
        """Returns the statement for the rows in their order, or for those that meet the condition `where`.

        `quote` is as in Dialect.
        """
        columns, order = (", ".join(map(quote, names)) for names in (self.columns, self.key))
        condition = where and f" WHERE {where}"
        return f"SELECT {columns} FROM {self.table}{condition} ORDER BY {order}"


STORE_DUMP: Final = (DumpPart("records", RECORD_COLUMNS, ("namespace", "key"), record_from_row),)
"""What follows the StoreHeader in a dump, in its order."""
WORKSPACE_DUMP: Final = (
    DumpPart("tasks", TASK_COLUMNS, ("id",), task_from_row),
    DumpPart("idempotency_keys", IDEMPOTENCY_RECORD_COLUMNS, ("scope", "value"), idempotency_record_from_row),
    DumpPart("changes", CHANGE_COLUMNS, ("seq",), change_from_row),
)
"""What follows the WorkspaceHeader of each workspace in a dump, in its order."""


class Batch(NamedTuple):
    """Entries of a dump by their kind; what belongs to a workspace comes with its name."""

    headers: list[StoreHeader]
    records: list[Record]
    workspaces: list[tuple[str, WorkspaceHeader]]
    tasks: list[tuple[str, Task]]
    idempotency_records: list[tuple[str, IdempotencyRecord]]
    changes: list[tuple[str, Change]]


async def batches(
    entries: AsyncIterable[StoreEntry], *, max_entries: int = BATCH_ENTRIES, max_bytes: int = BATCH_BYTES
) -> AsyncIterator[Batch]:
    """Yields `entries` in batches, in their order; a batch ends after `max_entries`, or after `max_bytes` of JSON.

    Raises ValueError where an entry of a workspace comes before the header of the workspace.
    """
    gathered: list[StoreEntry] = []
    size = 0
    known = {STORE}
    async for unit in entries:
        name, entry = unit
        if isinstance(entry, WorkspaceHeader):
            known.add(name)
        elif name not in known:
            kind = type(entry).__name__
            raise ValueError(f"A {kind} of the workspace {name!r} comes before the header of the workspace.")
        gathered.append(unit)
        size += _size(entry)
        if len(gathered) == max_entries or size > max_bytes:
            yield by_kind(gathered)
            gathered, size = [], 0
    if gathered:
        yield by_kind(gathered)


def by_kind(entries: Iterable[StoreEntry]) -> Batch:
    """Returns `entries` by their kind, each kind in its order."""
    batch = Batch([], [], [], [], [], [])
    for name, entry in entries:
        match entry:
            case StoreHeader():
                batch.headers.append(entry)
            case Record():
                batch.records.append(entry)
            case WorkspaceHeader():
                batch.workspaces.append((name, entry))
            case Task():
                batch.tasks.append((name, entry))
            case IdempotencyRecord():
                batch.idempotency_records.append((name, entry))
            case Change():
                batch.changes.append((name, entry))
            case _:
                assert_never(entry)
    return batch


def _size(entry: Entry) -> int:
    match entry:
        case Task():
            return json_size(entry)
        case Change():
            return json_size(entry.task)
        case IdempotencyRecord(_, _, results):
            return sum(json_size(result) for result in results if isinstance(result, Task))
    return 0
