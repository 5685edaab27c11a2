"""An adapter for jsonl: stores. Each is a file of JSON Lines: read when it is opened, one line appended per commit.

When something is pruned, a new file without it replaces the file.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from tasksvc import (
    STORE,
    InMemoryRepository,
    InvalidStoreURL,
    OutcomeUnknown,
    PrunedWorkspace,
    SchemaTooOld,
    StoreEntry,
    StoreFull,
    StoreHeader,
    StoreInUse,
    StoreReader,
    StoreRefused,
    StoreUnavailable,
    StoreURL,
    TaskRepository,
    codec,
    hookimpl,
    new_generation,
)

PORT = 3
"""The version of the port that this adapter was written for."""
FORMAT = b'{"format":"tasksvc_jsonl 2"}\n'
"""The first line of each file."""
FORMAT_1 = b'{"format":"tasksvc_jsonl 1"}\n'
"""The first line of files that were made before the first release, in which some things had other names."""
_FORMAT_OF_ANY = b'{"format":"tasksvc_jsonl '
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class JSONLRepository(InMemoryRepository):
    """Keeps tasks in memory, and writes each commit to disk before it is visible."""

    def __init__(self, path: Path) -> None:
        """Opens the file or creates it. Raises StoreRefused."""
        super().__init__()
        self._path, self._stopped = path.resolve(), False
        try:
            self._file = _private_file(self._path)
        except OSError as error:
            raise StoreRefused(f"{path} cannot be opened: {error.strerror}.") from error
        try:
            self._load(path)
        except BaseException:
            self._file.close()
            raise

    def _load(self, path: Path) -> None:
        in_use = StoreInUse(f"{path} is in use. Stop the process that has it open, or name another file.")
        try:
            _lock(self._file)
        except OSError:
            raise in_use from None
        if not os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._path)):
            raise in_use  # the process that had it open has just replaced it
        self._file.seek(0)
        content = self._file.readall()
        commits = _commits(content, path)
        for entries in commits:
            self.replay(entries)
        try:
            self._file.truncate(content.rfind(b"\n") + 1 if commits else 0)
            if not commits:
                self._append(FORMAT + _line(self.headers()))
                _sync_folder(self._path.parent)
        except (OSError, StoreUnavailable) as error:
            raise StoreRefused(f"{path} cannot be written: {error}") from error

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        await asyncio.to_thread(self._append, b"".join(map(_line, commits)))

    async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
        await asyncio.to_thread(self._replace, self.left_by_pruning(pruned))

    def _check_running(self) -> None:
        if self._stopped:
            raise StoreUnavailable("The file failed before, so nothing more is written to it. Restart the service.")

    def _append(self, lines: bytes) -> None:
        self._check_running()
        end = os.fstat(self._file.fileno()).st_size
        self._stopped = True  # unless it turns out that the file holds the lines, or nothing of them
        try:
            _write(self._file, lines)
        except OSError as error:
            try:
                self._file.truncate(end)
                os.fsync(self._file.fileno())
            except OSError:
                raise OutcomeUnknown(f"The file failed while it was written: {error.strerror}.") from error
            self._stopped = False
            raise _unchanged(error) from error
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutcomeUnknown(f"The file could not be brought to the disk: {error.strerror}.") from error
        self._stopped = False

    def _replace(self, entries: Sequence[StoreEntry]) -> None:
        """Replaces the file by one with these entries, which is locked before it has the name."""
        self._check_running()
        partial = self._path.with_name(f"{self._path.name}.new")
        try:
            partial.unlink(missing_ok=True)  # a process that was killed left it
            new = _private_file(partial)
        except OSError as error:
            raise _unchanged(error) from error
        try:
            os.fchmod(new.fileno(), stat.S_IMODE(os.fstat(self._file.fileno()).st_mode))
            _lock(new)
            _write(new, FORMAT + _line(entries))
            os.fsync(new.fileno())
            partial.rename(self._path)
        except OSError as error:
            new.close()
            partial.unlink(missing_ok=True)
            raise _unchanged(error) from error
        old, self._file = self._file, new
        old.close()
        self._stopped = True  # unless the new file is there after a power cut too
        try:
            _sync_folder(self._path.parent)
        except OSError as error:
            raise OutcomeUnknown(f"The folder could not be brought to the disk: {error.strerror}.") from error
        self._stopped = False

    async def close(self) -> None:
        await super().close()
        self._file.close()


def _private_file(path: Path) -> FileIO:
    """Opens a file to read it and append to it; a new one is its owner's alone."""
    return FileIO(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "a+b")


