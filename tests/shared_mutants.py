"""Stores that several processes may have open, with one fault each, and the test of the kit that must fail on it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar

from workspace_copies import WorkspaceCopies

from tasksvc import (
    DEFAULT_WORKSPACE,
    STORE,
    Capability,
    ChangePage,
    Commit,
    CommitResult,
    Found,
    IdempotencyRecord,
    InMemoryRepository,
    Position,
    PrunedWorkspace,
    StoreClosed,
    StoreEntry,
    StoreHeader,
    StoreUnavailable,
    StoreURL,
    TaskRepository,
    WorkspaceFull,
    codec,
    hookimpl,
)

RETRY_SECONDS = 0.001
"""Seconds between two attempts to get the lock, and between two looks for changes of others."""


class Log:
    """The file of a store, as it is open in one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self.end = 0
        """Bytes of the file that this process has replayed."""

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class SharedStore(WorkspaceCopies):
    """Keeps a file with one line for each commit. Writers take turns, and all read what others have appended."""

    capabilities = InMemoryRepository.capabilities | {Capability.SHARED}

    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = Log(Path(path) / "log")

    @classmethod
    async def open(cls, path: str) -> SharedStore:
        store = cls(path)
        async with store.turn():
            if not store._file.size:
                store.append([store.headers()])
                store._file.end = 0
            store.catch_up()
        return store

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Locks the file against other writers."""
        lock = os.open(self._file.path, os.O_RDWR)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(RETRY_SECONDS)
            yield
        finally:
            os.close(lock)

    def append(self, commits: Sequence[Sequence[StoreEntry]], *, in_place: bool = False) -> None:
        """Appends a line for each commit; with `in_place` it stands for all lines before it."""
        lines = [[in_place, *map(codec.entry_to_json, entries)] for entries in commits]
        os.write(self._file.descriptor, b"".join(codec.dumps(line) + b"\n" for line in lines))
        self._file.end = self._file.size

    def catch_up(self) -> None:
        """Replays what others have appended, whole lines only."""
        new = os.pread(self._file.descriptor, self._file.size - self._file.end, self._file.end)
        new = new[: new.rfind(b"\n") + 1]
        self._file.end += len(new)
        for line in new.splitlines():
            in_place, *entries = codec.loads(line)
            if in_place:
                self._memory.records.clear()
                self._memory.workspaces.clear()
                self._memory.changed.clear()
            try:
                self.replay_others(map(codec.entry_from_json, entries))
            except ValueError as error:  # the line of a header was passed over
                raise StoreUnavailable(f"The file is damaged: {error}") from error

    def replay_others(self, entries: Any) -> None:
        """Applies what another repository has appended."""
        self.replay(entries)

    async def _run(self, units: Any) -> Any:
        async with self.turn():
            self.catch_up()
            return await super()._run(units)

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        await asyncio.sleep(0)
        self.append(commits)

    async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
        self.append([self.left_by_pruning(pruned)], in_place=True)

    def _check_open(self) -> None:
        super()._check_open()
        self.catch_up()  # every read comes by here

    async def wait_for_change(self, since: Position, *, timeout: float) -> None:
        end = asyncio.get_running_loop().time() + timeout
        while not self._memory.closed and asyncio.get_running_loop().time() < end:
            self.catch_up()
            if self._workspace.ledger.position != since:
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        await super().close()
        self._file.close()


class SharedViolation(SharedStore):
    caught_by: ClassVar[str]


class LocksNothing(SharedViolation):
    caught_by = "test_writers_of_several_processes_write_one_log"

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        yield


class IsDeafToOthers(SharedViolation):
    caught_by = "test_a_change_wakes_readers_in_all_processes"

    async def wait_for_change(self, since: Position, *, timeout: float) -> None:
        await InMemoryRepository.wait_for_change(self, since, timeout=timeout)


class ReadsItsOwnMemory(SharedViolation):
    caught_by = "test_each_process_reads_what_another_acknowledged"

    def _check_open(self) -> None:
        if self._memory.closed:
            raise StoreClosed("The store is closed.")


class TrustsItsGeneration(SharedViolation):
    """Gives tasks with the generation that the store had when it was opened."""

    caught_by = "test_a_store_that_one_process_restores_has_a_new_generation_in_all"

    async def get(self, task_id: int) -> Found:
        if not hasattr(self, "_born"):
            self._born = self._workspace.ledger.generation
        return Found((await super().get(task_id)).task, self._born)


class RenewsForItself(SharedViolation):
    caught_by = "test_a_store_that_one_process_renews_has_a_new_generation_in_all"

    async def renew(self) -> None:
        self.replay([StoreEntry(STORE, StoreHeader("another"))])


class ForgetsTheKeysOfOthers(SharedViolation):
    caught_by = "test_an_idempotency_key_is_used_once_in_all_processes"

    def replay_others(self, entries: Any) -> None:
        self.replay(each for each in entries if not isinstance(each.entry, IdempotencyRecord))


class WritesInTurns(SharedViolation):
    """Appends a line for each entry, those of all commits in turn, and acknowledges when all are there."""

    caught_by = "test_a_process_that_is_killed_leaves_whole_commits"

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        for entries in zip_longest(*commits):
            for entry in filter(None, entries):
                self.append([[entry]])
                await asyncio.sleep(RETRY_SECONDS)


class PrunesForItself(SharedViolation):
    caught_by = "test_a_reader_beside_a_prune_of_another_process_misses_nothing"

    async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
        """Leaves the file as it is."""


# ---------------------------------------------------------------- workspaces


class ForgetsWorkspacesOfOthers(SharedViolation):
    caught_by = "test_each_process_reads_what_another_wrote_to_any_workspace"

    def replay_others(self, entries: Any) -> None:
        self.replay(each for each in entries if each.workspace in (STORE, DEFAULT_WORKSPACE))


class MakesAWorkspaceTwice(LocksNothing):
    caught_by = "test_first_writes_of_several_processes_make_one_workspace"


class LosesWritesToWorkspaces(LocksNothing):
    caught_by = "test_writers_of_several_processes_write_to_many_workspaces"


class WakesEverybody(SharedViolation):
    """Ends a wait at a change of any workspace."""

    caught_by = "test_a_change_wakes_the_readers_of_its_workspace_in_all_processes"

    async def changes(
        self, since: Position, *, limit: int, max_bytes: int | None = None, wait: float = 0
    ) -> ChangePage:
        page, size = await self.read_changes(since, limit=limit, max_bytes=max_bytes), self._file.size
        while not page.changes and self._file.size == size:
            await asyncio.sleep(RETRY_SECONDS)
        return await self.read_changes(since, limit=limit, max_bytes=max_bytes)


class FollowsItself(SharedViolation):
    """Names the workspaces that it has written to itself."""

    caught_by = "test_followers_in_all_processes_miss_no_change"

    def replay_others(self, entries: Any) -> None:
        memory = self._memory
        before, last_change = dict(memory.changed), memory.last_change
        self.replay(entries)
        memory.changed, memory.last_change = before, last_change


class CountsForItself(SharedViolation):
    """Has tokens that mean something else in each process."""

    caught_by = "test_a_token_of_one_process_is_good_in_another"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._memory.life = "shared"
        self._memory.last_change = os.getpid() * 1_000 + id(self) % 1_000


class FollowsNoOtherProcess(FollowsItself):
    caught_by = "test_a_follower_misses_no_change_of_a_process_that_is_killed"


class RenewsWorkspacesForItself(RenewsForItself):
    caught_by = "test_a_renewal_by_one_process_is_one_of_all_workspaces_in_all"


# ---------------------------------------------------------------- erasure, and bounds


class ErasesForItself(SharedViolation):
    caught_by = "test_what_one_process_erases_is_gone_in_all_at_once"

    async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
        """Leaves the file as it is."""


class SleepsOverErasures(SharedViolation):
    """Ends a wait at a change, and not where there is nothing any more."""

    caught_by = "test_an_erasure_wakes_the_readers_in_all_processes"

    async def wait_for_change(self, since: Position, *, timeout: float) -> None:
        end = asyncio.get_running_loop().time() + timeout
        while asyncio.get_running_loop().time() < end and self._workspace.ledger.position.seq <= since.seq:
            await asyncio.sleep(RETRY_SECONDS)
            self.catch_up()


class WritesToWhatIsErased(LocksNothing):
    caught_by = "test_commits_of_all_processes_come_before_or_after_an_erasure"


class PrunesTheKeysOfOthers(SharedViolation):
    caught_by = "test_what_was_erased_is_pruned_after_a_process_was_killed"

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        async with self.turn():
            self.catch_up()
            left = [unit for unit in self.left_by_pruning(()) if not isinstance(unit.entry, IdempotencyRecord)]
            self.append([left], in_place=True)
        return False


class CountsBeforeItsTurn(SharedViolation):
    """Decides about the bound by what it knows when it is called."""

    caught_by = "test_the_bound_of_tasks_holds_for_all_processes"

    async def do(self, commit: Commit) -> CommitResult:
        if commit.tasks_max is not None and len(self._workspace.tasks) + len(commit.writes) > commit.tasks_max:
            raise WorkspaceFull(commit.tasks_max)
        return await super().do(commit._replace(tasks_max=None))


SHARED_MUTANTS = [found for found in list(globals().values()) if isinstance(found, type) and "caught_by" in vars(found)]


def install(site: Path) -> None:
    """Installs this module as the adapter of shared: stores for a Python that finds the folder `site`."""
    metadata = site / "shared_mutants-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shared-mutants\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tasksvc.stores]\nshared = shared_mutants\n")


PORT = 3


@hookimpl
async def tasksvc_open_store(url: StoreURL, scratch: bool) -> TaskRepository:
    store: type[SharedStore] = globals()[url.netloc]
    return await store.open(url.path)
