"""Caches of encoded responses that show tasks and pages.

Tasks and pages never change once they are made, so what encoded one encodes it always: an entry
counts only for the very object that it was made of, which the store gives again as long as that is
what it holds.
"""

from __future__ import annotations

from tasksvc.api.requests.positions import format_position
from tasksvc.api.responses.raw import RawResponse, page_response, task_response
from tasksvc.domain.json_text import dump_line
from tasksvc.domain.task import Task
from tasksvc.ports.store import Found, Page

TASKS = 4_096
TASK_BYTES = 2_048
PAGES = 32
"""The most pages, since stores give few of them again, and each one keeps its tasks in memory."""
PAGES_BYTES = 2 * 2**20
"""Bytes of all pages together; a larger one is encoded each time."""


class TaskResponseCache:
    """A cache of responses that show one task."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[Task, bytes, bytes]] = {}
        """Heads and bodies of responses by generation, which each workspace has for itself, and by id."""

    def answer(self, found: Found) -> RawResponse:
        """Returns the response that shows the task that was found."""
        task, generation = found
        known = self._known.get((generation, task.id))
        if known is not None and known[0] is task:
            return RawResponse(200, known[1], known[2])
        answer = task_response(found)
        if len(answer.body) <= TASK_BYTES:
            if len(self._known) >= TASKS:
                self._known.clear()
            self._known[generation, task.id] = task, answer.headers, answer.body
        return answer


class PageResponseCache:
    """A cache of responses that show one page."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bool], tuple[Page, bytes, bytes]] = {}
        """Responses by the identity of the page, and by whether they are JSON Lines."""
        self._size = 0
        """Bytes of what is encoded."""

    def answer(self, page: Page, *, lines: bool) -> RawResponse:
        """Returns the response that shows the tasks of `page` as a JSON array, or as JSON Lines."""
        key = id(page), lines
        known = self._known.get(key)
        if known is not None and known[0] is page:
            return RawResponse(200, known[1], known[2])
        body = as_lines(page) if lines else dump_line(page.tasks)
        answer = page_response(body, format_position(page.position), lines=lines)
        if len(answer.body) <= PAGES_BYTES:
            self._forget(key)
            self._size += len(answer.body)
            while self._size > PAGES_BYTES or len(self._known) >= PAGES:
                self._forget(next(iter(self._known)))
            self._known[key] = page, answer.headers, answer.body
        return answer

    def _forget(self, key: tuple[int, bool]) -> None:
        if (known := self._known.pop(key, None)) is not None:
            self._size -= len(known[2])


def as_lines(page: Page) -> bytes:
    """Returns the tasks of `page` as JSON Lines."""
    return b"".join(dump_line(task) for task in page.tasks)
