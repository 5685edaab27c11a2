"""Pages that write in a real browser: one of another origin, and one of the service's own behind nginx."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from http_client import ask, free_port
from reverse_proxies import nginx
from service_process import RunningService

pytestmark = pytest.mark.browser

TRACING = {
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": "congo=t61rcWkgMzE",
    "baggage": "userId=alice",
    "sentry-trace": "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
    "b3": "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
    "x-b3-traceid": "4bf92f3577b34da6a3ce929d0e0e4736",
    "x-datadog-trace-id": "5208512171318403364",
    "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
    "x-cloud-trace-context": "4bf92f3577b34da6a3ce929d0e0e4736/1;o=1",
    "x-request-id": "of-the-page",
}
"""The header that tracing libraries add to every request of a page."""
CREATE_AND_CHANGE = """async ([url, headers]) => {
  const json = {"Content-Type": "application/json", ...headers};
  const create = {method: "POST", headers: {...json, "Idempotency-Key": "1"}, body: '{"description": "by a page"}'};
  const created = await fetch(`${url}/tasks/`, create);
  const change = {method: "PATCH", headers: {...json, "If-Match": created.headers.get("ETag")}, body: '{"done": true}'};
  const changed = await fetch(`${url}/tasks/1`, change);
  const removed = await fetch(`${url}/tasks/1`, {method: "DELETE", headers});
  const listed = await fetch(`${url}/tasks/`, {headers});
  return [created.status, changed.status, removed.status, listed.status, created.headers.get("X-Request-ID")];
}"""
AS_MANY_DO = """
server {{
    listen 127.0.0.1:{listen};
    location / {{
        proxy_pass http://127.0.0.1:{service};
        proxy_set_header Host $host;
    }}
}}
"""
"""A widespread nginx configuration, whose $host lacks the port."""


@pytest.fixture
async def other_origin(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a page of another origin."""
    port, folder = free_port(), tmp_path / "other"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><link rel=icon href=data:,>")
    with nginx(f"server {{ listen 127.0.0.1:{port}; root {folder}; }}", folder=folder, port=port):
        yield f"http://localhost:{port}"


async def test_a_named_origin_writes_with_the_headers_of_tracing(
    watched: Any, other_origin: str, tmp_path: Path
) -> None:
    with RunningService("--store", "memory://", "--cors-origin", other_origin, folder=tmp_path) as service:
        await watched.page.goto(other_origin)

        seen = await watched.page.evaluate(CREATE_AND_CHANGE, [service.url, TRACING])

    assert seen == [201, 200, 204, 200, "of-the-page"]
    assert watched.complaints == []


async def test_another_origin_neither_writes_nor_reads(watched: Any, other_origin: str, tmp_path: Path) -> None:
    with RunningService("--store", "memory://", "--cors-origin", "https://app.example", folder=tmp_path) as service:
        await watched.page.goto(other_origin)
        plain = "async url => (await fetch(`${url}/tasks/`, {method: 'POST', body: '{\"description\": \"x\"}'})).status"

        refused = [
            await watched.page.evaluate(f"([url, headers]) => ({run})(url, headers).catch(error => error.name)", given)
            for run, given in (
                (f"(url, headers) => ({CREATE_AND_CHANGE})([url, headers])", [service.url, TRACING]),
                (plain, [service.url, {}]),
            )
        ]
        tasks = ask(service.url, "GET", "/tasks/").document

    assert refused == ["TypeError", "TypeError"]
    assert tasks == []


async def test_a_page_behind_nginx_writes_though_the_host_that_is_passed_on_lacks_the_port(
    watched: Any, tmp_path: Path
) -> None:
    port = free_port()
    with (
        RunningService("--store", "memory://", folder=tmp_path) as service,
        nginx(AS_MANY_DO.format(listen=port, service=service.port), folder=tmp_path, port=port),
    ):
        await watched.page.goto(f"http://localhost:{port}/docs")

        seen = await watched.page.evaluate(CREATE_AND_CHANGE, ["", {}])

    assert seen[:4] == [201, 200, 204, 200]
    assert watched.complaints == []
