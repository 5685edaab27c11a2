"""The one rule for repetition, without I/O: what is sent again, after which wait, and what is raised in the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from tasksvc_client import (
    InternalError,
    NotTasksvc,
    OutcomeUnknown,
    Problem,
    StoreFull,
    StoreUnavailable,
    TaskNotFound,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from tasksvc_client.exchange import exchange
from tasksvc_client.scope import Scope
from tasksvc_client.steps import Answer, Lost, Repeat, Request, Send, Wait

READ = Request("GET", "/tasks/")
KEYED = Request("POST", "/tasks/", {"Idempotency-Key": "k"}, b"{}", Repeat.WITH_KEY, "k")
ONCE = Request("POST", "/webhooks/wh_1/test", repeat=Repeat.NEVER)

JSON = {"content-type": "application/json; charset=utf-8"}
DONE = Answer(200, JSON, b"[]")
HALF = Answer(200, JSON, b'[{"id": 1, "desc')
UNSENT = Lost("connection refused", sent=False)
CUT = Lost("the connection was closed", sent=True)
HTML = {"content-type": "text/html"}


def problem(status: int, name: str, **headers: str) -> Answer:
    document = {"type": f"urn:tasksvc:problem:{name}", "title": "T", "status": status, "detail": "D."}
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": "application/problem+json", **fields}, json.dumps(document).encode())


class Result(NamedTuple):
    """The result of a request."""

    result: Answer | Exception
    attempts: int
    waits: list[float]


def run(request: Request, outcomes: Sequence[Answer | Lost], deadline: float = 30.0, seconds: float = 0.01) -> Result:
    """Runs an exchange on a clock of its own. Each attempt takes `seconds`; the last outcome is that of all others."""
    now, attempts, waits = [1_000.0], 0, []
    steps = exchange(request, Scope(deadline=deadline, clock=lambda: now[0], chance=lambda: 1.0))
    outcome: Any = None
    try:
        while True:
            step = steps.send(outcome)
            if isinstance(step, Send):
                assert 0 < step.timeout <= step.seconds <= deadline
                outcome = outcomes[min(attempts, len(outcomes) - 1)]
                attempts += 1
                now[0] += seconds
            else:
                assert isinstance(step, Wait)
                waits.append(step.seconds)
                now[0] += step.seconds
                outcome = None
    except StopIteration as end:
        return Result(end.value, attempts, waits)
    except Exception as error:
        return Result(error, attempts, waits)


@pytest.mark.parametrize("request_", [READ, KEYED])
@pytest.mark.parametrize(
    "failure",
    [
        UNSENT,
        CUT,
        HALF,
        Answer(200, {**JSON, "content-encoding": "gzip"}, b"no gzip"),
        Answer(200, JSON, b"[" * 100_000),
        Answer(408, HTML),
        Answer(429, HTML),
        Answer(502, HTML, b"<html>"),
        Answer(503, {}),
        Answer(504, HTML),
        problem(408, "body-too-slow"),
        problem(429, "too-many-requests"),
        problem(502, "whatever"),
        problem(503, "outcome-unknown"),
        problem(503, "store-unavailable", retry_after="0"),
        problem(503, "issuer-unavailable"),
        problem(504, "whatever"),
    ],
)
def test_an_attempt_that_may_succeed_later_is_repeated(request_: Request, failure: Answer | Lost) -> None:
    result = run(request_, [failure, failure, DONE])

    assert (result.result, result.attempts) == (DONE._replace(document=[]), 3)


@pytest.mark.parametrize("request_", [READ, KEYED, ONCE])
@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (problem(404, "task-not-found"), TaskNotFound),
        (problem(401, "unauthorized"), Unauthorized),
        (problem(500, "internal-error"), InternalError),
        (problem(507, "store-full"), StoreFull),
        (problem(503, "not-ready"), Problem),
        (problem(418, "from-the-future"), Problem),
        (Answer(404, HTML, b"<html>"), NotTasksvc),
        (Answer(200, HTML, b"<html>"), NotTasksvc),
        (Answer(302, {"location": "https://elsewhere.example/"}), NotTasksvc),
        (Answer(500, HTML), NotTasksvc),
        (Answer(404, {"content-type": "application/problem+json"}, b"["), NotTasksvc),
        (Answer(404, {"content-type": "application/problem+json"}, b"[]"), NotTasksvc),
        (Lost("a certificate isn't valid", sent=False, hopeless=True), Unreachable),
    ],
)
def test_a_refusal_is_raised_at_once(request_: Request, refusal: Answer | Lost, kind: type[Exception]) -> None:
    result = run(request_, [refusal])

    assert (type(result.result), result.attempts) == (kind, 1)


def test_a_problem_of_an_unknown_type_is_a_problem() -> None:
    result = run(READ, [problem(418, "from-the-future")]).result

    assert isinstance(result, Problem)
    assert (result.type, result.status, str(result)) == ("urn:tasksvc:problem:from-the-future", 418, "D.")


def test_waits_double_up_to_five_seconds() -> None:
    result = run(READ, [UNSENT], deadline=60)

    assert result.waits[:8] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


def test_attempts_go_on_for_days() -> None:
    result = run(READ, [UNSENT] * 20_000 + [DONE], deadline=200_000)

    assert (result.attempts, max(result.waits)) == (20_001, 5.0)


def test_the_deadline_ends_the_attempts() -> None:
    result = run(READ, [UNSENT], deadline=1.0)

    assert isinstance(result.result, Unreachable)
    assert sum(result.waits) < 1.0
    assert result.attempts == 4


@pytest.mark.parametrize(
    ("outcomes", "kind"),
    [
        ([UNSENT], Unreachable),
        ([problem(503, "store-unavailable")], StoreUnavailable),
        ([problem(429, "too-many-requests")], TooManyRequests),
        ([UNSENT, problem(429, "too-many-requests")], TooManyRequests),
        ([CUT], OutcomeUnknown),
        ([CUT, UNSENT], OutcomeUnknown),
        ([CUT, problem(429, "too-many-requests")], OutcomeUnknown),
        ([problem(503, "outcome-unknown")], OutcomeUnknown),
        ([Answer(502, HTML)], OutcomeUnknown),
        ([Answer(503, {})], OutcomeUnknown),
        ([HALF], OutcomeUnknown),
        ([CUT, problem(401, "unauthorized")], OutcomeUnknown),
        ([CUT, problem(403, "workspace-forbidden")], OutcomeUnknown),
        ([CUT, problem(500, "internal-error")], OutcomeUnknown),
        ([CUT, problem(503, "not-ready")], OutcomeUnknown),
        ([CUT, problem(404, "not-found")], OutcomeUnknown),
        ([CUT, Answer(400, {"content-type": "application/problem+json"}, b"{}")], OutcomeUnknown),
        ([CUT, Answer(404, HTML)], OutcomeUnknown),
        ([CUT, Lost("a certificate isn't valid", sent=False, hopeless=True)], OutcomeUnknown),
        ([CUT, problem(404, "task-not-found")], TaskNotFound),
        ([CUT, problem(507, "store-full")], StoreFull),
    ],
)
def test_a_write_fails_only_if_it_cannot_have_been_done(
    outcomes: Sequence[Answer | Lost], kind: type[Exception]
) -> None:
    result = run(KEYED, outcomes, deadline=1.0).result

    assert type(result) is kind
    if isinstance(result, OutcomeUnknown):
        assert result.key == "k"
        assert "key k" in str(result)


@pytest.mark.parametrize(
    ("outcomes", "kind"),
    [([CUT], Unreachable), ([Answer(502, HTML)], NotTasksvc), ([HALF], NotTasksvc), ([problem(503, "x")], Problem)],
)
def test_the_outcome_of_a_read_is_never_unknown(outcomes: Sequence[Answer | Lost], kind: type[Exception]) -> None:
    assert type(run(READ, outcomes, deadline=1.0).result) is kind


def test_an_attempt_that_the_deadline_ends_does_not_hide_what_the_one_before_showed() -> None:
    assert type(run(READ, [HALF, CUT], deadline=1.0, seconds=0.6).result) is NotTasksvc
    assert type(run(READ, [HALF, CUT], deadline=1.5, seconds=0.6).result) is Unreachable


@pytest.mark.parametrize("failure", [CUT, HALF, Answer(502, HTML), Answer(503, {}), problem(503, "outcome-unknown")])
def test_what_is_not_safe_to_repeat_is_sent_once_if_it_may_have_been_done(failure: Answer | Lost) -> None:
    result = run(ONCE, [failure])

    assert isinstance(result.result, OutcomeUnknown)
    assert (result.result.key, result.attempts) == (None, 1)


@pytest.mark.parametrize("failure", [UNSENT, problem(429, "too-many-requests"), problem(503, "store-unavailable")])
def test_what_is_not_safe_to_repeat_is_repeated_if_nothing_was_done(failure: Answer | Lost) -> None:
    assert run(ONCE, [failure, DONE]).attempts == 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Sat, 28 Nov 2026 12:00:09 GMT", 9.0),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("²", 0.0),
        ("", 0.0),
    ],
)
def test_retry_after_is_honoured(value: str, seconds: float) -> None:
    failure = problem(429, "too-many-requests", retry_after=value, date="Sat, 28 Nov 2026 12:00:00 GMT")

    assert run(READ, [failure, DONE]).waits == pytest.approx([seconds + 0.1])


def test_a_date_is_compared_with_the_own_clock_if_the_service_says_no_time() -> None:
    failure = problem(429, "too-many-requests", retry_after="Fri, 28 Nov 2200 12:00:00 GMT")

    result = run(READ, [failure]).result

    assert isinstance(result, TooManyRequests)
    assert result.retry_after > 1e9


@pytest.mark.parametrize("value", ["1000000000", "9" * 400, "Fri, 28 Nov 2036 12:00:00 GMT"])
def test_a_wait_beyond_the_deadline_is_not_begun(value: str) -> None:
    failure = problem(429, "too-many-requests", retry_after=value, date="Sat, 28 Nov 2026 12:00:00 GMT")

    result = run(KEYED, [failure])

    assert isinstance(result.result, TooManyRequests)
    assert (result.attempts, result.waits, result.result.retry_after > 1e8) == (1, [], True)


def test_a_refusal_says_whether_an_earlier_attempt_may_have_been_done() -> None:
    first, later = run(KEYED, [problem(404, "task-not-found")]), run(KEYED, [CUT, problem(404, "task-not-found")])

    assert isinstance(first.result, Problem)
    assert isinstance(later.result, Problem)
    assert (first.result.may_be_done, later.result.may_be_done) == (False, True)
