"""What operators see: the log, request ids and metrics."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from http_client import ask
from patience import LOOK_SECONDS, PATIENCE_SECONDS
from pytest_aiohttp import AiohttpClient
from service_process import RunningService

from auth.conftest import AuthClients
from tasksvc.api.app import HEALTH_APP, RUNTIME, create_app
from tasksvc.api.observability.access_log import FLUSH_LINES, RequestLog
from tasksvc.api.observability.background_stream import BackgroundStream
from tasksvc.api.observability.log_format import LogFormatter
from tasksvc.api.observability.request_id import request_id
from tasksvc.api.options import Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.api.pipeline.trusted_proxies import InvalidProxy, TrustedProxies
from tasksvc.application.callers import Scope
from tasksvc.application.clock import now
from tasksvc.application.tokens import create_token, new_secret


def lines_of(log: RequestLog, stream: io.StringIO) -> list[str]:
    log.flush()
    return stream.getvalue().splitlines()


async def test_every_request_is_a_line_with_its_id(aiohttp_client: AiohttpClient) -> None:
    log = RequestLog("text", stream := io.StringIO())
    client = await aiohttp_client(create_app("memory://", Options(request_log=log)))

    given = await client.get("/tasks/7?x=1", headers={"X-Request-ID": "my-own-id"})
    made = await client.post("/tasks/", json={"description": "x"})

    first, second = lines_of(log, stream)
    assert given.headers["X-Request-ID"] == "my-own-id"
    assert re.fullmatch(r"\S+Z INFO GET /tasks/7\?x=\*\*\* 422 [\d.]+ms 127.0.0.1 - default \[my-own-id\]", first)
    assert re.fullmatch(rf"\S+Z INFO POST /tasks/ 201 .* \[{made.headers['X-Request-ID']}\]", second)


@pytest.mark.parametrize("hostile", ["a b", "x" * 129, "é", "", 'a"b\x01'])
async def test_an_id_that_would_spoil_the_log_is_replaced(aiohttp_client: AiohttpClient, hostile: str) -> None:
    client = await aiohttp_client(create_app("memory://"))
    try:
        response = await client.get("/tasks/", headers={"X-Request-ID": hostile})
    except ValueError:  # the client itself refuses to send it
        return

    assert response.headers["X-Request-ID"] != hostile
    assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", response.headers["X-Request-ID"])


async def test_the_json_form_is_a_document_a_line(aiohttp_client: AiohttpClient) -> None:
    log = RequestLog("json", stream := io.StringIO())
    client = await aiohttp_client(create_app("memory://", Options(request_log=log)))

    await client.get("/tasks/1")

    (line,) = map(json.loads, lines_of(log, stream))
    assert (line["method"], line["path"], line["status"], line["caller"]) == ("GET", "/tasks/1", 404, "-")
    assert line["ms"] >= 0


async def test_a_line_names_the_workspace_that_a_request_was_for(aiohttp_client: AiohttpClient) -> None:
    log, root = RequestLog("json", stream := io.StringIO()), new_secret()
    app = create_app("memory://", Options(request_log=log, tokens=TokenPolicy.ALWAYS, admin_token=root))
    client = await aiohttp_client(app)
    ann, _ = await create_token(app[RUNTIME].repository, "ann", Scope.READ, at=now(), workspaces=["u_1", "u_2"])
    expected = [
        (ann, "/tasks/", "u_1"),
        (ann, "/tasks/count", "u_1"),
        (ann, "/changes", "u_1"),
        (ann, "/workspaces/u_2/tasks/", "u_2"),
        (ann, "/workspaces/u_2/tasks/count", "u_2"),
        (ann, "/workspaces/u_3/tasks/", "u_3"),
        (ann, "/me", "-"),
        (root, "/tasks/1", "default"),
        (root, "/workspaces/a%20b/tasks/", "-"),
        (root, "/admin/tokens", "-"),
        ("", "/tasks/", "-"),
        ("", "/workspaces/u_2/tasks/", "u_2"),
        ("", "/health/live", "-"),
    ]

    for secret, path, _ in expected:
        await client.get(path, headers={"Authorization": f"Bearer {secret}"})

    lines = [json.loads(line) for line in lines_of(log, stream)]
    assert [(line["path"], line["workspace"]) for line in lines] == [(path, shown) for _, path, shown in expected]


async def test_a_line_names_all_workspaces_that_a_request_was_for(aiohttp_client: AiohttpClient) -> None:
    log = RequestLog("json", stream := io.StringIO())
    client = await aiohttp_client(create_app("memory://", Options(request_log=log)))

    for query in ("workspace=u_2&workspace=u_1", "workspace=u_2&workspace=a%20b", "limit=1"):
        await client.get(f"/tasks/?{query}")

    assert [json.loads(line)["workspace"] for line in lines_of(log, stream)] == ["u_1,u_2", "-", "default"]


async def test_a_path_cannot_forge_a_line(aiohttp_client: AiohttpClient) -> None:
    log = RequestLog("text", stream := io.StringIO())
    client = await aiohttp_client(create_app("memory://", Options(request_log=log)))

    await client.get("/tasks/%0AINFO%20forged")

    assert len(lines_of(log, stream)) == 1


class Fifo:
    """A log in a FIFO whose reader leaves and comes back."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._path = path
        self.come()
        self.stream = open(path, "w")  # noqa: SIM115

    def come(self) -> None:
        self._reader = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)

    def leave(self) -> None:
        os.close(self._reader)

    async def lines(self, log: RequestLog, count: int) -> list[str]:
        """Returns the next `count` lines."""
        log.flush()
        found = ""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while found.count("\n") < count:
                await asyncio.sleep(LOOK_SECONDS)
                with contextlib.suppress(BlockingIOError):
                    found += os.read(self._reader, 2**16).decode()
        return found.splitlines()


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Fifo]:
    fifo = Fifo(tmp_path / "log")
    yield fifo
    fifo.stream.close()
    fifo.leave()


