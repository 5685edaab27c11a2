"""Errors as an agent gets them, so that it can do better."""

from __future__ import annotations

import re
from typing import Any, Final

from tasksvc_client import OutcomeUnknown, PositionGone, Problem, TasksvcError
from tasksvc_tasks.failures import Failed, failure_of

from tasksvc_mcp import rows
from tasksvc_mcp.arguments import WrongArguments


class Unconfirmed(Exception):
    """More tasks than UNCONFIRMED_MAX aren't deleted without a confirmation."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"This would delete {count} tasks. Nothing was done. Ask your user, and then send it with confirm: true."
        )


FAILURES = (TasksvcError, Failed, WrongArguments, Unconfirmed)
"""The errors that explain() takes; all others are bugs."""


def explain(error: Exception, url: str, *, writes: bool) -> dict[str, Any]:
    """Returns what an agent gets for one of FAILURES: `error`, a sentence, and what helps it to go on."""
    if not isinstance(error, TasksvcError):
        return {"error": str(error)}
    if isinstance(error, OutcomeUnknown):
        return {
            "error": f"{url} didn't say whether it was done. Send the same call again with this key.",
            "key": error.key,
        }
    found: dict[str, Any] = {"error": failure_of(error, url).message}
    if not isinstance(error, Problem):
        return found
    if error.errors:
        found["error"] = " ".join(f"{_named(each['field'])}: {each['message']}" for each in error.errors)
    if error.index is not None:
        found["index"] = error.index
    if error.current is not None:
        found["current"] = rows.whole(error.current)
    if isinstance(error, PositionGone):
        found["error"] += " Call find_tasks again, and go on from its position."
    elif writes:
        found["error"] += " Nothing was done."
    return found


_NAMES: Final = {"q": "text", "label": "labels", "since": "position", "after": "cursor"}
"""What tools call parameters of the API."""
_IN_BATCH: Final = re.compile(r"(\d+)\.(?:task|patch)\.(.+)").fullmatch


def _named(field: str) -> str:
    """Returns what tools call a field of a request."""
    if (match := _IN_BATCH(field)) is not None:
        return f"tasks[{match[1]}].{match[2]}"
    return _NAMES.get(field, field)
