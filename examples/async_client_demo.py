"""Creates tasks in a running service with many requests at once, lists, reads and deletes them, and reports the speed.

    python examples/async_client_demo.py [URL] [--tasks N] [--connections N]

It touches only its own tasks, which have a unique label. A service that requires a token gets the one in TASKSVC_TOKEN.
A progress bar is shown if tqdm is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import aiohttp
from yarl import URL

DEFAULT = "http://127.0.0.1:8000"
PAGE = 1_000
"""The number of tasks on a page of the list."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Failed(Exception):
    """The service refused a request, or its response was wrong."""


class Tasks:
    """A client of the service, with the operations that this demo needs."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        """Wraps `session`, which knows the base URL."""
        self._session = session

    async def create(self, task: dict[str, Any]) -> Any:
        """Creates a task and returns it."""
        return await self._ask("POST", "tasks/", json=task)

    async def read(self, task_id: int) -> Any:
        """Returns the current task."""
        return await self._ask("GET", f"tasks/{task_id}")

    async def delete(self, task_id: int) -> None:
        await self._ask("DELETE", f"tasks/{task_id}")

    async def listed(self, label: str) -> list[dict[str, Any]]:
        """Returns all tasks with a label, by id, page by page."""
        found: list[dict[str, Any]] = []
        url: Any = "tasks/"
        params: dict[str, Any] = {"label": label, "limit": PAGE}
        while url:
            async with self._session.get(url, params=params) as answer:
                await check(answer, "X-Change-Seq")
                found += await answer.json()
                url, params = (answer.links["next"]["url"] if "next" in answer.links else None), {}
        return found

    async def delete_all(self, label: str) -> None:
        """Deletes all tasks with a label."""
        while (await self._ask("DELETE", "tasks/", params={"label": label}))["more"]:
            pass

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        async with self._session.request(method, path, **options) as answer:
            await check(answer)
            return None if answer.status == 204 else await answer.json()


async def check(answer: aiohttp.ClientResponse, *headers: str) -> None:
    """Raises Failed with the text of a problem document, or if something else than the service answered.

    A proxy may answer a wrong URL with an empty 200. `headers` are those that the service would send.
    """
    if answer.status >= 400:
        problem = await answer.json() if answer.content_type == "application/problem+json" else {}
        raise Failed(f"{answer.method} {answer.url} was answered by {answer.status}: {problem.get('detail', '')}")
    is_json = answer.status == 204 or (answer.content_type == "application/json" and await answer.read())
    if not is_json or any(name not in answer.headers for name in headers):
        raise Failed(
            f"{answer.method} {answer.url} wasn't answered by the service. Check the URL, and the proxy's paths."
        )


# ---------------------------------------------------------------- the demo


async def demo(url: str, count: int, connections: int) -> None:
    """Runs the four steps against the service at `url`, which ends in /, and leaves nothing behind."""
    label = f"demo-{secrets.token_hex(4)}"
    token = os.environ.get("TASKSVC_TOKEN")
    async with aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {token}"} if token else None,
        connector=aiohttp.TCPConnector(limit=connections),
    ) as session:
        tasks = Tasks(session)
        await tasks.listed(label)  # fails early if the service is wrong
        try:
            drafts = [{"description": f"Task {number} of the demo", "labels": [label]} for number in range(count)]
            made = await timed("Created", drafts, tasks.create, connections)
            start = time.perf_counter()
            listed = await tasks.listed(label)
            report("Listed", len(listed), time.perf_counter() - start)
            read = await timed("Read", [task["id"] for task in listed], tasks.read, connections)
            if not by_id(made) == listed == by_id(read):
                raise Failed("What was read is not what was made.")
            await timed("Deleted", [task["id"] for task in made], tasks.delete, connections)
            if await tasks.listed(label):
                raise Failed("Some tasks are still there after they were deleted.")
        finally:
            await tasks.delete_all(label)


def by_id(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the tasks sorted by id."""
    return sorted(tasks, key=lambda task: task["id"])


async def timed(name: str, items: list[Item], do: Callable[[Item], Awaitable[Result]], workers: int) -> list[Result]:
    """Processes all `items` with that number of `workers`, and reports the time. Returns the results, in any order."""
    results: list[Result] = []
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:  # which the workers share
            results.append(await do(item))
            bar.update()

    start = time.perf_counter()
    with progress_bar(name, len(items)) as bar:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(work())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
    report(name, len(items), time.perf_counter() - start)
    return results


class NoBar:
    """Replaces the progress bar and shows nothing."""

    def update(self) -> None:
        pass


def progress_bar(name: str, total: int) -> AbstractContextManager[Any]:
    """Returns a progress bar for a terminal, if tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return nullcontext(NoBar())
    bar: tqdm[Any] = tqdm(total=total, desc=name, unit="task", leave=False, disable=None)
    return bar


def report(name: str, count: int, seconds: float) -> None:
    """Prints the count, the time and the speed."""
    print(f"{name:8} {count:7,} tasks in {seconds:6.2f} s  {count / seconds:8,.0f} a second")


def service_url(text: str) -> str:
    """Returns the base URL of a service, with a / at its end."""
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError
    return str(url.with_path(url.path.rstrip("/") + "/"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", default=DEFAULT, type=service_url, metavar="URL", help="default %(default)s")
    parser.add_argument("--tasks", type=int, default=1_000, metavar="N", help="default %(default)s")
    parser.add_argument("--connections", type=int, default=32, metavar="N", help="default %(default)s")
    settings = parser.parse_args()
    try:
        asyncio.run(demo(settings.url, settings.tasks, settings.connections))
    except aiohttp.ClientConnectorError:
        sys.exit(f"Nothing answers at {settings.url}. Start the service with: tasksvc")
    except (Failed, aiohttp.ClientError) as error:
        sys.exit(str(error) or type(error).__name__)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
