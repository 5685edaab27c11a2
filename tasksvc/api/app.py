"""The application: what create_app() puts together, and its start and stop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING

from aiohttp import web

import tasksvc
from tasksvc.api.handlers.across import AcrossHandlers
from tasksvc.api.handlers.batch import BatchHandlers
from tasksvc.api.handlers.changes import ChangeHandlers
from tasksvc.api.handlers.health import HealthHandlers
from tasksvc.api.handlers.lists import ListHandlers
from tasksvc.api.handlers.me import MeHandlers
from tasksvc.api.handlers.tasks import TaskHandlers
from tasksvc.api.handlers.tokens import TokenHandlers
from tasksvc.api.handlers.workspaces import WorkspaceHandlers
from tasksvc.api.observability.observer import Observer
from tasksvc.api.openapi.docs_pages import DocsPages
from tasksvc.api.options import SCRATCH_STORE, Options
from tasksvc.api.pipeline.auth import Authenticator
from tasksvc.api.pipeline.cors import Cors
from tasksvc.api.pipeline.fast_path import FastPath
from tasksvc.api.pipeline.in_flight import InFlight
from tasksvc.api.pipeline.origin_check import OriginCheck
from tasksvc.api.pipeline.peers import Peers
from tasksvc.api.pipeline.pipeline import RequestPipeline
from tasksvc.api.plugins.active import ActivePlugins
from tasksvc.api.plugins.loading import load_plugins
from tasksvc.api.requests.body import Uploads
from tasksvc.api.responses.sse import sse_event
from tasksvc.api.routes import Routes, in_home, in_workspaces
from tasksvc.application.memory_shares import fit_to_memory
from tasksvc.application.runtime import Runtime
from tasksvc.ports.store import TaskRepository
from tasksvc.store_adapters import open_repository

if TYPE_CHECKING:
    from tasksvc.api.jwt_login.login import JWTLogin

RUNTIME: web.AppKey[Runtime] = web.AppKey("tasksvc", Runtime)
"""Holds the running service."""
AUTHENTICATOR: web.AppKey[Authenticator] = web.AppKey("tasksvc-authenticator", Authenticator)
"""Decides who may use the application."""
IN_FLIGHT: web.AppKey[InFlight] = web.AppKey("tasksvc-in-flight", InFlight)
"""Holds the requests that are being answered."""
PEERS: web.AppKey[Peers] = web.AppKey("tasksvc-peers", Peers)
"""Tells the clients of the application apart."""
HAS_PAGE: web.AppKey[bool] = web.AppKey("tasksvc-has-page", bool)
"""Whether a plugin answers at `/`, which leads to the docs otherwise."""
FAST_PATH: web.AppKey[FastPath] = web.AppKey("tasksvc-fast-path", FastPath)
"""Dispatches the most frequent requests, if a server puts it before the application."""
HEALTH_APP: web.AppKey[web.Application] = web.AppKey("tasksvc-health", web.Application)
"""Health and metrics as an application of their own, for another port."""
ADMIN_APP: web.AppKey[web.Application] = web.AppKey("tasksvc-admin", web.Application)
"""The administration of tokens and workspaces without a token: for a socket that nobody else can open."""


def create_app(store: str | None = None, options: Options | None = None) -> web.Application:
    """Returns the service as an aiohttp application, to be run, or to be added to another with add_subapp().

    `store` is the URL of a store, which is kept; without one it is the scratch store, which is
    emptied on shutdown.  The store is opened on startup, which raises what open_repository()
    raises, and closed on shutdown.  Raises PluginError.
    """
    options = options or Options()
    limits = fit_to_memory(options.limits, options.memory_limit)
    url = SCRATCH_STORE if store is None else store

    def open_store() -> Awaitable[TaskRepository]:
        return open_repository(url, scratch=store is None)

    scheme, peers = url.partition(":")[0], Peers(options.proxies)
    bodies = Uploads(peers, limits.held_body_bytes, options.timeouts)
    in_flight = InFlight(scheme, bodies, options.timeouts)
    runtime = Runtime(
        open_store,
        options.retention,
        in_flight,
        scheme=scheme,
        limits=limits,
        timeouts=options.timeouts,
        encode_change=sse_event,
    )
    observer = Observer(options.request_log, options.proxies)
    loaded = load_plugins() if options.plugins is None else options.plugins
    plugins = ActivePlugins(loaded, options.plugin_settings, runtime, lambda: authenticator.is_closed)
    jwt = _jwt_login(options)
    logins = [*plugins.logins(), *([] if jwt is None else [jwt])]
    authenticator = Authenticator(runtime, peers, options.tokens, options.allowance, options.identify, logins)
    cors = Cors(options.cors_origins) if options.cors_origins else None

    def pipeline_with(origin_check: OriginCheck | None, cors: Cors | None = None) -> RequestPipeline:
        return RequestPipeline(
            runtime, in_flight, bodies, authenticator, observer, origin_check=origin_check, cors=cors
        )

    pipeline = pipeline_with(options.origin_check, cors)
    tasks, tokens = TaskHandlers(runtime, authenticator), TokenHandlers(runtime, authenticator)
    workspaces = WorkspaceHandlers(runtime, authenticator)
    health = HealthHandlers(runtime, in_flight, observer, plugins.metrics)
    routes = Routes(pipeline, cors, tasksvc.__version__)
    app = web.Application(client_max_size=2**62)  # body.py bounds bodies, by what each operation takes
    app[RUNTIME], app[AUTHENTICATOR] = runtime, authenticator
    app[IN_FLIGHT], app[PEERS] = in_flight, peers
    app[FAST_PATH] = FastPath(tasks, pipeline, bodies, body_max=limits.body_bytes)
    changes = ChangeHandlers(runtime, authenticator)
    of_workspaces = [
        *tasks.routes(body_max=limits.body_bytes),
        BatchHandlers(runtime).routes(body_max=limits.body_bytes, batch_max=limits.batch_bytes),
        *ListHandlers(runtime, authenticator).routes(),
        changes.routes(),
    ]
    groups = [
        *map(in_home, AcrossHandlers(runtime, authenticator, tasks, changes).routes(of_workspaces)),
        *map(in_workspaces, of_workspaces),
        MeHandlers().routes(),
        tokens.routes(),
        *workspaces.routes(),
        *(health.routes() if options.operations else ()),
        DocsPages().routes(),
        routes.document(),
    ]
    routes.add_to(app.router, plugins.add_routes(groups))
    app[HAS_PAGE] = plugins.have_home
    app[HEALTH_APP] = web.Application()
    Routes(pipeline_with(options.health_origin_check), None, tasksvc.__version__).add_to(
        app[HEALTH_APP].router, health.routes_for_operators()
    )
    app[ADMIN_APP] = web.Application(client_max_size=2**62)
    routes.add_to(app[ADMIN_APP].router, [tokens.local_routes(), workspaces.local_routes()])

    async def run(app: web.Application) -> AsyncIterator[None]:
        try:
            await runtime.start()
            await authenticator.start(options.admin_token)
            await plugins.start()
            yield
        finally:
            await shutdown(app)

    async def shutdown(app: web.Application) -> None:
        await runtime.drain()
        await plugins.stop()
        if jwt is not None:
            await jwt.close()
        observer.close()  # before what is said of the store
        await runtime.stop()

    app.on_shutdown.append(shutdown)
    app.cleanup_ctx.append(run)  # on_shutdown is not called where another part of the startup fails
    return app


def _jwt_login(options: Options) -> JWTLogin | None:
    """Returns what verifies the tokens of an identity provider, whose modules nobody else needs."""
    if options.jwt is None:
        return None
    from tasksvc.api.jwt_login.login import JWTLogin

    return JWTLogin(options.jwt)
