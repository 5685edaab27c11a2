"""Targets of webhooks: a server on 127.0.0.1 that keeps what it's sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, NamedTuple

from aiohttp import web
from patience import until

LOOPBACK = (ip_network("127.0.0.0/8"),)
"""What a service must allow for its webhooks to reach a receiver."""


class Received(NamedTuple):
    """A message that a target got."""

    target: str
    """The path that it was sent to, without the slash."""
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes
    at: datetime

    @property
    def document(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.body)

    @property
    def workspace(self) -> str:
        return self.headers["tasksvc-workspace"]

    @property
    def seq(self) -> int:
        """The number of the change."""
        return int(self.document["seq"])


class Receiver:
    """Answers each message with 204, or as a test wants."""

    def __init__(self) -> None:
        self.messages: list[Received] = []
        self.statuses: dict[str, int] = {}
        """What some targets answer instead of 204."""
        self.headers: dict[str, str] = {}
        """Headers of these answers."""
        self.silent: set[str] = set()
        """Targets that don't answer."""
        self.seconds: dict[str, float] = {}
        """How long some targets take, which lose a message whose sender is gone by then."""
        self.open = 0
        """Requests that aren't answered yet."""
        self.open_most = 0
        self.port = 0
        self._closing = asyncio.Event()

    def url(self, target: str = "hook") -> str:
        """Returns the URL of a target."""
        return f"http://127.0.0.1:{self.port}/{target}"

    def of(self, target: str = "hook") -> Sequence[Received]:
        """Returns the messages to a target, in their order."""
        return [message for message in self.messages if message.target == target]

    def seqs(self, target: str = "hook", workspace: str = "default") -> Sequence[int]:
        """Returns the numbers of the changes of a workspace that a target was sent, in their order."""
        return [message.seq for message in self.of(target) if message.workspace == workspace]

    async def gets(self, count: int, target: str = "hook") -> Sequence[Received]:
        """Returns the messages to a target when there are as many as that."""
        await until(lambda: len(self.of(target)) >= count)
        return self.of(target)

    def close(self) -> None:
        """Lets silent targets answer."""
        self._closing.set()

    async def handle(self, request: web.Request) -> web.Response:
        body, target = await request.read(), request.path.removeprefix("/")
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.open += 1
        self.open_most = max(self.open, self.open_most)
        try:
            if target in self.silent:
                await self._closing.wait()
            await asyncio.sleep(self.seconds.get(target, 0))
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError  # so the sender has no answer, and the message doesn't count
            self.messages.append(Received(target, headers, body, datetime.now(UTC)))
        finally:
            self.open -= 1
        status = self.statuses.get(target)
        return web.Response(status=204) if status is None else web.Response(status=status, headers=self.headers)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Gives a receiver that runs until the end of the block."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{target:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        receiver.close()
        await runner.cleanup()
