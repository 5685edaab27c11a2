"""The example clients when another program than the service answers with 200."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from clients.conftest import Run

pytestmark = pytest.mark.slow

PAGE = "<!doctype html><title>Welcome</title>"


@pytest.mark.parametrize("arguments", [("async_client_demo.py",), ("sync_client.py", "--prove")], ids=["demo", "sync"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [("", "text/plain"), ("", "application/json"), ("[]", "application/json"), (PAGE, "text/html")],
    ids=["nothing", "empty JSON", "a list", "a page"],
)
async def test_an_answer_of_a_stranger_is_an_error(
    run_example: Run, arguments: tuple[str, ...], body: str, content_type: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=body, content_type=content_type)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as stranger:
        name, *others = arguments
        status, output = await run_example(name, str(stranger.make_url("/")), *others)

    assert status == 1
    assert "wasn't answered by the service" in output
    assert "Traceback" not in output
