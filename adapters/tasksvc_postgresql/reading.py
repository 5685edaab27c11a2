"""Reads what a ledger must know to decide commits, in their transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from tasksvc import (
    Commit,
    Entry,
    Ledger,
    Reading,
    ReadSet,
    Record,
    Task,
    effective_generation,
    in_turns,
    read_set,
)
from tasksvc.sql import Row, clamp_int64, load_idempotency_record, record_from_row, task_from_row
from tasksvc_postgresql.history import read_versions
from tasksvc_postgresql.rows import (
    IDEMPOTENCY_RECORD_COLUMNS,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    lookup,
    transpose,
)
from tasksvc_postgresql.session import Session

HEADS_AND_TASKS: Final = f"""
    SELECT workspaces.name, key, generation, workspaces.epoch, store.epoch, last_id, last_seq, task_count, found.*
    FROM unnest($1::text[], $2::bigint[], $3::text[]) AS wanted (name, task_id, term)
    JOIN workspaces ON workspaces.name = wanted.name CROSS JOIN store LEFT JOIN LATERAL (
        SELECT wanted.task_id AS id WHERE wanted.task_id IS NOT NULL
        UNION ALL
        (SELECT task_id FROM task_terms WHERE workspace = key AND term = wanted.term LIMIT $4)
    ) AS listed ON true LEFT JOIN {lookup(f"seq, {TASK_COLUMNS}", "tasks", "id = listed.id")} ON true
"""
"""The rows of workspaces, each with the task of an id, with at most $4 tasks of a term, or with neither."""
_IDEMPOTENCY_RECORDS: Final = f"""
    SELECT workspaces.name, found.*
    FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (name, wanted_scope, wanted_value)
    JOIN workspaces ON workspaces.name = wanted.name
    CROSS JOIN {lookup(IDEMPOTENCY_RECORD_COLUMNS, "idempotency_keys", "scope = wanted_scope", "value = wanted_value")}
"""
_RECORDS: Final = f"""
    SELECT {RECORD_COLUMNS} FROM records WHERE (namespace, key) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""
_EPOCH: Final = "SELECT epoch FROM store"

RecordName = tuple[str, str]


class Head(NamedTuple):
    """The row of a workspace.

    Without a row, `key` is None.  `generation` is "" as long as the workspace isn't made.
    """

    key: int | None = None
    generation: str = ""
    epoch: str = ""
    store_epoch: str = ""
    last_id: int = 0
    last_seq: int = 0
    task_count: int = 0

    def ledger(self, records: dict[RecordName, Record]) -> Ledger:
        """Returns a ledger of the workspace, which knows `records` and nothing else."""
        generation = effective_generation(self.generation, self.epoch, self.store_epoch)
        return Ledger(
            generation,
            self.store_epoch,
            last_id=self.last_id,
            last_seq=self.last_seq,
            task_count=self.task_count,
            records=records,
        )


class Known:
    """What is known in one workspace for the commits there."""

    def __init__(self, commits: Sequence[Commit]) -> None:
        self.head = Head()
        """The row of the workspace, once it is read."""
        self.reading = Reading(commits)
        self.named: ReadSet = self.reading.next() or read_set(())
        """What the commits name by themselves."""
        self.idempotency_records: list[Entry] = []
        self.last_changes: dict[int, int] = {}
        """For each task that was read, and each one that a commit restores, the number of its last change."""

    def ledger(self, records: dict[RecordName, Record]) -> Ledger:
        """Returns a ledger of the workspace that knows all this, and `records`."""
        ledger = self.head.ledger(records)
        ledger.apply(self.idempotency_records)
        ledger.know(self.reading)
        return ledger


async def read_known(session: Session, known: Mapping[str, Known], locked: Iterable[str]) -> dict[RecordName, Record]:
    """Reads what commits need, by their workspaces, of which those `locked` have a row.  Returns the records.

    Each statement has a snapshot of its own (READ COMMITTED), taken after the locks.
    """
    asked = {name: known[name].named for name in locked}
    keys = [(name, *key) for name, names in asked.items() for key in names.idempotency_keys]
    while asked:
        await _read_tasks(session, known, asked)
        await _read_changes(session, known, asked)
        asked = {name: names for name in asked if (names := known[name].reading.next()) is not None}
    rowless = [each for each in known.values() if each.head.key is None]
    if rowless:
        ((store_epoch,),) = await session.fetch(_EPOCH)
        for each in rowless:
            each.head = Head(store_epoch=store_epoch)
    if keys:
        for name, *row in await session.fetch(_IDEMPOTENCY_RECORDS, *transpose(keys, 3)):
            known[name].idempotency_records.append(await load_idempotency_record(row))
    record_names = {record for each in known.values() for record in each.named.records}
    if not record_names:
        return {}
    records = map(record_from_row, await session.fetch(_RECORDS, *transpose(record_names, 2)))
    return {(record.namespace, record.key): record for record in records}


async def _read_tasks(session: Session, known: Mapping[str, Known], asked: Mapping[str, ReadSet]) -> None:
    """Reads the rows of workspaces, and the tasks that are asked for by their ids and terms."""
    wanted: list[Row] = []
    for name, names in asked.items():
        wanted.append((name, None, None))
        wanted += [(name, task_id, None) for task_id in names.task_ids if clamp_int64(task_id) == task_id]
        wanted += [(name, None, term) for term in names.terms]
    term_limit = max(known[name].reading.term_limit for name in asked)
    rows = await session.fetch(HEADS_AND_TASKS, *transpose(wanted, 3), term_limit)
    found = [row for row in rows if row[8] is not None]
    tasks: dict[str, list[Task]] = {}
    for (name, *row), task in zip(found, await in_turns(task_from_row, [row[9:] for row in found]), strict=True):
        tasks.setdefault(name, []).append(task)
        known[name].last_changes[task.id] = row[7]
    for row in rows:
        known[row[0]].head = Head(*row[1:8])
    for name, those in tasks.items():
        known[name].reading.add(tasks=those)


async def _read_changes(session: Session, known: Mapping[str, Known], asked: Mapping[str, ReadSet]) -> None:
    """Reads the changes of tasks that are asked for."""
    wanted = [
        (name, task_id, version)
        for name, names in asked.items()
        for task_id, versions in names.versions.items()
        for version in versions
    ]
    if wanted:
        for name, changes in (await read_versions(session, wanted)).items():
            known[name].reading.add(changes=changes)
            known[name].last_changes |= {change.task_id: change.seq for change in changes}
