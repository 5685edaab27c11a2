"""Clients that write without a pause and record what was acknowledged, to compare the store with it."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from http_client import Answer, Connection, NoAnswer

PAUSE_SECONDS = 0.01
"""Seconds between two attempts to reach a service that isn't there."""
MINE_MAX = 10
"""The number of tasks that one client keeps."""


class Verdict(NamedTuple):
    """What is wrong with a store, one sentence for each fault."""

    lost: list[str]
    duplicates: list[str]
    corrupt: list[str]


class WriteChecker:
    """Runs its clients from the start of the `async with` block to its end.

    Each client creates tasks under an idempotency key, which it sends again until there is a response, and updates and
    deletes its own.
    """

    def __init__(self, port: int, *, clients: int, pause: float = 0.0) -> None:
        """Prepares clients that rest for at most `pause` seconds between two requests."""
        self.port, self.pause, self._clients = port, pause, clients
        self.may_be: dict[int, set[str | None]] = {}
        """The descriptions that a task may have, by id; None means deleted."""
        self.pending: set[str] = set()
        """Descriptions of tasks whose creation wasn't acknowledged yet."""
        self.acknowledged = 0
        """The number of acknowledged writes."""
        self.replayed = 0
        """The number of tasks created by an earlier request that got no response."""
        self.dropped: list[str] = []
        """The number of requests that the service read in full and didn't answer."""
        self.odd: list[str] = []
        """Responses that make no sense, described."""
        self.stopping = False
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> WriteChecker:
        self._running = [asyncio.create_task(_Client(self, number).run()) for number in range(self._clients)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopping = True
        await asyncio.gather(*self._running)

    def verdict(self, file: Path) -> Verdict:
        """Compares a copy of the store in `file`, which no process has open, with what the clients know."""
        with tempfile.TemporaryDirectory() as folder:
            for part in file.parent.glob(f"{file.name}*"):
                if part.is_file():  # and not the socket of a service that was killed
                    shutil.copy(part, folder)
            with closing(sqlite3.connect(Path(folder, file.name))) as store:
                (intact,) = store.execute("PRAGMA integrity_check").fetchone()
                tasks = dict(store.execute("SELECT id, description FROM tasks"))
                created = store.execute("SELECT task_id, description FROM changes WHERE kind = 'created'").fetchall()
        lost = [
            f"Task {task_id} is {tasks.get(task_id)!r}, not one of {states}."
            for task_id, states in self.may_be.items()
            if tasks.get(task_id) not in states
        ]
        unknown = [
            f"Nobody asked for task {task_id}, {description!r}."
            for task_id, description in tasks.items()
            if task_id not in self.may_be and description not in self.pending
        ]
        counts = Counter(description for _, description in created) + Counter(task_id for task_id, _ in created)
        duplicates = [f"{what!r} was made {count} times." for what, count in counts.items() if count > 1]
        return Verdict(lost, unknown + duplicates, [] if intact == "ok" else [intact])


class _Client:
    def __init__(self, checker: WriteChecker, number: int) -> None:
        self._witness, self._number = checker, number
        self._random = random.Random(number)
        self._counter = itertools.count(1)
        self._mine: list[int] = []
        self._connection: Connection | None = None

    async def run(self) -> None:
        """Sends one request after another until the block ends."""
        while not self._witness.stopping:
            dice = self._random.random()
            if not self._mine or (len(self._mine) < MINE_MAX and dice < 0.6):
                await self._create()
            elif dice < 0.8:
                await self._change()
            else:
                await self._delete()
            await asyncio.sleep(self._random.uniform(0, self._witness.pause))
        self._hang_up()

    async def _create(self) -> None:
        checker, description = self._witness, f"{self._number}-{next(self._counter)}"
        checker.pending.add(description)
        while not checker.stopping:
            answer = await self._ask("POST", "/tasks/", {"description": description}, {"Idempotency-Key": description})
            if answer is not None and self._is(201, answer):
                task_id = answer.document["id"]
                checker.may_be[task_id] = {description}
                checker.pending.discard(description)
                checker.replayed += "idempotency-replayed" in answer.headers
                self._mine.append(task_id)
                return

    async def _change(self) -> None:
        task_id, description = self._random.choice(self._mine), f"{self._number}-{next(self._counter)}"
        states = self._witness.may_be[task_id]
        states.add(description)
        answer = await self._ask("PATCH", f"/tasks/{task_id}", {"description": description})
        if answer is not None and answer.status == 404 and None in states:
            self._forget(task_id)
        elif answer is not None and self._is(200, answer):
            self._witness.may_be[task_id] = {description}

    async def _delete(self) -> None:
        task_id = self._random.choice(self._mine)
        states = self._witness.may_be[task_id]
        deleted_before = None in states
        states.add(None)
        answer = await self._ask("DELETE", f"/tasks/{task_id}")
        if answer is not None and ((answer.status == 404 and deleted_before) or self._is(204, answer)):
            self._forget(task_id)

    def _forget(self, task_id: int) -> None:
        self._witness.may_be[task_id] = {None}
        self._mine.remove(task_id)

    def _is(self, expected: int, answer: Answer) -> bool:
        """Returns whether the write is acknowledged. It may be refused while the service stops."""
        if answer.status == expected:
            self._witness.acknowledged += 1
        elif answer.status not in (503, 507):
            self._witness.odd.append(f"{answer.status} instead of {expected}: {answer.body!r}")
        return answer.status == expected

    async def _ask(
        self, method: str, path: str, document: object = None, headers: dict[str, str] | None = None
    ) -> Answer | None:
        """Returns the response, or None if there was none."""
        try:
            if self._connection is None:
                self._connection = await Connection(self._witness.port).open()
            answer = await self._connection.request(method, path, document, headers)
        except NoAnswer:
            if self._connection is not None and self._connection.was_read_in_full():
                self._witness.dropped.append(f"{method} {path} {document}")
            self._hang_up()
            await asyncio.sleep(PAUSE_SECONDS)
            return None
        if answer.headers.get("connection") == "close":
            self._hang_up()
        return answer

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
