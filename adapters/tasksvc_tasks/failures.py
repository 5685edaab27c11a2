"""What goes wrong, as one sentence and an exit status."""

from __future__ import annotations

from enum import IntEnum

import click
from tasksvc_client import InvalidRequest, NotTasksvc, OutcomeUnknown, Problem, TasksvcError, Unreachable


class Status(IntEnum):
    """The exit statuses of the commands.  2 is for what was typed wrong, and 130 for an interrupt."""

    FAILED = 1
    NOT_FOUND = 3
    CONFLICT = 4
    NOT_ALLOWED = 5
    UNAVAILABLE = 6
    READER_GONE = 141
    """The reader of a pipe has gone, as shells number SIGPIPE."""


class Failed(click.ClickException):
    """The command can't go on.  Its message is a sentence."""

    def __init__(self, message: str, status: Status = Status.FAILED) -> None:
        super().__init__(message)
        self.status = status

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        return int(self.status)


def failure_of(error: TasksvcError, url: str) -> Failed:
    """Returns what a command says about an error of the client that asked the service at `url`."""
    match error:
        case Problem():
            return Failed(_said(error), _status(error))
        case OutcomeUnknown():
            return Failed(
                f"{url} didn't say whether it was done, and may have done it. Look with 'tasksvc log' before you try"
                " again.",
                Status.UNAVAILABLE,
            )
        case Unreachable():
            return Failed(str(error), Status.UNAVAILABLE)
        case NotTasksvc():
            return Failed(f"What answers at {url} isn't tasksvc: {error}", Status.UNAVAILABLE)
        case _:
            return Failed(str(error))


def _status(problem: Problem) -> Status:
    match problem.status:
        case 404:
            return Status.NOT_FOUND
        case 409 | 410 | 412:
            return Status.CONFLICT
        case 401 | 403:
            return Status.NOT_ALLOWED
        case 408 | 429 | 502 | 503 | 504:
            return Status.UNAVAILABLE
        case _:
            return Status.FAILED


def _said(problem: Problem) -> str:
    """Returns the sentence of a problem, with what to do where that is known."""
    if isinstance(problem, InvalidRequest) and problem.errors:
        return " ".join(str(each.get("message", "")) for each in problem.errors)
    text = problem.detail or problem.title
    if problem.status == 401:
        text += " Log in with 'tasksvc login', or give a token in TASKSVC_TOKEN."
    if problem.status >= 500 and problem.request_id:
        text += f" The request was {problem.request_id}."
    return text
