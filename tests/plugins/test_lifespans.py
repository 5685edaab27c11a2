"""The end of what plugins do beside the requests: in time, late, too early, or never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from patience import FOREVER_SECONDS, until

from tasksvc.api.plugins.lifespans import Lifespans
from tasksvc.api.plugins.loading import Plugin
from tasksvc.domain.errors import PluginRefused
from tasksvc.plugin import Service, Timeouts, hookimpl
from tasksvc.testing.plugin import serving


async def forever() -> None:
    """Waits until it's cancelled."""
    await asyncio.Event().wait()


class Ending:
    """A plugin whose lifespan ends in the given way, and takes note of it."""

    def __init__(self, end: Callable[[], Awaitable[None]]) -> None:
        self.end, self.seen = end, list[str]()

    @hookimpl
    def tasksvc_lifespan(self, service: Service) -> AbstractAsyncContextManager[None]:
        return self.run()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        yield
        try:
            await self.end()
            self.seen.append("ended")
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise


async def test_a_lifespan_that_hangs_at_its_end_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    plugin = Ending(forever)

    async with serving(plugin, name="slow", timeouts=Timeouts(plugin_exit=0.05)):
        pass

    assert plugin.seen == ["cancelled"]
    assert "The plugin slow does not end. It is cancelled." in caplog.text


async def test_a_lifespan_that_ignores_its_cancellation_does_not_hold_up_the_stop() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    plugin = Ending(stubborn)
    async with serving(plugin, name="stubborn", timeouts=Timeouts(plugin_exit=0.05)):
        pass

    assert plugin.seen == []
    release.set()
    await until(lambda: plugin.seen)


async def test_a_lifespan_may_take_its_time_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    plugin = Ending(lambda: asyncio.sleep(0.05))

    async with serving(plugin, timeouts=Timeouts(plugin_exit=FOREVER_SECONDS)):
        pass

    assert plugin.seen == ["ended"]
    assert "plugin" not in caplog.text


async def test_what_a_lifespan_raises_at_its_end_is_logged_and_the_others_end(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise OSError("no room")

    first, second = Ending(lambda: asyncio.sleep(0)), Ending(fail)
    lifespans = Lifespans(FOREVER_SECONDS)
    await lifespans.enter([(Plugin("first", first), first.run()), (Plugin("second", second), second.run())])

    await lifespans.leave()

    assert "The plugin second failed in its lifespan." in caplog.text
    assert "no room" in caplog.text
    assert first.seen == ["ended"]


async def test_a_lifespan_that_is_cancelled_while_the_service_runs_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    tasks: list[asyncio.Task[object] | None] = []

    class Noted:
        @hookimpl
        def tasksvc_lifespan(self, service: Service) -> AbstractAsyncContextManager[None]:
            return self.run()

        @asynccontextmanager
        async def run(self) -> AsyncIterator[None]:
            tasks.append(asyncio.current_task())
            yield

    async with serving(Noted(), name="noted") as client:
        assert tasks[0] is not None
        tasks[0].cancel()
        await until(lambda: "The plugin noted does not run any more: its lifespan was cancelled." in caplog.text)

        async with client.get("/health/live") as response:
            assert response.status == 200


async def test_lifespans_are_left_in_the_opposite_order_also_if_a_later_one_fails_to_begin() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def span(name: str) -> AsyncIterator[None]:
        seen.append(f"{name} entered")
        if name == "third":
            raise OSError("no room")
        yield
        seen.append(f"{name} left")

    lifespans = Lifespans(FOREVER_SECONDS)
    with pytest.raises(PluginRefused, match="The plugin third failed in tasksvc_lifespan with OSError: no room"):
        await lifespans.enter([(Plugin(name, object()), span(name)) for name in ("first", "second", "third")])
    await lifespans.leave()

    assert seen == ["first entered", "second entered", "third entered", "second left", "first left"]
