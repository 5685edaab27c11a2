"""Keeps a local copy of all tasks of a running service, and proves it equal to the service's.

    python examples/sync_client.py [URL] [--copy FILE]            follows, until it is interrupted
    python examples/sync_client.py [URL] [--copy FILE] --prove    catches up, compares, and ends

The copy is an SQLite file.  It holds the tasks, and the position in the change log that they show,
and both change in one transaction; so it is right at every moment, whoever is killed when.

- A new copy walks the list.  The first page names its position in the change log.
- From there on the copy follows the log as Server-Sent Events.  Where the connection breaks it comes
  back with Last-Event-ID, and gets what it missed.
- Where the log does not go back that far, or the store has a new generation, the answer is 410, and
  the copy walks the list again.

A service that asks for a token gets the one in TASKSVC_TOKEN.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import closing, suppress
from typing import Any

import aiohttp
from yarl import URL

DEFAULT = "http://127.0.0.1:8000"
PAGE = 1_000
QUIET_SECONDS = 45
"""Seconds without data after which the connection is given up. The service sends a comment every 15 s."""
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
"""Seconds before the second attempt, doubled for each further one, and the longest wait."""


class Gone(Exception):
    """The service doesn't have the position any more: the list has to be read again."""


class Refused(Exception):
    """The service refuses the request, so that another attempt is useless."""


class Stranger(aiohttp.ClientError):
    """Something else than the service answered, such as a proxy that has no such path, or is under repair."""


# ---------------------------------------------------------------- the copy


class Copy:
    """A copy of the tasks, and the position in the change log at which it is valid."""

    def __init__(self, path: str) -> None:
        """Opens the file at `path`, which only its owner may read; :memory: for none."""
        if path != ":memory:":
            with suppress(OSError):  # sqlite3 reports the error below
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        self._database = sqlite3.connect(path)
        with self._database:
            self._database.execute("CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, version INT, body TEXT)")
            self._database.execute("CREATE TABLE IF NOT EXISTS place (position TEXT)")

    @property
    def position(self) -> str | None:
        """Returns the position, or None if the copy is new."""
        row = self._database.execute("SELECT position FROM place").fetchone()
        return None if row is None else str(row[0])

    def forget_position(self) -> None:
        """Forgets the position, which is invalid; the tasks stay until a list replaces them."""
        with self._database:
            self._database.execute("DELETE FROM place")

    async def replace(self, pages: AsyncIterator[tuple[str, list[dict[str, Any]]]]) -> None:
        """Replaces the copy by a list, given as pages with their positions, completely or not at all."""
        with self._database:
            self._database.execute("DELETE FROM tasks")
            self._database.execute("DELETE FROM place")
            async for position, tasks in pages:
                if self.position is None:  # the first page's, since later ones may show more
                    self._database.execute("INSERT INTO place VALUES (?)", (position,))
                for task in tasks:
                    self._put(task)

    def apply(self, changes: Iterable[dict[str, Any]], position: str) -> None:
        """Applies `changes` and moves the copy to `position`, which is after them."""
        with self._database:
            for change in changes:
                if change["task"] is None:
                    self._database.execute("DELETE FROM tasks WHERE id = ?", (change["task_id"],))
                else:
                    self._put(change["task"])
            self._database.execute("UPDATE place SET position = ?", (position,))

    def _put(self, task: dict[str, Any]) -> None:
        # The list may be ahead of the position of its first page: what is older than what is there is known already.
        self._database.execute(
            "INSERT INTO tasks VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET version = excluded.version, body = excluded.body WHERE excluded.version > version",
            (task["id"], task["version"], json.dumps(task, sort_keys=True)),
        )

    def checksum(self) -> tuple[int, str]:
        """Returns the number of tasks, and a SHA-256 over all of them, by id."""
        digest, count = hashlib.sha256(), 0
        for (body,) in self._database.execute("SELECT body FROM tasks ORDER BY id"):
            digest.update(body.encode() + b"\n")
            count += 1
        return count, digest.hexdigest()

    def close(self) -> None:
        self._database.close()


# ---------------------------------------------------------------- the service


class Service:
    """The requests that the client sends to the service."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        """Wraps `session`, which knows the base URL."""
        self._session = session

    async def walk(self) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
        """Yields the list of all tasks, page by page, each with its position in the change log."""
        url: Any = f"tasks/?limit={PAGE}"
        while url:
            async with self._session.get(url) as answer:
                await check(answer, "application/json", "X-Change-Seq")
                position, tasks = answer.headers["X-Change-Seq"], await answer.json()
                url = answer.links["next"]["url"] if "next" in answer.links else None
            yield position, tasks

    async def changes(self, since: str, *, limit: int = PAGE) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        """Yields the changes after a position, page by page to the end, each page with the position after it."""
        more = True
        while more:
            async with self._session.get("changes", params={"since": since, "limit": limit}) as answer:
                await check(answer, "application/json")
                page = await answer.json()
            since, more = page["next"], page["more"]
            yield page["changes"], since

    async def stream(self, since: str) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        """Yields the changes after a position as they happen: those that came together, and the position after them."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=QUIET_SECONDS)
        headers = {"Accept": "text/event-stream", "Last-Event-ID": since}
        async with self._session.get("changes/stream", headers=headers, timeout=timeout) as answer:
            await check(answer, "text/event-stream")
            rest = b""
            async for piece in answer.content.iter_any():
                *events, rest = (rest + piece).split(b"\n\n")
                changes = []
                for event in map(fields_of, events):
                    if "data" in event:  # else it is a sign of life
                        changes.append(json.loads(event["data"]))
                        since = event["id"]
                if changes:
                    yield changes, since