def _lock(file: FileIO) -> None:
    """Locks a file until it is closed, or the process ends."""
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write(file: FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _unchanged(error: OSError) -> StoreUnavailable:
    kind = StoreFull if error.errno in NO_ROOM else StoreUnavailable
    return kind(f"The file cannot be written: {error.strerror}. Nothing was changed.")


def _commits(content: bytes, path: Path) -> list[list[StoreEntry]]:
    """Returns the entries of each commit in a file, the headers first. Raises StoreRefused."""
    if content.startswith(FORMAT_1):
        raise SchemaTooOld(str(path))
    if not content.startswith(FORMAT) and not FORMAT.startswith(content):
        if content.startswith(_FORMAT_OF_ANY):
            raise StoreRefused(f"{path} was written by a newer tasksvc_jsonl. Upgrade it, or name another file.")
        raise StoreRefused(f"{path} is no file of tasksvc_jsonl. Name another one.")
    commits: list[list[StoreEntry]] = []
    whole = content[: content.rfind(b"\n") + 1]  # a torn last line was never acknowledged
    for number, line in enumerate(whole.splitlines()[1:], start=2):
        try:
            commits.append(codec.load_entries(line))
        except (ValueError, TypeError, KeyError) as error:
            raise StoreRefused(f"{path} is damaged in line {number}. Take it from a copy.") from error
    return commits


def _line(entries: Sequence[StoreEntry]) -> bytes:
    return codec.dump_entries(entries) + b"\n"


def _sync_folder(folder: Path) -> None:
    """Syncs the folder, so that a new file exists after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@hookimpl
async def tasksvc_open_store(url: StoreURL, scratch: bool) -> TaskRepository:
    return await asyncio.to_thread(_open, _path_of(url), scratch)


@hookimpl
async def tasksvc_open_reader(url: StoreURL) -> StoreReader:
    return await asyncio.to_thread(_read, _path_of(url))


@hookimpl
async def tasksvc_backup(url: StoreURL, file: Path) -> None:
    source = await asyncio.to_thread(_read, _path_of(url))
    epoch = StoreEntry(STORE, StoreHeader(new_generation()))  # so that it's another store
    copy = [epoch, *[unit async for unit in source.dump() if not isinstance(unit.entry, StoreHeader)]]
    await asyncio.to_thread(file.write_bytes, FORMAT + _line(copy))


@hookimpl
def tasksvc_recognize_backup(head: bytes) -> bool:
    return head.startswith(FORMAT)


@hookimpl
def tasksvc_admin_socket(url: StoreURL) -> Path:
    path = _path_of(url).resolve()
    return path.with_name(f"{path.name}.socket")


def _path_of(url: StoreURL) -> Path:
    """Returns the path in a URL: relative in jsonl:///tasks.jsonl, absolute in jsonl:////var/tasks.jsonl."""
    path = Path(url.path[1:])
    if url.netloc or url.query or not path.name:
        raise InvalidStoreURL("A jsonl: store is named like jsonl:///tasks.jsonl or jsonl:////var/tasks.jsonl.")
    return path


def _open(path: Path, scratch: bool) -> TaskRepository:
    if not scratch:
        return JSONLRepository(path)
    if path.exists():
        raise StoreRefused(f"{path} holds tasks that are kept, so it cannot be a scratch store. Name another file.")
    return InMemoryRepository()  # in memory: there is nothing to empty, and no file to leave behind


def _read(path: Path) -> StoreReader:
    """Reads the file's contents into memory. Another process may append to it meanwhile."""
    try:
        commits = _commits(path.read_bytes(), path)
    except OSError as error:
        raise StoreRefused(f"{path} cannot be read: {error.strerror}.") from error
    if not commits:
        raise StoreRefused(f"{path} holds no store yet. Name another file.")
    repository = InMemoryRepository()
    for entries in commits:
        repository.replay(entries)
    return repository
