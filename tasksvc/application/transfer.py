"""All that a store holds, out of it and into another: copies, exports and imports, each with a checksum.

An export is JSON Lines: one that says what it is, one for each entry of a dump, and one with the
count and the checksum of those, so that a file that was cut or changed is noticed.  It holds
neither the generation of the store nor the time, so equal stores have equal exports.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar

from tasksvc.application.consistency import inconsistencies
from tasksvc.application.plugin_namespaces import is_secret, plugin_of
from tasksvc.application.well_formed import malformed
from tasksvc.domain.change import Change, new_generation
from tasksvc.domain.errors import StoreUnavailable, TasksvcError
from tasksvc.domain.query import TaskQuery
from tasksvc.domain.record import Record
from tasksvc.domain.task import Task
from tasksvc.domain.workspace import DEFAULT_WORKSPACE, effective_generation
from tasksvc.domain.writes import STORE, Entry, IdempotencyRecord, StoreEntry, StoreHeader, WorkspaceHeader
from tasksvc.ports.store import StoreReader, TaskRepository
from tasksvc.stores import codec
from tasksvc.stores.formats import upgrade_entry

OPENING: Final = b'{"tasksvc":"export","format":'
"""The beginning of an export, before the number of its format, which is that of the entries (`codec.FORMAT`)."""
_OPENING_MAX: Final = 100
"""The bytes that are read of a first line at most."""
_LINE_MAX: Final = 2**28
"""Bytes.  The longest line that is known is the answer to a large batch, which an idempotency key keeps."""
_REPORT_EVERY: Final = 1_000
"""Entries between two reports of progress."""

_T = TypeVar("_T")
Progress = Callable[[str, float], None]
"""Receives what is being done, and the fraction that is done, from 0 to 1."""


class InvalidExport(TasksvcError):
    """The file isn't an export, or it was changed since it was written."""


class NoSuchWorkspace(TasksvcError):
    """The store or the export has no workspace of that name."""


class SameStore(TasksvcError):
    """A store cannot be copied to itself."""


class CopyVerificationFailed(TasksvcError):
    """What was written is not what is there when it is read again."""


class Summary(NamedTuple):
    """What a store holds, in figures."""

    tasks: int
    records: int
    idempotency_keys: int
    changes: int
    workspaces: int
    checksum: str
    """SHA-256 of their lines in an export, in hexadecimal; equal for stores that hold the same."""
    secrets: int = 0
    """Secrets of plugins that an export leaves out."""


def silent(step: str, share: float) -> None:
    """Progress that nobody looks at."""


# ---------------------------------------------------------------- what is done with a store


async def copy(source: StoreReader, target: TaskRepository, *, progress: Progress = silent) -> Summary:
    """Copies all that `source` holds at one moment to `target`, which is empty, and reads it again to compare.

    Raises StoreNotEmpty, with nothing done, SameStore and CopyVerificationFailed.
    """
    own = (await target.find(TaskQuery(), limit=1)).position.generation

    async def entries() -> AsyncIterator[StoreEntry]:
        epoch = ""
        async with _closing(source.dump()) as dump:
            async for unit in dump:
                name, entry = unit
                if isinstance(entry, StoreHeader):
                    epoch = entry.epoch
                elif (
                    isinstance(entry, WorkspaceHeader)
                    and name == DEFAULT_WORKSPACE
                    and effective_generation(entry.generation, entry.epoch, epoch) == own
                ):
                    raise SameStore("This is one store under two names. Copy to another one.")
                yield unit

    return await _fill(target, entries(), "copying", progress)


async def export_to(
    file: BinaryIO, source: StoreReader, *, workspace: str | None = None, progress: Progress = silent
) -> Summary:
    """Writes an export of all that `source` holds at one moment, or of one `workspace` of it.

    The secrets of plugins are left out.  The export of a workspace is that of a store which holds nothing else.  Raises
    what the file raises, and NoSuchWorkspace.
    """
    tally = _Tally("exporting", progress)
    secrets = 0
    file.write(b"%b%d}\n" % (OPENING, codec.FORMAT))
    async with _closing(source.dump() if workspace is None else _alone(workspace, source.dump())) as dump:
        async for entry in dump:
            if isinstance(entry.entry, Record) and is_secret(entry.entry.namespace):
                secrets += 1
            else:
                file.write(tally.line(entry))
                await tally.report(entry)
    file.write(tally.last_line())
    return tally.summary()._replace(secrets=secrets)


async def _alone(workspace: str, dump: AsyncIterator[StoreEntry]) -> AsyncIterator[StoreEntry]:
    """Yields the dump of a store that holds one workspace of `dump`, and an empty default one."""
    found = False
    async with _closing(dump) as entries:
        async for entry in entries:
            if entry.workspace > max(workspace, DEFAULT_WORKSPACE):  # workspaces come by name
                break
            if isinstance(entry.entry, StoreHeader) or entry.workspace == workspace:
                found = found or entry.workspace == workspace
                yield entry
            elif entry.workspace == DEFAULT_WORKSPACE and isinstance(entry.entry, WorkspaceHeader):
                yield StoreEntry(DEFAULT_WORKSPACE, WorkspaceHeader("", ""))
    if not found:
        raise NoSuchWorkspace(f"There is no workspace {workspace}, so there is nothing to export.")


