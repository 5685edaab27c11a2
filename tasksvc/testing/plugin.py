"""A service for the tests of a plugin.

    import tasksvc_greeting
    from tasksvc.testing.plugin import serving

    async def test_it_greets():
        async with serving(tasksvc_greeting, name="greeting") as client:
            async with client.get("/greeting") as response:
                assert await response.json() == {"text": "Hello."}

The plugin needn't be installed.  `async with serving(...)` takes several stores and settings, and callers whom a test
names in a header.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from tasksvc.api.app import create_app
from tasksvc.api.options import Options
from tasksvc.api.plugins.loading import Plugin
from tasksvc.application.callers import Caller
from tasksvc.application.limits import Timeouts

CALLER_HEADER = "X-Test-Caller"
"""Names the caller of a request, if serving() was given callers."""


@asynccontextmanager
async def serving(
    implementation: object,
    *,
    name: str = "plugin",
    store: str = "memory:",
    settings: Mapping[str, Any] | None = None,
    callers: Mapping[str, Caller] | None = None,
    timeouts: Timeouts | None = None,
) -> AsyncIterator[aiohttp.ClientSession]:
    """Serves a store with one plugin on a free port of 127.0.0.1, and gives a client of it until the block ends.

    `implementation` is the module or object that an entry point `name` would name.  `settings` has the values of its
    settings by their flags.  With `callers`, a request needs the header X-Test-Caller with the name of one of them.
    Raises PluginError, and what the start raises.
    """

    async def identify(request: web.BaseRequest) -> Caller | None:
        return (callers or {}).get(request.headers.get(CALLER_HEADER, ""))

    options = Options(
        plugins=[Plugin(name, implementation)],
        plugin_settings=settings or {},
        identify=None if callers is None else identify,
        timeouts=timeouts or Timeouts(),
    )
    runner = web.AppRunner(create_app(store, options), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession(base_url=f"http://{host}:{port}") as client:
            yield client
    finally:
        await runner.cleanup()
