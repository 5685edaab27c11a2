"""Liveness and readiness, for operators."""

from __future__ import annotations

import asyncio

import pytest
from tasksvc_memory import MemoryRepository

from api.api_client import Api
from tasksvc import StoreUnavailable
from tasksvc.api import RUNTIME
from tasksvc.application.limits import Timeouts


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_a_service_that_is_well_says_so(any_api: Api, path: str) -> None:
    answer = await any_api.get(path)

    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_a_service_whose_store_cannot_serve_is_alive_and_not_ready(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(self: MemoryRepository) -> None:
        raise StoreUnavailable("The disk is on fire.")

    monkeypatch.setattr(MemoryRepository, "ping", failing)

    ready, live = await api.get("/health/ready"), await api.get("/health/live")

    assert (ready.status, ready.problem, ready.json["detail"]) == (503, "not-ready", "The disk is on fire.")
    assert int(ready.headers["Retry-After"]) > 0
    assert live.status == 200


@pytest.mark.options(timeouts=Timeouts(readiness=0.05))
async def test_a_service_whose_store_does_not_answer_is_not_ready(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hanging(self: MemoryRepository) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(MemoryRepository, "ping", hanging)

    answer = await api.get("/health/ready")

    assert (answer.status, answer.json["detail"]) == (503, "The store does not answer.")


async def test_a_service_that_shuts_down_is_alive_and_not_ready(api: Api) -> None:
    assert api.client.app is not None
    await api.client.app[RUNTIME].drain()

    ready, live = await api.get("/health/ready"), await api.get("/health/live")

    assert (ready.status, ready.problem, ready.headers["Connection"]) == (503, "not-ready", "close")
    assert int(ready.headers["Retry-After"]) > 0
    assert live.status == 200