async def verify(file: BinaryIO, *, progress: Progress = silent) -> None:
    """Raises InvalidExport where `file` isn't what was exported, or where that is nothing that a store can hold.

    It is read from its start, twice: first for its checksum, so that a file that was cut or changed
    isn't taken for one that contradicts itself.
    """
    size = file.seek(0, os.SEEK_END)

    async def lines(before: float) -> AsyncIterator[bytes]:
        count = 0
        async with _closing(_entry_lines(file)) as found:
            async for line in found:
                yield line
                count += 1
                if count % _REPORT_EVERY == 0:
                    progress("verifying", before + file.tell() / size / 2)
                    await asyncio.sleep(0)

    async for _ in lines(0):
        pass
    async with _closing(_entries_of(file, lambda: lines(0.5))) as passing:
        async for problem in inconsistencies(passing):
            raise InvalidExport(f"The export contradicts itself: {problem} Export the store again, or check it first.")


async def entries_of(file: BinaryIO) -> AsyncGenerator[StoreEntry, None]:
    """Yields the entries of an export that verify() found good.  Raises InvalidExport if it has changed since."""
    async with _closing(_entries_of(file, lambda: _entry_lines(file))) as entries:
        async for entry in entries:
            yield entry


async def import_from(file: BinaryIO, target: TaskRepository, *, progress: Progress = silent) -> Summary:
    """Fills `target`, which is empty, from an export that verify() found good, and reads it again to compare.

    Raises InvalidExport, if the file has changed since, and StoreNotEmpty, with nothing done, and
    CopyVerificationFailed.
    """
    return await _fill(target, _entries_of(file, lambda: _entry_lines(file)), "importing", progress)


async def summarize(source: StoreReader, *, progress: Progress = silent) -> Summary:
    """Returns what `source` holds."""
    tally = _Tally("reading", progress)
    async for _ in tally.passing(source.dump()):
        pass
    return tally.summary()


async def check(
    source: StoreReader, *, of_plugins: list[Record] | None = None, progress: Progress = silent
) -> AsyncIterator[str]:
    """Yields what is wrong with a store, a sentence each: first underneath, then in what it holds.

    The records of plugins are added to `of_plugins`.
    """
    for problem in await source.check():
        yield problem
    tally = _Tally("checking", progress)
    try:
        dump = _noting(tally.passing(source.dump()), [] if of_plugins is None else of_plugins)
        async with _closing(dump) as noted:
            async for problem in inconsistencies(noted):
                yield problem
    except StoreUnavailable as error:
        yield f"The rest cannot be read: {error}"


async def _noting(entries: AsyncIterator[StoreEntry], of_plugins: list[Record]) -> AsyncIterator[StoreEntry]:
    """Yields the same entries, and adds the records of plugins to a list."""
    async with _closing(entries):
        async for entry in entries:
            if isinstance(entry.entry, Record) and plugin_of(entry.entry.namespace) is not None:
                of_plugins.append(entry.entry)
            yield entry


async def _fill(target: TaskRepository, entries: AsyncIterable[StoreEntry], step: str, progress: Progress) -> Summary:
    tally = _Tally(step, progress)
    async with _closing(tally.passing(entries)) as passing:
        await target.restore(passing)
    written, found = tally.summary(), await summarize(target, progress=progress)
    if found != written:
        raise CopyVerificationFailed(
            "What was written and what is there now differ, though the store reported no error."
            " Either somebody else has written to it meanwhile, or its adapter is at fault. Do not use the copy."
        )
    return written


@asynccontextmanager
async def _closing(entries: AsyncIterable[_T]) -> AsyncIterator[AsyncIterable[_T]]:
    """Closes a generator at once where it is not read to its end, and not when somebody collects it."""
    try:
        yield entries
    finally:
        if isinstance(entries, AsyncGenerator):
            await entries.aclose()


# ---------------------------------------------------------------- lines


def _line(entry: StoreEntry) -> bytes:
    value = codec.entry_to_json(entry)
    for kind, names in _LEFT_OUT.items():
        for name in names if kind in value else ():
            del value[kind][name]
    return codec.dump_line(value)


def _entries(line: bytes, number: int) -> Iterator[StoreEntry]:
    """Yields the entry in `line`, which is of format `number`, or several.  Raises InvalidExport."""
    try:
        values = upgrade_entry(codec.loads(line), number)
    except _UNREADABLE as error:
        raise _unreadable() from error
    for value in values:
        yield _entry(value, is_present_format=number == codec.FORMAT)


def _entry(value: dict[str, Any], *, is_present_format: bool) -> StoreEntry:
    try:
        if "store" in value:
            value["store"]["epoch"] = ""  # which restore() replaces
        if "header" in value:
            value["header"].update(generation=new_generation(), epoch="")
        entry = codec.entry_from_json(value)
        problem = malformed(entry)
        is_whole = not is_present_format or codec.loads(codec.dumps(codec.entry_to_json(entry))) == value
    except _UNREADABLE as error:
        raise _unreadable() from error
    if problem is not None:
        raise InvalidExport(f"The export holds what no store can keep: {problem}")
    if not is_whole:  # it has members that would be lost
        raise _unreadable()
    return entry


