"""Adapters that misbehave: the log names them, every request gets a response, and other work goes on."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import faulty_store
import pytest
from faulty_store import FaultyRepository
from http_client import Answer, Connection
from service_process import RunningService, with_timeouts

from robustness.in_process import InProcess
from tasksvc.api.options import Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.application.limits import Timeouts
from tasksvc.application.tokens import new_secret

pytestmark = pytest.mark.slow

PATIENCE = 0.5
"""A short timeout in seconds, in place of half a minute."""
CREATE = ("POST", "/tasks/", {"description": "x"})
TIMEOUTS = Timeouts(
    request=PATIENCE,
    cancellation=PATIENCE,
    store_chunk=PATIENCE,
    check_interval=0.1,
    close_store=PATIENCE,
    prune_interval=0.1,
    readiness=PATIENCE,
    loop_check=0.1,
    loop_late=0.3,
    feed_retry=0.1,
    drain=PATIENCE,
)
OPTIONS = Options(timeouts=TIMEOUTS)

Serve = Callable[..., AbstractAsyncContextManager[InProcess]]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Installs the faulty adapter as a distribution and returns its folder."""
    place = tmp_path / "place"
    information = place / "faulty_store-1.0.dist-info"
    information.mkdir(parents=True)
    information.joinpath("METADATA").write_text("Metadata-Version: 2.4\nName: faulty-store\nVersion: 1.0\n")
    information.joinpath("entry_points.txt").write_text("[tasksvc.stores]\nfaulty = faulty_store\n")
    monkeypatch.syspath_prepend(str(place))
    faulty_store.RELEASE.clear()
    yield place
    faulty_store.RELEASE.set()


@pytest.fixture(autouse=True)
def _no_watchdog() -> None:
    """Lets the watchdog watch, which these tests are about."""


@pytest.fixture
def serve(installed: Path) -> Serve:
    """Serves a store with a fault and short timeouts; task 1 exists, and the fault shows from then on."""

    @asynccontextmanager
    async def serve(method: str, fault: str, options: Options = OPTIONS) -> AsyncIterator[InProcess]:
        async with InProcess(f"faulty://{method}/{fault}", options) as running:
            if options.admin_token is None:
                assert (await request(running, *CREATE)).status == 201
            repository = running.service.repository
            assert isinstance(repository, FaultyRepository)
            repository.armed = True
            yield running

    return serve


