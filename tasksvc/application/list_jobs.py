"""Renaming and deleting a list, which may take several commits, and are finished whatever happens in between.

What is to be done is written to a record before the first commit, and the record is deleted after the last one.  So
another process, or this one after its next start, finishes what a process has left unfinished.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, Final, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from tasksvc.application.clock import now
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.list_steps import ListSteps
from tasksvc.application.tasks import Tasks
from tasksvc.domain.errors import OutcomeUnknown, RepositoryError, StoreUnavailable
from tasksvc.domain.query import TaskQuery
from tasksvc.domain.record import Record
from tasksvc.domain.writes import DeleteRecord, PutRecord, Result, Write
from tasksvc.ports.store import Capability, TaskRepository

SPACE: Final = "list-jobs"
"""Namespace of the records."""
RECORDS_AT_ONCE: Final = 100
"""Records that are read at once."""

Done = TypeVar("Done")

log = logging.getLogger("tasksvc")


class ListJob(NamedTuple):
    """What is to be done with the tasks of a list."""

    workspace: str
    list: str
    to: str | None
    """The list that they are moved to; None if they are deleted."""
    last_id: int
    """The highest id of the tasks that were in the list at first.  Tasks that are created later stay as they are."""
    by: str | None
    """The name of the caller."""


class ListJobs:
    """Renames and deletes the lists of a store's workspaces, in one workspace one after the other."""

    def __init__(
        self, store: TaskRepository, tasks_of: Callable[[str], Tasks], limits: Limits, timeouts: Timeouts
    ) -> None:
        """Takes the default workspace of the store, and what gives the tasks of each workspace."""
        self._store, self._tasks_of = store, tasks_of
        self._step, self._timeouts = limits.list_step, timeouts
        self._keeps_records = Capability.RECORDS in store.capabilities
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Held while a job of a workspace runs.  Each is there as long as somebody holds it or waits for it."""
        self._running: set[asyncio.Task[Any]] = set()

    async def rename(self, workspace: str, name: str, to: str, *, by: str | None) -> bool:
        """Moves all tasks of a list to the list `to`, which may have tasks already; whether there were any.

        Once it has begun, it goes on if this is cancelled, and is finished later if the store fails.  Raises
        OutcomeUnknown in that case, and otherwise what TaskRepository.commit() and find() raise.
        """
        return await self._run_alone(workspace, lambda: self._begin(workspace, name, to, by))

    async def delete(self, workspace: str, name: str, *, by: str | None) -> bool:
        """Deletes all tasks of a list; whether there were any.  It is finished like rename(), and raises the same."""
        return await self._run_alone(workspace, lambda: self._begin(workspace, name, None, by))

    async def run(self) -> None:
        """Finishes the jobs that a process has left unfinished, now and every `timeouts.list_jobs`, until cancelled.

        After the first time it leaves out the jobs that weren't there the time before, since their own processes are
        probably at work.
        """
        known: set[str] | None = None
        while self._keeps_records:
            found = await self._tried(self._records()) or []
            for record in found:
                if known is None or record.key in known:
                    await self._tried(self._resume(record))
            known = {record.key for record in found}
            await asyncio.sleep(self._timeouts.list_jobs)

    @property
    def running(self) -> Collection[asyncio.Task[Any]]:
        """The jobs that run.  One that is cancelled is finished after the next start."""
        return tuple(self._running)

    async def _tried(self, work: Awaitable[Done]) -> Done | None:
        """Returns what `work` returns; None after an error, which the log says."""
        try:
            return await work
        except RepositoryError as error:
            log.warning("Lists that were left half renamed or half deleted could not be finished yet: %s", error)
        except Exception as error:
            log.error("Lists that were left half renamed or half deleted could not be finished.", exc_info=error)
        return None

    # ------------------------------------------------------------ one after the other

    async def _run_alone(self, workspace: str, job: Callable[[], Coroutine[Any, Any, Done]]) -> Done:
        """Runs a job after those of the workspace before it.  Once it has begun, it goes on if this is cancelled."""
        lock = self._locks.setdefault(workspace, asyncio.Lock())
        await lock.acquire()
        running = asyncio.create_task(job())
        self._running.add(running)

        def ended(task: asyncio.Task[Done]) -> None:
            lock.release()
            self._running.discard(task)
            if not task.cancelled():
                task.exception()  # which nobody asks for if this was cancelled

        running.add_done_callback(ended)
        return await asyncio.shield(running)

    async def _begin(self, workspace: str, name: str, to: str | None, by: str | None) -> bool:
        await self._finish_earlier(workspace)
        page = await self._tasks_of(workspace).find(TaskQuery(list=name, descending=True), limit=1)
        if not page.tasks:
            return False
        job = ListJob(workspace, name, to, page.tasks[0].id, by)
        key = _prefix(workspace) + secrets.token_hex(16)
        if self._keeps_records:
            await self._store.commit([PutRecord(SPACE, key, job._asdict(), 0)], at=now())
        try:
            await self._finish(key, job)
        except StoreUnavailable as error:
            raise OutcomeUnknown(
                "The store failed before all tasks of the list were changed. Send the request again.",
                retry_after=error.retry_after,
            ) from error
        return True

    async def _finish_earlier(self, workspace: str) -> None:
        """Finishes the jobs of a workspace that other processes have begun, and may have left unfinished.

        If they were finished later, they could change tasks that come into a list after this.
        """
        if self._keeps_records:
            for record in await self._records(_prefix(workspace)):
                await self._finish(record.key, ListJob(**record.value))

    async def _resume(self, record: Record) -> None:
        job = ListJob(**record.value)
        await self._run_alone(job.workspace, lambda: self._finish(record.key, job))
        log.info(
            "A list of the workspace %s that a process had left half %s was finished.",
            *(job.workspace, "deleted" if job.to is None else "renamed"),
            extra={"fields": {"workspace": job.workspace}},
        )

    # ------------------------------------------------------------ one job

    async def _finish(self, key: str, job: ListJob) -> None:
        """Does what is left of a job, and deletes its record."""
        tasks = self._tasks_of(job.workspace)

        async def commit(write: Write) -> Result:
            if not await self._goes_on(key):
                raise _Finished
            committed = await tasks.batch([write], at=now(), by=job.by)
            await asyncio.sleep(self._timeouts.list_pause)
            return committed.results[0]

        steps = ListSteps(tasks, job.list, last_id=job.last_id, step=self._step, commit=commit)
        try:
            await (steps.delete() if job.to is None else steps.move(job.to))
        except _Finished:
            return
        if self._keeps_records:
            await self._store.commit([DeleteRecord(SPACE, key)], at=now())

    async def _goes_on(self, key: str) -> bool:
        """Returns whether a job isn't finished, as far as its record tells."""
        return not self._keeps_records or await self._store.record(SPACE, key) is not None

    async def _records(self, prefix: str = "") -> list[Record]:
        """Returns the records whose keys begin with `prefix`."""
        found: list[Record] = []
        after = prefix
        while records := await self._store.records(SPACE, after=after, limit=RECORDS_AT_ONCE):
            found += [record for record in records if record.key.startswith(prefix)]
            after = records[-1].key
            if not after.startswith(prefix):
                break
        return found


class _Finished(Exception):
    """Another process has finished the job."""


def _prefix(workspace: str) -> str:
    """Returns what the keys of a workspace's records begin with, whose length doesn't depend on its name."""
    return f"{hashlib.sha256(workspace.encode()).hexdigest()}-"
