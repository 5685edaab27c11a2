"""An agent: the SDK's own client, with `tasksvc mcp` as a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, TypeVar

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult, Tool
from patience import PATIENCE_SECONDS
from service_process import environment_with

T = TypeVar("T")


def parameters(*arguments: str, environment: Mapping[str, str] | None = None) -> StdioServerParameters:
    """Returns how a host starts `tasksvc mcp` with arguments and variables."""
    return StdioServerParameters(
        command=sys.executable, args=["-m", "tasksvc", "mcp", *arguments], env=environment_with(environment)
    )


class Agent:
    """Calls tools from the start of the `with` block to its end."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None, mode: str = "auto") -> None:
        """Takes the arguments of the command, and the revision of the protocol that the client begins with."""
        self._parameters, self._mode = parameters(*arguments, environment=environment), mode
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._end = asyncio.Event()
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    def tools(self) -> dict[str, Tool]:
        """Returns what the server offers, by name."""
        return {tool.name: tool for tool in self._wait_for(self.client.list_tools()).tools}

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Calls a tool, and returns what it gives, which its schema describes.  It must not fail."""
        result = self._call(name, arguments)
        assert not result.is_error, result.content
        assert result.structured_content == _document(result)
        given: dict[str, Any] = result.structured_content
        return given

    def fail(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Calls a tool, which must fail, and returns the error that the agent gets."""
        result = self._call(name, arguments)
        assert result.is_error, result.content
        return _document(result)

    def _call(self, name: str, arguments: Mapping[str, Any]) -> CallToolResult:
        return self._wait_for(self.client.call_tool(name, dict(arguments)))

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)

    async def _run(self, ready: asyncio.Future[None]) -> None:
        try:
            async with Client(stdio_client(self._parameters), mode=self._mode) as client:
                self._client = client
                ready.set_result(None)
                await self._end.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    async def _start(self) -> None:
        ready = self._loop.create_future()
        self._running = self._loop.create_task(self._run(ready))
        await ready

    async def _stop(self) -> None:
        self._end.set()
        await self._running

    def __enter__(self) -> Agent:
        self._thread.start()
        self._wait_for(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._wait_for(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE_SECONDS)
            self._loop.close()


def _document(result: CallToolResult) -> dict[str, Any]:
    """Returns the text of a result, as hosts read it that know no structured content."""
    (content,) = result.content
    document: dict[str, Any] = json.loads(content.text)  # type: ignore[union-attr]
    return document