_LEFT_OUT: Final = {"store": ("epoch",), "header": ("generation", "epoch")}
"""What an export leaves out of an entry of each kind, since equal stores differ in it."""
_UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""What is raised where a line isn't an entry."""


def _unreadable() -> InvalidExport:
    return InvalidExport("The export holds a line that this version cannot read. Use the version that wrote it.")


def _last_line(entries: int, checksum: str) -> bytes:
    return codec.dumps({"end": {"entries": entries, "sha256": checksum}}) + b"\n"


class _Tally:
    """Counts entries on their way, and takes their checksum."""

    def __init__(self, step: str, progress: Progress) -> None:
        self._step, self._progress = step, progress
        self._kinds: Counter[type[Entry]] = Counter()
        self._count = 0
        self._sum = hashlib.sha256()
        self._header = WorkspaceHeader("", "")

    def line(self, entry: StoreEntry) -> bytes:
        """Returns the line of `entry`, which is counted."""
        line = _line(entry)
        self._sum.update(line)
        self._kinds[type(entry.entry)] += 1
        self._count += 1
        if isinstance(entry.entry, WorkspaceHeader):
            self._header = entry.entry
        return line

    async def report(self, entry: StoreEntry) -> None:
        """Reports progress every _REPORT_EVERY entries, and lets others have a turn."""
        if self._count % _REPORT_EVERY == 0:
            self._progress(self._step, self._share(entry.entry))
            await asyncio.sleep(0)

    def _share(self, entry: Entry) -> float:
        """Returns the fraction of the workspace that is done, by the numbers of the entries.

        They aren't counted before, and neither are workspaces.
        """
        _, _, last_id, last_seq, pruned_seq = self._header
        match entry:
            case Task():
                done = entry.id
            case Change():
                done = last_id + entry.seq - pruned_seq
            case _:
                done = last_id
        return done / max(last_id + last_seq - pruned_seq, 1)

    async def passing(self, entries: AsyncIterable[StoreEntry]) -> AsyncIterator[StoreEntry]:
        """Yields the same entries, which are counted."""
        async with _closing(entries):
            async for entry in entries:
                self.line(entry)
                await self.report(entry)
                yield entry

    def last_line(self) -> bytes:
        """Returns the last line of an export of the entries until now."""
        return _last_line(self._count, self._sum.hexdigest())

    def summary(self) -> Summary:
        """Returns what the entries until now hold."""
        tasks, records, keys, changes, workspaces = (
            self._kinds[kind] for kind in (Task, Record, IdempotencyRecord, Change, WorkspaceHeader)
        )
        return Summary(tasks, records, keys, changes, workspaces, self._sum.hexdigest())


# ---------------------------------------------------------------- reading an export


def _format_of(file: BinaryIO) -> int:
    """Reads the first line of `file`, and returns the number of its format.  Raises InvalidExport."""
    file.seek(0)
    first = file.readline(_OPENING_MAX)
    if not first.startswith(OPENING):
        raise InvalidExport("This isn't an export of tasksvc. Name another file.")
    number = first.removeprefix(OPENING).removesuffix(b"}\n").decode("ascii", "replace")
    if not number.isdecimal():
        raise InvalidExport("The first line of the export is damaged. Use another copy.")
    if not 1 <= int(number) <= codec.FORMAT:
        raise InvalidExport(
            f"The export was written by a newer tasksvc: it has format {number}, and this one reads formats up to"
            f" {codec.FORMAT}. Upgrade tasksvc."
        )
    return int(number)


async def _entries_of(file: BinaryIO, read_lines: Callable[[], AsyncIterable[bytes]]) -> AsyncIterator[StoreEntry]:
    """Yields the entries of an export in the order of a dump; `read_lines` reads its lines from the start.

    Up to format 3 what belongs to the store came after tasks, so the lines are read twice.
    """
    number = _format_of(file)
    if number <= 3:
        async with _closing(read_lines()) as lines:
            async for line in lines:
                for entry in _entries(line, number):
                    if entry.workspace == STORE:
                        yield entry
    async with _closing(read_lines()) as lines:
        async for line in lines:
            for entry in _entries(line, number):
                if number > 3 or entry.workspace != STORE:
                    yield entry


async def _entry_lines(file: BinaryIO) -> AsyncIterator[bytes]:
    """Yields the lines of the entries.  Raises InvalidExport, at the end where `file` was cut or changed."""
    _format_of(file)
    count, checksum = 0, hashlib.sha256()
    line = file.readline(_LINE_MAX)
    while following := file.readline(_LINE_MAX):
        count += 1
        checksum.update(line)
        yield line
        line = following
    if line != _last_line(count, checksum.hexdigest()):
        raise InvalidExport(
            "The export was cut or changed: its lines do not fit the checksum in the last one. Take another copy of it."
        )
