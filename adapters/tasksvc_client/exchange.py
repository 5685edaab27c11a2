"""The one rule for repetition: when a request is sent again, when it is given up, and what is raised then."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from tasksvc_client.errors import TYPE_PREFIX, NotTasksvc, OutcomeUnknown, Problem, TasksvcError, Unreachable
from tasksvc_client.scope import Scope
from tasksvc_client.steps import Answer, Lost, Operation, Repeat, Request, Send, Wait

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before the second attempt, at most; it doubles for each further one. Chance makes it shorter."""
UNDONE = {"too-many-requests", "body-too-slow", "store-unavailable", "issuer-unavailable"}
"""Problems after which a repetition may succeed, and which say that nothing was done."""
BLIND = {"foreign-host", "forbidden", "method-not-allowed", "not-found", "unauthorized", "workspace-forbidden"}
"""Problems with which the service refuses a request before it looks at the idempotency key."""


class Again(NamedTuple):
    """An attempt after which another one may succeed."""

    error: TasksvcError
    may_be_done: bool
    """Whether the attempt may have been done, if it was a write."""
    seconds: float = 0.0
    """Seconds that the service asks to wait."""


def exchange(request: Request, scope: Scope) -> Operation[Answer]:
    """Sends a request, again if need be, and returns its successful answer, whose body is JSON or empty.

    Raises Problem if the service refuses it, Unreachable, OutcomeUnknown or NotTasksvc.
    """
    end = scope.clock() + scope.deadline
    may_be_done = False
    error: TasksvcError | None = None
    for number in itertools.count():
        seconds = max(0.001, end - scope.clock())
        outcome = yield Send(request, min(scope.timeout, seconds), seconds)
        try:
            again = judge(request, outcome)
        except Problem as problem:
            if may_be_done and _is_blind(problem):
                raise _unknown(request, problem) from problem
            problem.may_be_done = may_be_done
            raise
        except (NotTasksvc, Unreachable) as final:
            if may_be_done:
                raise _unknown(request, final) from final
            raise
        if isinstance(again, Answer):
            return again
        may_be_done |= again.may_be_done and request.writes
        if error is None or not isinstance(outcome, Lost) or scope.clock() < end:
            error = again.error  # an attempt that the deadline ended says less than the one before
        pause = again.seconds + scope.chance() * min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(number, 10))
        if may_be_done and request.repeat is Repeat.NEVER:
            raise _unknown(request, error) from error
        if scope.clock() + pause >= end:
            raise (_unknown(request, error) if may_be_done else error) from None
        yield Wait(pause)
    raise AssertionError


def _unknown(request: Request, error: TasksvcError) -> OutcomeUnknown:
    what = f"Nobody knows whether {request.method} {request.target} was done: {error}"
    how = "" if request.key is None else f" Repeat it with the key {request.key}, which does it once in any case."
    return OutcomeUnknown(what + how, request.key)


def _is_blind(problem: Problem) -> bool:
    """Returns whether a refusal leaves open if an earlier attempt was done."""
    is_own = problem.type.startswith(TYPE_PREFIX)
    return not is_own or problem.name in BLIND or (problem.status >= 500 and problem.name != "store-full")


def judge(request: Request, outcome: Answer | Lost) -> Answer | Again:
    """Returns a successful answer, or what to do after another one.

    Raises Problem, NotTasksvc or Unreachable if a repetition is useless.
    """
    if isinstance(outcome, Lost):
        error: TasksvcError = Unreachable(f"{outcome.reason}.")
        if outcome.hopeless:
            raise error
        return Again(error, outcome.sent)
    status = outcome.status
    if status in (200, 201, 204):
        return _checked(request, outcome)
    if outcome.media_type != "application/problem+json":
        error = stranger(request, outcome)
        if status in (408, 429, 502, 503, 504):
            return Again(error, status != 429, retry_after(outcome))
        raise error
    try:
        document = outcome.decoded().document
        seconds = retry_after(outcome)
        problem = Problem.read(status, document, outcome.headers, retry_after=seconds)
    except (ValueError, AttributeError) as error:
        raise stranger(request, outcome) from error
    if problem.name in UNDONE or (status == 503 and "retry-after" in outcome.headers):
        return Again(problem, problem.name not in UNDONE, seconds)
    if status in (408, 429, 502, 503, 504) and problem.name != "not-ready":
        return Again(problem, may_be_done=True, seconds=seconds)
    raise problem


def _checked(request: Request, answer: Answer) -> Answer | Again:
    """Returns a successful answer if its body is whole. Raises NotTasksvc if it isn't one of the service."""
    if answer.status == 204:
        return answer
    if answer.media_type != "application/json":
        raise stranger(request, answer)
    try:
        return answer.decoded()
    except ValueError:
        return Again(stranger(request, answer), may_be_done=True)


def stranger(request: Request, answer: Answer) -> NotTasksvc:
    """Returns the error that an answer isn't one of the service."""
    what = f"{request.method} {request.target} wasn't answered by the service, but with status {answer.status}"
    if 300 <= answer.status < 400:
        location = answer.headers.get("location", "")[:200]
        return NotTasksvc(f"{what}, which leads to {location!r}. Use the URL that the service itself has.")
    kind = answer.media_type or "no media type"
    return NotTasksvc(f"{what} and {kind}. Check the URL, and the proxy's paths.")


def retry_after(answer: Answer) -> float:
    """Returns the seconds of Retry-After (RFC 9110, section 10.2.3), a number or a date; 0 without a valid one."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        there = parsedate_to_datetime(text)
        # The clock of the service may be wrong, but its two times are wrong alike.
        date = answer.headers.get("date")
        now = datetime.now(UTC) if date is None else parsedate_to_datetime(date)
        return max(0.0, (there - now).total_seconds())
    except (TypeError, ValueError):
        return 0.0
