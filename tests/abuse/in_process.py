"""The service in the process of the test, on a port, with the limits that it has as a process of its own."""

from __future__ import annotations

import asyncio
import signal
from types import TracebackType

from tasksvc.api.app import SERVICE, Options, create_app
from tasksvc.api.server import Listener, serve
from tasksvc.api.service import Service


class InProcess:
    """Serves `store` from the start of the `async with` block to its end."""

    def __init__(self, store: str, options: Options | None = None) -> None:
        self._app = create_app(store, options)
        self.port = 0

    @property
    def service(self) -> Service:
        return self._app[SERVICE]

    async def __aenter__(self) -> InProcess:
        ports: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        listeners = [Listener(self._app, "127.0.0.1", 0)]
        self._serving = asyncio.create_task(serve(listeners, ready=lambda found: ports.set_result(found[0])))
        await asyncio.wait([ports, self._serving], return_when=asyncio.FIRST_COMPLETED)
        if self._serving.done():
            await self._serving
        self.port = ports.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._serving.cancel()
        await asyncio.wait([self._serving])
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
