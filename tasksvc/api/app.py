"""create_app(): the application, and its life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field

from aiohttp import web

import tasksvc
from tasksvc.api.docs import DocsPages
from tasksvc.api.edge import Edge
from tasksvc.api.front import Front
from tasksvc.api.guard import Guard
from tasksvc.api.handlers import Handlers
from tasksvc.api.routes import Routes
from tasksvc.api.service import Service
from tasksvc.plugins import open_repository
from tasksvc.ports import TaskRepository
from tasksvc.usecases import Retention

SCRATCH_STORE = "sqlite:///tasks.db"
"""The store of those who name none: emptied on shutdown."""
SERVICE: web.AppKey[Service] = web.AppKey("tasksvc", Service)
"""Where an application keeps its service."""
FRONT: web.AppKey[Front] = web.AppKey("tasksvc-front", Front)
"""What a server may put before the application."""


@dataclass(frozen=True)
class Options:
    """How an application behaves."""

    guard: Guard | None = None
    """Against the browser.  An application that embeds the service has a Host and Origin policy of its own."""
    retention: Retention = field(default_factory=Retention)
    drain_seconds: float = 10.0
    """How long the shutdown waits for requests in flight."""


def create_app(store: str | None = None, options: Options | None = None) -> web.Application:
    """The service as an aiohttp application, to be run, or to be added to another with add_subapp().

    `store` is the URL of a store, which is kept; without one it is the scratch store, which is
    emptied on shutdown.  The store is opened on startup, which raises what open_repository()
    raises, and closed on shutdown.
    """
    options = options or Options()

    def open_store() -> Awaitable[TaskRepository]:
        return open_repository(store or SCRATCH_STORE, scratch=store is None)

    service = Service(open_store, options.retention)
    handlers, edge = Handlers(service), Edge(service, options.guard)
    routes = Routes(handlers, DocsPages(), edge, tasksvc.__version__)
    app = web.Application(client_max_size=2**62)  # body.py bounds bodies, by what each operation takes
    app[SERVICE], app[FRONT] = service, Front(handlers, edge)
    routes.add_to(app.router)
    home = app.router.named_resources()["home"]

    async def run(app: web.Application) -> AsyncIterator[None]:
        routes.set_prefix(str(home.url_for()).rstrip("/"))
        await service.start()
        yield
        await service.stop(options.drain_seconds)

    async def shutdown(app: web.Application) -> None:
        await service.stop(options.drain_seconds)

    app.on_shutdown.append(shutdown)
    app.cleanup_ctx.append(run)  # on_shutdown is not called where another part of the startup fails
    return app