def fields_of(event: bytes) -> dict[str, str]:
    """Returns the fields of a Server-Sent Event."""
    fields = (line.partition(":") for line in event.decode().splitlines())
    return {name: value.removeprefix(" ") for name, _, value in fields}


async def check(answer: aiohttp.ClientResponse, media_type: str, *headers: str) -> None:
    """Raises Gone or Refused, or ClientResponseError or Stranger, after which another attempt may succeed.

    The service answers with `media_type` and `headers`.
    """
    if answer.status == 410:
        raise Gone
    if 400 <= answer.status < 500 and answer.status not in (408, 429):
        problem = await answer.json() if answer.content_type == "application/problem+json" else {}
        raise Refused(f"{answer.method} {answer.url} was answered by {answer.status}: {problem.get('detail', '')}")
    answer.raise_for_status()
    empty = media_type == "application/json" and not await answer.read()
    if empty or answer.content_type != media_type or any(name not in answer.headers for name in headers):
        raise Stranger(
            f"{answer.method} {answer.url} wasn't answered by the service. Check the URL, and the proxy's paths."
        )


# ---------------------------------------------------------------- both together


async def begin(copy: Copy, service: Service) -> str:
    """Returns the position of the copy, after reading the list first if it has none."""
    if copy.position is None:
        await copy.replace(service.walk())
        say(f"walked the list: {copy.checksum()[0]} tasks at {copy.position}")
    assert copy.position is not None
    return copy.position


async def catch_up(copy: Copy, service: Service, *, to: str | None = None) -> str:
    """Moves the copy to the end of the log, or only to the position `to`, and returns the position."""
    try:
        start = await begin(copy, service)
        if start != to:
            async for changes, position in service.changes(start, limit=PAGE if to is None else 1):
                copy.apply(changes, position)
                if position == to:
                    break
    except Gone:
        say(f"{copy.position} is gone")
        copy.forget_position()
        return await catch_up(copy, service, to=to)
    assert copy.position is not None
    return copy.position


async def follow(copy: Copy, service: Service) -> None:
    """Keeps the copy equal to the service's tasks until it is cancelled, whatever fails."""
    pause = PAUSE_SECONDS
    while True:
        try:
            start = await begin(copy, service)
            say(f"follows from {start}")
            async for changes, position in service.stream(start):
                copy.apply(changes, position)
                pause = PAUSE_SECONDS
            problem = "the stream ended"
        except Gone:
            say(f"{copy.position} is gone")
            copy.forget_position()
            continue
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            problem = str(error) or type(error).__name__
        say(f"{problem}; tries again in {pause:g} s")
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def prove(copy: Copy, service: Service) -> bool:
    """Returns whether the updated copy equals a fresh list at the same position of the change log."""
    await catch_up(copy, service)
    with closing(Copy(":memory:")) as fresh:
        end = await catch_up(fresh, service)
        await catch_up(copy, service, to=end)  # somebody may have written meanwhile
        ours, theirs = copy.checksum(), fresh.checksum()
        same = ours == theirs and copy.position == fresh.position
    say(f"the copy at {copy.position}: {ours[0]} tasks, sha256 {ours[1]}")
    say(f"the service at {end}: {theirs[0]} tasks, sha256 {theirs[1]}")
    say("equal" if same else "NOT EQUAL")
    return same


def say(text: str) -> None:
    print(text, flush=True)


async def run(url: str, path: str, *, only_prove: bool) -> bool:
    """Runs the client. Returns False if the proof failed."""
    token = os.environ.get("TASKSVC_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else None
    with closing(Copy(path)) as copy:
        async with aiohttp.ClientSession(url, headers=headers) as session:
            service = Service(session)
            if only_prove:
                return await prove(copy, service)
            following = asyncio.create_task(follow(copy, service))
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, following.cancel)
            try:
                await following
            except asyncio.CancelledError:
                say(f"ends with {copy.checksum()[0]} tasks at {copy.position}")
    return True


def service_url(text: str) -> str:
    """Returns the base URL of a service, with a / at its end."""
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError
    return str(url.with_path(url.path.rstrip("/") + "/"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", default=DEFAULT, type=service_url, metavar="URL", help="default %(default)s")
    parser.add_argument("--copy", default="tasks-copy.db", metavar="FILE", help="default %(default)s")
    parser.add_argument("--prove", action="store_true", help="catch up, compare with a fresh list, and end")
    settings = parser.parse_args()
    try:
        equal = asyncio.run(run(settings.url, settings.copy, only_prove=settings.prove))
    except aiohttp.ClientConnectorError:
        sys.exit(f"Nothing answers at {settings.url}. Start the service with: tasksvc")
    except sqlite3.Error as error:
        sys.exit(f"The copy {settings.copy} cannot be used: {error}.")
    except (Refused, aiohttp.ClientError) as error:
        sys.exit(str(error) or type(error).__name__)
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
