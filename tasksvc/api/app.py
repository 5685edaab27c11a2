"""create_app(): the application, and its life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field

from aiohttp import web

import tasksvc
from tasksvc.api.access import Access, Allowance, TokenPolicy
from tasksvc.api.changes import ChangeHandlers
from tasksvc.api.cors import Cors
from tasksvc.api.docs import DocsPages
from tasksvc.api.edge import Edge
from tasksvc.api.front import Front
from tasksvc.api.guard import Guard
from tasksvc.api.memory_shares import shares_of
from tasksvc.api.observer import Observer, RequestLog
from tasksvc.api.operations import OperationsHandlers
from tasksvc.api.peers import Peers
from tasksvc.api.proxies import Proxies
from tasksvc.api.routes import BATCH_BODY_MAX, Handlers, Routes
from tasksvc.api.service import Service
from tasksvc.api.tasks import TaskHandlers
from tasksvc.api.token_admin import TokenHandlers
from tasksvc.api.validation import BODY_MAX
from tasksvc.plugins import open_repository
from tasksvc.ports import TaskRepository
from tasksvc.usecases import Retention

SCRATCH_STORE = "sqlite:///tasks.db"
"""The store of those who name none: emptied on shutdown."""
SERVICE: web.AppKey[Service] = web.AppKey("tasksvc", Service)
"""Where an application keeps its service."""
ACCESS: web.AppKey[Access] = web.AppKey("tasksvc-access", Access)
"""Who may use an application."""
FRONT: web.AppKey[Front] = web.AppKey("tasksvc-front", Front)
"""What a server may put before the application."""
OPERATIONS: web.AppKey[web.Application] = web.AppKey("tasksvc-operations", web.Application)
"""Health and figures as an application of their own, for another port."""
ADMINISTRATION: web.AppKey[web.Application] = web.AppKey("tasksvc-administration", web.Application)
"""The administration of tokens, which asks for none: for a socket that nobody else can open."""


@dataclass(frozen=True)
class Options:
    """How an application behaves.

    By default it is open to everybody who reaches it, and checks neither Host nor Origin: an
    application that embeds the service has middlewares of its own for that.
    """

    guard: Guard | None = None
    """Against the browser."""
    operations_guard: Guard | None = None
    """The same before the figures on a port of their own."""
    tokens: TokenPolicy = TokenPolicy.NEVER
    admin_token: str | None = None
    """The secret of a token that may administer, which is put into the store if it is not there."""
    allowance: Allowance = field(default_factory=Allowance)
    """How much each caller may do."""
    cors_origins: frozenset[str] = frozenset()
    """Origins whose pages may use the API."""
    body_max: int = BODY_MAX
    batch_max: int = BATCH_BODY_MAX
    """The same for batches.  Both in bytes."""
    request_log: RequestLog | None = None
    """Where a line for each request goes."""
    proxies: Proxies | None = None
    """Whose word is taken for where a request comes from."""
    operations: bool = True
    """Whether health and figures are served beside the tasks."""
    retention: Retention = field(default_factory=Retention)
    memory_limit: int | None = None
    """Bytes that the process may occupy, which bounds what clients can make it keep; None for no limit."""
    drain_seconds: float = 10.0
    """How long the shutdown waits for requests in flight."""


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

    service = Service(
        open_store,
        options.retention,
        scheme=url.partition(":")[0],
        peers=Peers(options.proxies),
        shares=shares_of(options.memory_limit),
    )
    observer = Observer(options.request_log, options.proxies)
    access = Access(service, options.tokens, options.allowance)
    cors = Cors(options.cors_origins) if options.cors_origins else None
    edge = Edge(service, access, observer, guard=options.guard, cors=cors)
    handlers = Handlers(
        TaskHandlers(service, access),
        ChangeHandlers(service, access),
        TokenHandlers(service, access),
        OperationsHandlers(service, observer),
        DocsPages(),
    )
    routes = Routes(handlers, edge, cors, tasksvc.__version__)
    app = web.Application(client_max_size=2**62)  # body.py bounds bodies, by what each operation takes
    app[SERVICE], app[ACCESS] = service, access
    app[FRONT] = Front(handlers.tasks, edge, service.uploads, body_max=options.body_max)
    routes.add_to(app.router, body_max=options.body_max, batch_max=options.batch_max, operations=options.operations)
    app[OPERATIONS] = web.Application()
    apart = Edge(service, access, observer, guard=options.operations_guard)
    Routes(handlers, apart, None, tasksvc.__version__).add_only_operations_to(app[OPERATIONS].router)
    app[ADMINISTRATION] = web.Application(client_max_size=2**62)
    routes.add_only_tokens_to(app[ADMINISTRATION].router)

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