async def test_a_log_that_cannot_be_written_fails_no_request_and_says_so_later(
    aiohttp_client: AiohttpClient, fifo: Fifo
) -> None:
    log = RequestLog("text", fifo.stream)
    client = await aiohttp_client(create_app("memory://", Options(request_log=log)))
    stream = log._stream
    assert isinstance(stream, BackgroundStream)

    fifo.leave()
    statuses = [(await client.post("/tasks/", json={"description": "x"})).status for _ in range(FLUSH_LINES + 1)]
    log.flush()
    await asyncio.to_thread(stream.drain, PATIENCE_SECONDS)
    fifo.come()
    await client.get("/tasks/1")
    note, line = await fifo.lines(log, 2)

    assert set(statuses) == {201}
    assert f"WARNING tasksvc: Lines of this log that could not be written: {FLUSH_LINES + 1}" in note
    assert "GET /tasks/1 200" in line


def test_a_gap_in_the_log_is_a_document_in_nobodys_name_where_the_log_is_json() -> None:
    token = request_id.set("of-whoever-comes-when-it-is-written")
    try:
        note = json.loads(LogFormatter("json").note(1))
    finally:
        request_id.reset(token)

    assert note["request_id"] == "-"
    assert (note["level"], note["message"]) == ("WARNING", "Lines of this log that could not be written: 1")


def test_other_lines_carry_the_id_of_their_request() -> None:
    record = logging.LogRecord("tasksvc", logging.ERROR, "", 0, "It failed: %s", ("why",), None)
    token = request_id.set("the-id")
    try:
        text, document = LogFormatter("text").format(record), json.loads(LogFormatter("json").format(record))
    finally:
        request_id.reset(token)

    assert text.endswith("ERROR tasksvc: It failed: why [the-id]")
    assert (document["request_id"], document["message"]) == ("the-id", "It failed: why")


