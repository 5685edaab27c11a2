"""Running an application on a port until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from tasksvc.api.app import ADMIN_APP, FAST_PATH, PEERS, RUNTIME
from tasksvc.api.server import unix_socket
from tasksvc.api.server.held_bytes import HeldBytes
from tasksvc.api.server.http_protocol import (
    HEADER_MAX,
    NOTSENT_LOWAT,
    READ_BYTES,
    TARGET_MAX,
    UNREAD_BYTES,
    Bounds,
    HTTPProtocol,
    LocalProtocol,
)
from tasksvc.api.server.read_turns import ReadTurns
from tasksvc.application.heap import rare_collections, trim_heap
from tasksvc.domain.errors import AddressUnavailable

CLOSE_SECONDS = 0.5
"""Seconds that aiohttp waits for handlers that are left.  It waits twice."""
BACKLOG = 1_024
ANY_IPV6 = "::"
"""All addresses of the machine: those of IPv4 too, where the system can do both."""


log = logging.getLogger("tasksvc")


class Listener(NamedTuple):
    """An application and where it is served."""

    app: web.Application
    host: str
    port: int
    """The port; 0 stands for a free one."""


def _ending_signals() -> list[signal.Signals]:
    """Returns SIGTERM, SIGINT, and SIGHUP, which comes when the terminal is closed, unless nohup ignores it."""
    hang_up = getattr(signal, "SIGHUP", None)  # absent on Windows
    ends = [signal.SIGTERM, signal.SIGINT]
    return ends if hang_up is None or signal.getsignal(hang_up) is signal.SIG_IGN else [*ends, hang_up]


async def serve(
    listeners: Sequence[Listener],
    *,
    ready: Callable[[Sequence[int]], None],
    stopping: Callable[[], None] = lambda: None,
    stop_delay: float = 0.0,
    admin_socket: Path | None = None,
) -> None:
    """Serves the application of the first of `listeners`, and what is beside it, until SIGTERM, SIGINT or SIGHUP.

    Then what is in flight finishes.  `ready` is called with the ports once requests are taken, and
    `stopping` when the signal has come.  One that comes while the application starts ends that.
    For `stop_delay` seconds after the signal, or until a second one, only readiness is off, so that
    load balancers can send elsewhere before connections are refused.
    At `admin_socket`, whose path is this process' as long as it has the store open, its user and root
    administer tokens without one; where it cannot be made, the log says so.
    Raises AddressUnavailable, and what the application's startup raises.
    """
    app = listeners[0].app
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ending_signals():
        with contextlib.suppress(NotImplementedError):  # on Windows
            loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        runtime = app[RUNTIME]
        limits, timeouts = runtime.limits, runtime.timeouts
        bounds = Bounds(
            HeldBytes(limits.held_request_bytes),
            HeldBytes(limits.held_answer_bytes),
            app[PEERS],
            ReadTurns(),
            timeouts,
        )
        ports = []
        servers = []
        runners = []
        for index, listener in enumerate(listeners):
            runner = web.AppRunner(listener.app, access_log=None, shutdown_timeout=CLOSE_SECONDS)
            stack.push_async_callback(runner.cleanup)
            if not await _done_before(stop, runner.setup(), stopping):
                return
            runners.append(runner)
            server = await _listen(index, listener, _factory(runner, HTTPProtocol, bounds))
            servers.append(server)
            stack.callback(server.close)
            ports.append(server.sockets[0].getsockname()[1])
        if admin_socket is not None:
            runner = web.AppRunner(app[ADMIN_APP], access_log=None, shutdown_timeout=CLOSE_SECONDS)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            runners.append(runner)
            await _listen_privately(admin_socket, _factory(runner, LocalProtocol, bounds), stack)
        cutting = asyncio.create_task(_cut_stalled_connections(runners, timeouts.stalled_check))
        stack.callback(cutting.cancel)
        stack.enter_context(rare_collections())
        trimming = asyncio.create_task(trim_heap())
        stack.callback(trimming.cancel)
        ready(ports)
        await stop.wait()
        stopping()
        if stop_delay:
            runtime.leaving = True
            stop.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(stop_delay):
                    await stop.wait()
        servers[0].close()
        # Before aiohttp closes connections, since it stops reading the bodies that are under way.
        await runtime.drain()
        for server in servers[1:]:
            server.close()
        for connection in _connections(runners):
            connection.close_if_idle()
        await runtime.drain()  # what was read just before that


async def _done_before(stop: asyncio.Event, work: Coroutine[Any, Any, None], stopping: Callable[[], None]) -> bool:
    """Returns whether `work` was done when `stop` came; if not, calls `stopping`, cancels `work` and waits for it."""
    doing, signalled = asyncio.create_task(work), asyncio.create_task(stop.wait())
    both: set[asyncio.Task[Any]] = {doing, signalled}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            stopping()
            doing.cancel()
            await asyncio.wait([doing])
        if doing.cancelled():
            return False
        doing.result()
        return not stop.is_set()
    finally:
        for task in both:
            task.cancel()
        await asyncio.wait(both)


def _connections(runners: Sequence[web.AppRunner]) -> Iterator[HTTPProtocol]:
    for runner in runners:
        assert runner.server is not None
        for connection in runner.server.connections:
            assert isinstance(connection, HTTPProtocol)
            yield connection


async def _cut_stalled_connections(runners: Sequence[web.AppRunner], interval: float) -> None:
    while True:
        await asyncio.sleep(interval)
        for connection in _connections(runners):
            connection.cut_if_stalled()


async def _listen_privately(path: Path, protocol: Callable[[], HTTPProtocol], stack: AsyncExitStack) -> None:
    """Listens at `path` until `stack` ends, or logs why not."""
    try:
        listening = unix_socket.bind_private(path)
    except OSError as error:
        log.warning("Tokens can't be administered without one here: %s cannot be made: %s.", path, error)
        return
    stack.callback(path.unlink, missing_ok=True)  # before the store is closed, and another process makes its own
    server = await asyncio.get_running_loop().create_unix_server(protocol, sock=listening)
    stack.callback(server.close)


def _factory(runner: web.AppRunner, kind: type[HTTPProtocol], bounds: Bounds) -> Callable[[], HTTPProtocol]:
    """Returns what makes a protocol for each connection."""
    manager, loop = runner.server, asyncio.get_running_loop()
    assert manager is not None
    front = runner.app.get(FAST_PATH)
    if front is not None:
        manager.request_handler = front.wrap(manager.request_handler)  # type: ignore[assignment]  # see Protocol

    def protocol() -> HTTPProtocol:
        return kind(
            manager,
            bounds=bounds,
            loop=loop,
            access_log=None,
            max_line_size=TARGET_MAX,
            max_field_size=HEADER_MAX,
            read_bufsize=READ_BYTES,
            auto_decompress=False,
        )

    return protocol


async def _listen(index: int, listener: Listener, protocol: Callable[[], HTTPProtocol]) -> asyncio.Server:
    host, port = listener.host, listener.port
    loop = asyncio.get_running_loop()
    try:
        if host == ANY_IPV6 and socket.has_dualstack_ipv6():
            listening = socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
            server = await loop.create_server(protocol, sock=listening)
        else:
            server = await loop.create_server(protocol, host, port, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name of a host
        reason = getattr(error, "strerror", None) or str(error)
        raise AddressUnavailable(host, port, reason, index=index) from error
    for listening in server.sockets:  # whose connections take these over
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT)
    return server
