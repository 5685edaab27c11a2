"""What was encoded lately, in case it is asked for again.

Tasks and pages never change once they are made, so what encoded one encodes it always: an entry
counts only for the very object that it was made of, which the store gives again as long as that is
what it holds.
"""

from __future__ import annotations

from tasksvc import codec
from tasksvc.api.answers import Answer, page_answer, task_answer
from tasksvc.domain import Task
from tasksvc.ports import Found, Page

TASKS = 4_096
TASK_BYTES = 2_048
PAGES = 8
PAGE_BYTES = 256 * 1024
"""What is larger is encoded each time."""


class EncodedTasks:
    """Answers that show one task."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Task, str, bytes, bytes]] = {}

    def answer(self, found: Found) -> Answer:
        """The answer that shows the task that was found."""
        task, generation = found
        known = self._known.get(task.id)
        if known is not None and known[0] is task and known[1] == generation:
            return Answer(200, known[2], known[3])
        answer = task_answer(found)
        if len(answer.body) <= TASK_BYTES:
            if len(self._known) >= TASKS:
                self._known.clear()
            self._known[task.id] = task, generation, answer.headers, answer.body
        return answer


class EncodedPages:
    """Answers that show one page."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Page, bytes, bytes]] = {}

    def answer(self, page: Page) -> Answer:
        """The answer that shows the tasks of `page` as a JSON array."""
        known = self._known.get(id(page))
        if known is not None and known[0] is page:
            return Answer(200, known[1], known[2])
        answer = page_answer(codec.dump_line(page.tasks), page.position)
        if len(answer.body) <= PAGE_BYTES:
            while len(self._known) >= PAGES:
                del self._known[next(iter(self._known))]
            self._known[id(page)] = page, answer.headers, answer.body
        return answer
