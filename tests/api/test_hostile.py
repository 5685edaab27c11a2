"""Hostile requests over a socket to a real server: none causes a 500, and none hangs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from service_process import RunningService

from api.hostile_requests import HOSTILE, Hostile, get
from api.raw_http import Server, check, in_process, make_a_task, route_everything
from tasksvc.api.pipeline.fast_path import FastPath

pytestmark = pytest.mark.usefixtures("silence")


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["hot", "routed", "process"])
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The service: in this process, the same without the fast path, and as a separate process."""
    with contextlib.ExitStack() as stack:
        if request.param == "process":
            folder = tmp_path_factory.mktemp("process")
            service = stack.enter_context(RunningService("--store", "memory://", "--log-format", "none", folder=folder))
            server = Server(service.port)
            await make_a_task(server)
            yield server
            assert "Traceback" not in service.output
            return
        if request.param == "routed":
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setattr(FastPath, "wrap", route_everything)
        async with in_process() as server:
            await make_a_task(server)
            yield server


# ---------------------------------------------------------------- the corpus


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    names = [hostile.name for hostile in HOSTILE]

    assert len(names) >= 150
    assert len(names) == len(set(names))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("hostile", HOSTILE, ids=[ascii(hostile.name) for hostile in HOSTILE])
async def test_each_gets_what_it_deserves(server: Server, hostile: Hostile) -> None:
    async with server.connection() as connection:
        await connection.send(hostile.sent)
        if hostile.leaves:
            connection.leave()
        answer = await connection.answer()

    check(answer, hostile.status)
    alive = await server.ask(get("/health/live"))
    assert alive is not None
    assert alive.status == 200
