"""A store that another process has open."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from tasksvc import (
    ChangedWorkspaces,
    ChangePage,
    CommitResult,
    Cursor,
    Found,
    IdempotencyKey,
    ListSummary,
    Page,
    Position,
    Record,
    TaskQuery,
    TaskRepository,
    WorkspaceSummary,
    Write,
    check_workspace_name,
)

PROGRAM = Path(__file__).with_name("serve_calls.py")
"""What the other process runs: it opens a store and makes the calls that it reads from its standard input."""


class ProcessEnded(Exception):
    """The other process ended before it answered."""


class OtherProcess(TaskRepository):
    """A repository in a process of its own, whose calls are made there.  It is open inside of `async with`."""

    def __init__(self, url: str, *, patience: float) -> None:
        """Takes `patience`: seconds that the process has to end."""
        self._url, self._patience = url, patience
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}

    async def __aenter__(self) -> Self:
        """Starts the process.  Raises what opening the store raises there."""
        path = os.pathsep.join(filter(None, sys.path))  # it finds what is installed for this process alone
        self._process: Process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", PROGRAM, self._url, stdin=PIPE, stdout=PIPE, env={**os.environ, "PYTHONPATH": path}
        )
        self._answers[0] = opened = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read())
        try:
            await opened
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _read(self) -> None:
        """Hands out the answers until there are no more."""
        assert self._process.stdout is not None
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                size = int.from_bytes(await self._process.stdout.readexactly(4), "big")
                number, answer, error = pickle.loads(await self._process.stdout.readexactly(size))  # noqa: S301
                future = self._answers.pop(number)
                if future.done():  # its caller was cancelled
                    continue
                if error is None:
                    future.set_result(answer)
                else:
                    future.set_exception(_unpacked(*error))
        for future in self._answers.values():
            if not future.done():
                future.set_exception(ProcessEnded("The other process ended before it answered."))
                future.exception()  # or asyncio would log it where nobody waits any more
        self._answers.clear()

    async def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if self._reading.done():
            raise ProcessEnded("The other process has ended.")
        assert self._process.stdin is not None
        number = next(self._numbers)
        self._answers[number] = future = asyncio.get_running_loop().create_future()
        call = pickle.dumps((number, self.workspace_name, method, args, kwargs))
        self._process.stdin.write(len(call).to_bytes(4, "big") + call)
        return await future

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return not self._reading.done()

    async def kill(self) -> None:
        """Kills the process, as a crash does."""
        self._process.kill()
        await self._process.wait()
        await self._reading

    async def close(self) -> None:
        """Lets the process close its repository and end.  One that doesn't is killed, and an AssertionError says so."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(self._patience):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
            raise AssertionError("close() frees everything, so that the process ends") from None
        await self._reading

    # ------------------------------------------------------------ the port

    def workspace(self, name: str) -> OtherProcess:
        check_workspace_name(name)
        other = copy.copy(self)
        other.workspace_name = name
        return other

    async def erase(self) -> None:
        await self._call("erase")

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        found: Sequence[WorkspaceSummary] = await self._call("workspaces", prefix=prefix, after=after, limit=limit)
        return found

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        changed: ChangedWorkspaces = await self._call("changed_workspaces", since, limit=limit)
        return changed

    async def commit(
        self,
        writes: Sequence[Write],
        *,
        at: datetime,
        idempotency_key: IdempotencyKey | None = None,
        tasks_max: int | None = None,
        by: str | None = None,
    ) -> CommitResult:
        committed: CommitResult = await self._call(
            "commit", writes, at=at, idempotency_key=idempotency_key, tasks_max=tasks_max, by=by
        )
        return committed

    async def get(self, task_id: int) -> Found:
        found: Found = await self._call("get", task_id)
        return found

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        page: Page = await self._call("find", query, after=after, limit=limit, max_bytes=max_bytes)
        return page

    async def count(self, query: TaskQuery) -> int:
        count: int = await self._call("count", query)
        return count

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        lists: Sequence[ListSummary] = await self._call("lists", after=after, limit=limit)
        return lists

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        page: ChangePage = await self._call("read_changes", since, limit=limit, max_bytes=max_bytes)
        return page

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        page: ChangePage = await self._call("task_changes", task_id, since, limit=limit, max_bytes=max_bytes)
        return page

    async def changes(
        self, since: Position, *, limit: int, max_bytes: int | None = None, wait: float = 0
    ) -> ChangePage:
        page: ChangePage = await self._call("changes", since, limit=limit, max_bytes=max_bytes, wait=wait)
        return page

    async def record(self, namespace: str, key: str) -> Record | None:
        record: Record | None = await self._call("record", namespace, key)
        return record

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        records: Sequence[Record] = await self._call("records", namespace, after=after, limit=limit)
        return records

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        more: bool = await self._call(
            "prune", log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=limit
        )
        return more

    async def renew(self) -> None:
        await self._call("renew")


def _unpacked(kind: type[Exception], args: tuple[Any, ...], attributes: dict[str, Any]) -> Exception:
    """Returns an error that the other process raised, whatever its constructor takes."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error