async def test_the_metrics_count_responses(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(create_app("memory://"))
    for _ in range(3):
        await client.post("/tasks/", json={"description": "x"})
    await client.get("/tasks/99")
    await client.request("PROPFIND", "/tasks/99")

    text = await (await client.get("/metrics")).text()

    assert 'tasksvc_requests_total{method="POST",route="/tasks/",status="201"} 3.0' in text
    assert 'tasksvc_requests_total{method="GET",route="/tasks/{id}",status="404"} 1.0' in text
    assert 'tasksvc_requests_total{method="OTHER",route="/tasks/{id}",status="405"} 1.0' in text
    assert 'tasksvc_request_seconds_count{method="POST",route="/tasks/"} 3.0' in text
    assert 'tasksvc_request_seconds_count{method="GET",route="/tasks/{id}"} 1.0' in text
    assert "tasksvc_feed_streams 0.0" in text


async def test_errors_of_the_store_are_counted(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(create_app("memory://"))
    await client.app[RUNTIME].repository.close()

    ready, read = await client.get("/health/ready"), await client.get("/tasks/1")
    text = await (await client.get("/metrics")).text()

    assert (ready.status, read.status) == (503, 503)
    assert read.headers["Retry-After"] == "1"
    assert 'tasksvc_store_errors_total{kind="StoreClosed"} 1.0' in text


async def test_health_and_metrics_can_have_a_separate_port(aiohttp_client: AiohttpClient) -> None:
    app = create_app("memory://", Options(operations=False))
    operations = app[HEALTH_APP]
    client = await aiohttp_client(app)
    admin = await aiohttp_client(operations)

    public = [(await client.get(path)).status for path in ("/metrics", "/health/ready")]
    private = [(await admin.get(path)).status for path in ("/metrics", "/health/ready", "/health/live", "/tasks/")]

    assert public == [404, 404]
    assert private == [200, 200, 200, 404]


@pytest.mark.parametrize(("address", "expected"), [("127.0.0.1", 421), ("0.0.0.0", 200)])  # noqa: S104
def test_a_web_page_whose_name_resolves_to_this_machine_gets_no_metrics(
    address: str, expected: int, tmp_path: Path
) -> None:
    with RunningService("--admin-port", "0", "--admin-host", address, folder=tmp_path) as service:
        admin = "http://127.0.0.1:" + re.findall(r"Admin  \S+:(\d+)/", service.output)[0]

        own = ask(admin, "GET", "/metrics")
        foreign = ask(admin, "GET", "/metrics", headers={"Host": "rebound.example"})
        probe = ask(admin, "GET", "/health/ready", headers={"Host": "10.0.0.7:9000"})

    assert (own.status, foreign.status, probe.status) == (200, expected, 200)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 127.0.0.5", "203.0.113.7"),
        ("nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("203.0.113.7, nonsense", "127.0.0.1"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("203.0.113.7:4711, 127.0.0.5:1", "203.0.113.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7,, ", "203.0.113.7"),
        ("203.0.113.7:x", "127.0.0.1"),
        ("[2001:db8::1", "127.0.0.1"),
        ("[2001:db8::1]x", "127.0.0.1"),
        ("2001:db8::1]:80", "127.0.0.1"),
    ],
)
async def test_a_trusted_proxy_says_where_a_request_comes_from(
    aiohttp_client: AiohttpClient, forwarded: str, client: str
) -> None:
    log = RequestLog("json", stream := io.StringIO())
    app = create_app("memory://", Options(request_log=log, proxies=TrustedProxies(["127.0.0.0/8"])))
    http = await aiohttp_client(app)

    await http.get("/tasks/", headers={"X-Forwarded-For": forwarded})

    assert [json.loads(line)["remote"] for line in lines_of(log, stream)] == [client]


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("for=203.0.113.7", "203.0.113.7"),
        ('for="203.0.113.7:4711";proto=https', "203.0.113.7"),
        ('For="[2001:db8::1]:4711"', "2001:db8::1"),
        ('by=127.0.0.1;for="[2001:db8:0::1]"', "2001:db8::1"),
        ("for=1.1.1.1, for=203.0.113.7, for=127.0.0.9", "203.0.113.7"),
        ("for=unknown", "127.0.0.1"),
        ("for=_hidden, for=127.0.0.2", "127.0.0.2"),
        ("for=1.1.1.1 x, for=203.0.113.7", "127.0.0.1"),
        ('for="1.1.1.1, for=203.0.113.7', "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_a_trusted_proxy_may_say_it_in_the_standard_s_words(
    aiohttp_client: AiohttpClient, forwarded: str, client: str
) -> None:
    log = RequestLog("json", stream := io.StringIO())
    app = create_app("memory://", Options(request_log=log, proxies=TrustedProxies(["127.0.0.0/8"])))
    http = await aiohttp_client(app)

    await http.get("/tasks/", headers={"Forwarded": forwarded})

    assert [json.loads(line)["remote"] for line in lines_of(log, stream)] == [client]


async def test_a_proxy_that_sends_the_one_kind_may_pass_on_the_other(aiohttp_client: AiohttpClient) -> None:
    log = RequestLog("json", stream := io.StringIO())
    app = create_app("memory://", Options(request_log=log, proxies=TrustedProxies(["127.0.0.1"])))
    http = await aiohttp_client(app)

    await http.get("/tasks/", headers={"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=1.1.1.1"})

    assert [json.loads(line)["remote"] for line in lines_of(log, stream)] == ["203.0.113.7"]


async def test_a_scope_forges_no_field_of_the_log(aiohttp_client: AiohttpClient) -> None:
    log = RequestLog("text", stream := io.StringIO())
    app = create_app("memory://", Options(request_log=log, proxies=TrustedProxies(["127.0.0.1"])))
    http = await aiohttp_client(app)

    await http.get("/tasks/7", headers={"X-Forwarded-For": "fe80::1%x root [forged]", "X-Request-ID": "own"})

    (line,) = lines_of(log, stream)
    assert re.fullmatch(r"\S+Z INFO GET /tasks/7 404 [\d.]+ms fe80::1 - default \[own\]", line)


async def test_nobody_else_is_believed(aiohttp_client: AiohttpClient) -> None:
    log = RequestLog("json", stream := io.StringIO())
    app = create_app("memory://", Options(request_log=log, proxies=TrustedProxies(["10.0.0.0/8"])))
    http = await aiohttp_client(app)

    await http.get("/tasks/", headers={"X-Forwarded-For": "203.0.113.7"})

    assert [json.loads(line)["remote"] for line in lines_of(log, stream)] == ["127.0.0.1"]


def test_a_proxy_that_is_not_an_address_is_refused() -> None:
    with pytest.raises(InvalidProxy, match="address or a network"):
        TrustedProxies(["proxy.example"])


async def test_no_secret_is_in_a_log_a_response_or_a_metric(
    clients: AuthClients, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[Any] = []
    secret = clients.secrets["admin"]
    for path in ("/tasks/", "/tasks/0", "/admin/tokens", "/metrics", "/nowhere", "/tasks/?q=x&nope=1"):
        response = await clients.client.get(path, headers=clients.headers("admin"))
        seen.append((await response.text(), dict(response.headers)))

    assert secret not in repr(seen)
    assert secret not in caplog.text
    assert secret not in repr(clients.client.app)


async def test_no_answer_names_a_version_of_the_server(clients: AuthClients) -> None:
    for path in ("/tasks/", "/docs", "/openapi.json", "/nowhere", "/health/live"):
        response: web.Response = await clients.client.get(path, headers=clients.headers("read"))  # type: ignore[assignment]
        assert response.headers["Server"] == "tasksvc", path
        assert response.headers["X-Content-Type-Options"] == "nosniff", path
