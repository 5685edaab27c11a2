"""The service in the process of the test, on a port, with the limits that a separate process has."""

from __future__ import annotations

import asyncio
import signal
from types import TracebackType
from typing import Any
from unittest import mock

from tasksvc.api.app import IN_FLIGHT, RUNTIME, create_app
from tasksvc.api.options import Options
from tasksvc.api.pipeline.in_flight import InFlight
from tasksvc.api.server import http_protocol, listener
from tasksvc.application.runtime import Runtime


class InProcess:
    """Serves `store` from the start of the `async with` block to its end."""

    def __init__(self, store: str, options: Options | None = None) -> None:
        self._app = create_app(store, options)
        self.port = 0
        self.connections: set[http_protocol.HTTPProtocol] = set()
        """Connections that are open, or not yet closed completely."""
        self.connected = 0
        """The number of connections so far."""

    @property
    def in_flight(self) -> InFlight:
        return self._app[IN_FLIGHT]

    @property
    def service(self) -> Runtime:
        return self._app[RUNTIME]

    async def __aenter__(self) -> InProcess:
        connections, running = self.connections, self

        class Watched(http_protocol.HTTPProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                running.connected += 1
                connections.add(self)
                super().connection_made(transport)

            def connection_lost(self, exc: BaseException | None) -> None:
                connections.discard(self)
                super().connection_lost(exc)

        self._watching = mock.patch.object(listener, "HTTPProtocol", Watched)
        self._watching.start()
        ports: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        listeners = [listener.Listener(self._app, "127.0.0.1", 0)]
        self._serving = asyncio.create_task(listener.serve(listeners, ready=lambda found: ports.set_result(found[0])))
        waited: list[asyncio.Future[Any]] = [ports, self._serving]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if self._serving.done():
            await self._serving
        self.port = ports.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._serving.cancel()
        await asyncio.wait([self._serving])
        self._watching.stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
