"""Failures of the store become problem documents that say whether to retry."""

from __future__ import annotations

from typing import Any

import pytest
from tasksvc_memory import MemoryRepository

from api.api_client import Api, case_id
from tasksvc import OutcomeUnknown, Overloaded, StoreClosed, StoreFull, StoreUnavailable

FAILURES = [
    (StoreUnavailable("The disk is on fire.", retry_after=7.4), 503, "store-unavailable", "not-done", "7"),
    (StoreUnavailable("The disk is on fire.", retry_after=0.1), 503, "store-unavailable", "not-done", "1"),
    (Overloaded("Too many calls wait."), 503, "store-unavailable", "not-done", "1"),
    (StoreClosed("The store is closed."), 503, "store-unavailable", "not-done", "1"),
    (StoreFull("No room is left."), 507, "store-full", "not-done", "1"),
    (OutcomeUnknown("The disk failed during the write."), 503, "outcome-unknown", "unknown", "1"),
]
WRITES = [
    ("POST", "/tasks/", b'{"description": "x"}'),
    ("POST", "/tasks/batch", b'[{"op": "delete", "id": 1}]'),
    ("PATCH", "/tasks/1", b'{"done": true}'),
    ("DELETE", "/tasks/1", None),
    ("DELETE", "/tasks/?done=false", None),
]
READS = [
    ("get", "/tasks/1"),
    ("find", "/tasks/"),
    ("read_changes", "/changes"),
    ("read_changes", "/changes/stream?since=0"),
]


def break_it(monkeypatch: pytest.MonkeyPatch, method: str, error: Exception) -> None:
    """Makes `method` of a store in memory raise `error` from now on."""

    async def failing(*args: Any, **more: Any) -> Any:
        raise error

    monkeypatch.setattr(MemoryRepository, method, failing)


@pytest.mark.parametrize(("error", "status", "problem", "outcome", "retry_after"), FAILURES, ids=case_id)
@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=case_id)
async def test_a_write_says_whether_it_was_done(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: bytes | None,
    error: Exception,
    status: int,
    problem: str,
    outcome: str,
    retry_after: str,
) -> None:
    await api.new()
    break_it(monkeypatch, "commit", error)

    answer = await api(method, path, {"Content-Type": "application/json"} if body else None, body)

    assert (answer.status, answer.problem, answer.json["outcome"]) == (status, problem, outcome)
    assert answer.headers["Retry-After"] == retry_after
    assert answer.json["detail"] == str(error)


@pytest.mark.parametrize(("method", "path"), READS)
async def test_a_read_says_when_to_come_again(
    api: Api, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    break_it(monkeypatch, method, StoreUnavailable("The disk is on fire.", retry_after=3))

    answer = await api.get(path)

    assert (answer.status, answer.problem, answer.headers["Retry-After"]) == (503, "store-unavailable", "3")


async def test_an_error_that_nobody_expected_shows_nothing_of_itself(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_it(monkeypatch, "get", RuntimeError("the password is swordfish"))

    async with api.client.get("/tasks/1") as response:
        body = await response.text()

    assert (response.status, response.content_type) == (500, "application/problem+json")
    assert "swordfish" not in body
    assert "swordfish" in caplog.text