async def request(running: InProcess, method: str, path: str, document: object = None, token: str = "") -> Answer:
    """Sends a request and returns its response."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with Connection(running.port) as connection:
        return await connection.request(method, path, document, headers)


async def until(holds: Callable[[], bool]) -> None:
    """Returns when the condition holds."""
    async with asyncio.timeout(20 * PATIENCE):
        while not holds():
            await asyncio.sleep(0.02)


def is_named(caplog: pytest.LogCaptureFixture) -> bool:
    """Returns whether the log names the store of a fault."""
    return any("faulty" in record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)


CALLS = [
    ("commit", *CREATE),
    ("commit", "PATCH", "/tasks/1", {"priority": 1}),
    ("commit", "DELETE", "/tasks/1", None),
    ("commit", "POST", "/tasks/batch", [{"op": "delete", "id": 1}]),
    ("get", "GET", "/tasks/1", None),
    ("find", "GET", "/tasks/", None),
    ("find", "GET", "/tasks/?q=x", None),
    ("find", "DELETE", "/tasks/?q=x", None),
    ("count", "GET", "/tasks/count", None),
    ("read_changes", "GET", "/changes", None),
    ("read_changes", "GET", "/changes/stream", None),
]
"""Methods of the port, each with a request that needs it."""


@pytest.mark.parametrize("fault", ["raises", "is_cancelled", "gives_text", "gives_nothing"])
@pytest.mark.parametrize(("method", "verb", "path", "document"), CALLS)
async def test_what_an_adapter_does_wrong_is_one_request_and_a_line_in_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture, fault: str, method: str, verb: str, path: str, document: object
) -> None:
    async with serve(method, fault) as running:
        answer = await request(running, verb, path, document)

        assert answer.status == 500
        assert answer.document["type"] == "urn:tasksvc:problem:internal-error"
        assert "broken" not in answer.body.decode()
        assert is_named(caplog)
        others = "/changes" if method != "read_changes" else "/tasks/1"
        assert (await request(running, "GET", others)).status == 200
        assert len(running.in_flight) == 0


@pytest.mark.parametrize("method", ["record", "records"])
@pytest.mark.parametrize("fault", ["raises", "gives_text"])
async def test_an_adapter_that_cannot_give_tokens_lets_nobody_in(
    serve: Serve, caplog: pytest.LogCaptureFixture, method: str, fault: str
) -> None:
    root = new_secret()
    path = {"record": "/tasks/", "records": "/admin/tokens"}[method]
    timeouts = TIMEOUTS._replace(token_cache=-1.0)
    options = Options(tokens=TokenPolicy.ALWAYS, admin_token=root, timeouts=timeouts)
    async with serve(method, fault, options) as running:
        answer = await request(running, "GET", path, token=root)

        assert answer.status in (401, 500)
        assert answer.status == 401 or is_named(caplog)
        assert (await request(running, "GET", "/health/live")).status == 200


async def test_readiness_is_off_where_the_store_fails_to_say_how_it_is(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve("ping", "raises") as running:
        assert (await request(running, "GET", "/health/ready")).status == 500
        assert is_named(caplog)
    async with serve("ping", "hangs") as running:
        assert (await request(running, "GET", "/health/ready")).status == 503


async def test_an_adapter_that_fails_to_prune_is_asked_again(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async with serve("prune", "raises"):
        await until(lambda: caplog.text.count("failed to drop what is old") >= 2)

    assert is_named(caplog)


@pytest.mark.parametrize("fault", ["raises", "gives_text", "lies"])
async def test_a_stream_goes_on_after_its_store_has_failed(
    serve: Serve, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    async with serve("changes", fault) as running, Connection(running.port) as stream:
        stream.send("GET", "/changes/stream")
        await stream.until(b"retry:")
        await request(running, *CREATE)
        await until(lambda: is_named(caplog))
        running.service.repository.armed = False  # type: ignore[attr-defined]

        await stream.until(b'"task_id":2')
        assert (await request(running, "GET", "/tasks/1")).status == 200


# ---------------------------------------------------------------- stores that hang


@pytest.mark.parametrize(("method", "verb", "path", "document"), CALLS)
async def test_a_request_on_a_hanging_store_times_out(
    serve: Serve, caplog: pytest.LogCaptureFixture, method: str, verb: str, path: str, document: object
) -> None:
    async with serve(method, "hangs") as running:
        waiting = [asyncio.create_task(request(running, verb, path, document)) for _ in range(3)]
        others = "/changes" if method != "read_changes" else "/tasks/1"
        assert (await request(running, "GET", others)).status == 200

        answers = await asyncio.gather(*waiting)
        ready = await request(running, "GET", "/health/ready")

    unknown = verb != "GET"
    for answer in answers:
        assert answer.status == 503
        assert answer.headers["retry-after"]
        assert answer.document["outcome"] == ("unknown" if unknown else "not-done")
    assert ready.status == (503 if unknown or method == "find" else 200)
    assert is_named(caplog)


async def test_a_connection_goes_on_after_a_request_was_given_up(serve: Serve) -> None:
    async with serve("get", "hangs") as running, Connection(running.port) as connection:
        first = await connection.request("GET", "/tasks/1")
        running.service.repository.armed = False  # type: ignore[attr-defined]
        second = await connection.request("GET", "/tasks/1")
        third = await connection.request(*CREATE)

    assert [first.status, second.status, third.status] == [503, 200, 201]


async def test_a_list_whose_store_hangs_half_way_is_broken_off(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async with serve("find", "hangs") as running:
        running.service.repository.armed = False  # type: ignore[attr-defined]
        batch = [{"op": "create", "task": {"description": "x" * 9_000}} for _ in range(260)]
        assert (await request(running, "POST", "/tasks/batch", batch)).status == 200
        async with Connection(running.port) as connection:
            connection.send("GET", "/tasks/")
            await connection.head()
            running.service.repository.armed = True  # type: ignore[attr-defined]
            with pytest.raises(ConnectionError):
                await connection.rest()

        assert len(running.in_flight) == 0
    assert "broke off" in caplog.text


async def test_a_store_that_cannot_be_cancelled_loses_its_connections(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve("get", "hangs_on") as running:
        async with Connection(running.port) as connection:
            connection.send("GET", "/tasks/1")
            began = time.monotonic()
            assert await connection.rest() == b""
            assert time.monotonic() - began < 10 * PATIENCE
        assert (await request(running, "GET", "/tasks/")).status == 200
        faulty_store.RELEASE.set()

    assert "does not end GET /tasks/1, though it was cancelled" in caplog.text
    assert is_named(caplog)


@pytest.mark.parametrize("fault", ["hangs", "hangs_on", "raises", "is_cancelled"])
async def test_a_store_that_does_not_close_does_not_keep_the_service(
    serve: Serve, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    began = time.monotonic()
    async with serve("close", fault):
        pass
    seconds = time.monotonic() - began
    faulty_store.RELEASE.set()

    assert seconds < 10 * PATIENCE
    assert is_named(caplog)


async def test_requests_that_hang_get_an_answer_when_the_service_ends(serve: Serve) -> None:
    options = Options(timeouts=TIMEOUTS._replace(request=60.0))
    async with serve("commit", "hangs", options) as running:
        waiting = asyncio.create_task(request(running, *CREATE))
        await until(lambda: len(running.in_flight) == 1)

    assert (await waiting).document["outcome"] == "unknown"


async def test_a_store_that_hangs_while_it_is_opened_is_named(
    installed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = Options(timeouts=Timeouts(slow_open=0.1))
    opening = asyncio.create_task(InProcess("faulty://open/hangs", options).__aenter__())
    await until(lambda: is_named(caplog))
    opening.cancel()
    await asyncio.wait([opening])

    assert "The faulty: store is still being opened." in caplog.text


# ---------------------------------------------------------------- stores that block, leak and lie


async def test_code_that_blocks_the_event_loop_is_named(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async with serve("get", "blocks") as running:
        assert (await request(running, "GET", "/tasks/1")).status == 200
        assert (await request(running, "GET", "/tasks/")).status == 200
        await until(lambda: "The event loop goes on" in caplog.text)

    held, *_ = [record.getMessage() for record in caplog.records if "held up" in record.getMessage()]
    assert "faulty:" in held
    assert "faulty_store.py" in held
    assert "time.sleep(BLOCK_SECONDS)" in held


async def test_tasks_that_a_store_leaves_behind_are_named(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async with serve("get", "leaks") as running:
        for _ in range(3):
            assert (await request(running, "GET", "/tasks/1")).status == 200

    for task in faulty_store.leaked:
        task.cancel()
    faulty_store.leaked.clear()
    assert "The faulty: store left 3 tasks running" in caplog.text


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/tasks/1"), ("read_changes", "/changes"), ("read_changes", "/changes/stream?since=0")],
)
async def test_a_lie_that_can_be_seen_is_not_passed_on(
    serve: Serve, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    async with serve(method, "lies") as running:
        answer = await request(running, "GET", path)
        assert (await request(running, "GET", "/tasks/")).status == 200

    assert answer.status == 500
    assert "ContractViolation" in caplog.text
    assert is_named(caplog)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/tasks/?done=true"), ("GET", "/tasks/?label=x"), ("DELETE", "/tasks/?done=true")]
)
async def test_tasks_that_do_not_match_the_filter_are_not_passed_on(
    serve: Serve, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    async with serve("find", "ignores_filters") as running:
        answer = await request(running, method, path)
        assert (await request(running, "GET", "/tasks/?done=false")).status == 200
        assert len((await request(running, "GET", "/tasks/")).document) == 1, "nothing was deleted"

    assert answer.status == 500
    assert "ContractViolation" in caplog.text
    assert is_named(caplog)


async def test_a_list_that_leads_in_a_circle_is_broken_off(serve: Serve) -> None:
    async with serve("find", "lies") as running:
        running.service.repository.armed = False  # type: ignore[attr-defined]
        batch = [{"op": "create", "task": {"description": "x"}} for _ in range(600)]
        assert (await request(running, "POST", "/tasks/batch", batch)).status == 200
        running.service.repository.armed = True  # type: ignore[attr-defined]
        async with Connection(running.port) as connection:
            connection.send("GET", "/tasks/")
            with pytest.raises(ConnectionError):
                await connection.rest()


# ---------------------------------------------------------------- the process


def test_a_thread_of_a_store_that_hangs_does_not_keep_the_process(installed: Path, tmp_path: Path) -> None:
    places = [str(installed), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    with RunningService(
        *("--store", "faulty://open/hangs_in_a_thread"),
        folder=tmp_path,
        environment={"PYTHONPATH": os.pathsep.join(places)},
        before=with_timeouts(Timeouts(exit=1.5)),
    ) as running:
        began = time.monotonic()
        status = running.stop()

    assert status == 1
    assert time.monotonic() - began < 15
    assert "a-thread-that-hangs" in running.output
