"""create_app(): the application, and its life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

from aiohttp import web

import tasksvc
from tasksvc.api.handlers.changes import ChangeHandlers
from tasksvc.api.handlers.health import HealthHandlers
from tasksvc.api.handlers.tasks import TaskHandlers
from tasksvc.api.handlers.tokens import TokenHandlers
from tasksvc.api.observability.observer import Observer
from tasksvc.api.openapi.docs_pages import DocsPages
from tasksvc.api.options import SCRATCH_STORE, Options
from tasksvc.api.pipeline.auth import Authenticator
from tasksvc.api.pipeline.cors import Cors
from tasksvc.api.pipeline.fast_path import FastPath
from tasksvc.api.pipeline.peers import Peers
from tasksvc.api.pipeline.pipeline import RequestPipeline
from tasksvc.api.routes import Routes
from tasksvc.api.runtime import Runtime
from tasksvc.application.memory_shares import shares_of
from tasksvc.plugins import open_repository
from tasksvc.ports.store import TaskRepository

SERVICE: web.AppKey[Runtime] = web.AppKey("tasksvc", Runtime)
"""Where an application keeps its service."""
ACCESS: web.AppKey[Authenticator] = web.AppKey("tasksvc-access", Authenticator)
"""Who may use an application."""
FRONT: web.AppKey[FastPath] = web.AppKey("tasksvc-front", FastPath)
"""What a server may put before the application."""
OPERATIONS: web.AppKey[web.Application] = web.AppKey("tasksvc-operations", web.Application)
"""Health and figures as an application of their own, for another port."""
ADMINISTRATION: web.AppKey[web.Application] = web.AppKey("tasksvc-administration", web.Application)
"""The administration of tokens, which asks for none: for a socket that nobody else can open."""


def create_app(store: str | None = None, options: Options | None = None) -> web.Application:
    """The service as an aiohttp application, to be run, or to be added to another with add_subapp().

    `store` is the URL of a store, which is kept; without one it is the scratch store, which is
    emptied on shutdown.  The store is opened on startup, which raises what open_repository()
    raises, and closed on shutdown.
    """
    options = options or Options()
    url = SCRATCH_STORE if store is None else store

    def open_store() -> Awaitable[TaskRepository]:
        return open_repository(url, scratch=store is None)

    service = Runtime(
        open_store,
        options.retention,
        scheme=url.partition(":")[0],
        peers=Peers(options.proxies),
        shares=shares_of(options.memory_limit),
    )
    observer = Observer(options.request_log, options.proxies)
    access = Authenticator(service, options.tokens, options.allowance)
    cors = Cors(options.cors_origins) if options.cors_origins else None
    pipeline = RequestPipeline(service, access, observer, guard=options.guard, cors=cors)
    tasks, tokens = TaskHandlers(service, access), TokenHandlers(service, access)
    health = HealthHandlers(service, observer)
    routes = Routes(pipeline, cors, tasksvc.__version__)
    app = web.Application(client_max_size=2**62)  # body.py bounds bodies, by what each operation takes
    app[SERVICE], app[ACCESS] = service, access
    app[FRONT] = FastPath(tasks, pipeline, service.uploads, body_max=options.body_max)
    groups = [
        *tasks.routes(body_max=options.body_max, batch_max=options.batch_max),
        ChangeHandlers(service, access).routes(),
        tokens.routes(),
        *(health.routes() if options.operations else ()),
        DocsPages().routes(),
        routes.document(),
    ]
    routes.add_to(app.router, groups)
    app[OPERATIONS] = web.Application()
    apart = RequestPipeline(service, access, observer, guard=options.operations_guard)
    Routes(apart, None, tasksvc.__version__).add_to(app[OPERATIONS].router, health.routes_for_operators())
    app[ADMINISTRATION] = web.Application(client_max_size=2**62)
    routes.add_to(app[ADMINISTRATION].router, [tokens.local_routes()])

    async def run(app: web.Application) -> AsyncIterator[None]:
        try:
            await service.start()
            await access.start(options.admin_token)
            yield
        finally:
            await shutdown(app)

    async def shutdown(app: web.Application) -> None:
        await service.drain(options.drain_seconds)
        observer.close()  # before what is said of the store
        await service.stop(options.drain_seconds)

    app.on_shutdown.append(shutdown)
    app.cleanup_ctx.append(run)  # on_shutdown is not called where another part of the startup fails
    return app
