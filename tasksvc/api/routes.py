"""Which path leads to which handler.  Unknown paths and methods are answered with a problem, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import hdrs, web

from tasksvc.api.handlers.changes import ChangeHandlers
from tasksvc.api.handlers.health import HealthHandlers
from tasksvc.api.handlers.tasks import TaskHandlers
from tasksvc.api.handlers.tokens import TokenHandlers
from tasksvc.api.openapi.docs_pages import DocsPages
from tasksvc.api.openapi.spec import Operation, describe
from tasksvc.api.pipeline.cors import Cors
from tasksvc.api.pipeline.pipeline import Handler, RequestPipeline
from tasksvc.api.requests.body import JSON, MERGE_PATCH
from tasksvc.api.requests.validation import BODY_MAX, RequestValidator
from tasksvc.api.responses.problems import NoSuchPath, WrongMethod
from tasksvc.api.responses.static_content import StaticContent
from tasksvc.application.tokens import Scope
from tasksvc.domain import codec

BATCH_BODY_MAX = 8 * 1024 * 1024
"""Bytes."""

Methods = Mapping[str, tuple[Handler, Scope | None]]
"""By method: the handler, and what it needs; None for nothing."""


class Handlers(NamedTuple):
    """All handlers of an application."""

    tasks: TaskHandlers
    changes: ChangeHandlers
    tokens: TokenHandlers
    operations: HealthHandlers
    pages: DocsPages


class Routes:
    """The table of paths, and the description that is made of it."""

    def __init__(self, handlers: Handlers, edge: RequestPipeline, cors: Cors | None, version: str) -> None:
        self._handlers, self._edge, self._cors, self._version = handlers, edge, cors, version
        self._operations: list[Operation] = []
        self._description: StaticContent | None = None

    def add_to(self, router: web.UrlDispatcher, *, body_max: int, batch_max: int, operations: bool) -> None:
        """Registers everything; `body_max` and `batch_max` are in bytes, `operations` adds those of operators."""
        tasks, changes, tokens, _, pages = self._handlers
        many: Methods = {
            "GET": (tasks.list_tasks, Scope.READ),
            "POST": (tasks.create_task, Scope.WRITE),
            "DELETE": (tasks.delete_tasks, Scope.WRITE),
        }
        one: Methods = {
            "GET": (tasks.get_task, Scope.READ),
            "PATCH": (tasks.patch_task, Scope.WRITE),
            "DELETE": (tasks.delete_task, Scope.WRITE),
        }
        self._path(router, "/tasks/", many, body_max=body_max)
        self._path(router, "/tasks", many, body_max=body_max, documented=False)
        self._path(router, "/tasks/{id}", one, types=(JSON, MERGE_PATCH), body_max=body_max)
        self._path(router, "/tasks/count", {"GET": (tasks.count_tasks, Scope.READ)})
        self._path(
            router, "/tasks/batch", {"POST": (tasks.batch, Scope.WRITE)}, body_max=batch_max, operation_max=body_max
        )
        self._path(router, "/changes", {"GET": (changes.changes, Scope.READ)})
        self._path(router, "/changes/stream", {"GET": (changes.stream, Scope.READ)})
        self._path(
            router,
            "/admin/tokens",
            {"GET": (tokens.list_tokens, Scope.ADMIN), "POST": (tokens.create_token, Scope.ADMIN)},
        )
        self._path(router, "/admin/tokens/{name}", {"DELETE": (tokens.revoke_token, Scope.ADMIN)})
        if operations:
            self._operations_paths(router, Scope.READ, documented=True)
        for path, handler in (
            ("/", pages.home),
            ("/docs", pages.swagger),
            ("/docs/", pages.without_slash),
            ("/redoc", pages.redoc),
            ("/redoc/", pages.without_slash),
            ("/docs/assets/{name}", pages.asset),
            ("/openapi.json", self._openapi),
        ):
            self._path(router, path, {"GET": (handler, None)}, documented=False, counted=True)
        self._nowhere(router)

    def add_only_operations_to(self, router: web.UrlDispatcher) -> None:
        """Registers what is for operators, for a port of its own."""
        self._operations_paths(router, None, documented=False)
        self._nowhere(router)

    def add_only_tokens_to(self, router: web.UrlDispatcher) -> None:
        """Registers the administration of tokens, for those who need none because only they reach it."""
        tokens = self._handlers.tokens
        many: Methods = {"GET": (tokens.list_tokens, None), "POST": (tokens.create_token, None)}
        self._path(router, "/admin/tokens", many, documented=False, guarded=False)
        one: Methods = {"DELETE": (tokens.revoke_token, None)}
        self._path(router, "/admin/tokens/{name}", one, documented=False, guarded=False)
        self._nowhere(router)

    def _operations_paths(self, router: web.UrlDispatcher, scope: Scope | None, *, documented: bool) -> None:
        """`scope` is what the figures need; None where only operators reach them."""
        operating = self._handlers.operations
        # Probes name the address of what they probe, and what they learn is no secret.
        self._path(router, "/health/live", {"GET": (operating.live, None)}, documented=documented, guarded=False)
        self._path(router, "/health/ready", {"GET": (operating.ready, None)}, documented=documented, guarded=False)
        self._path(router, "/metrics", {"GET": (operating.metrics, scope)}, documented=documented)

    def _path(
        self,
        router: web.UrlDispatcher,
        path: str,
        methods: Methods,
        *,
        types: tuple[str, ...] = (JSON,),
        body_max: int = BODY_MAX,
        operation_max: int = BODY_MAX,
        documented: bool = True,
        guarded: bool = True,
        counted: bool = False,
    ) -> None:
        resource = router.add_resource(path)
        if "GET" in methods:
            methods = {"HEAD": methods["GET"], **methods}
        allow = ", ".join(sorted([*methods, "OPTIONS"]))
        for method, (handler, scope) in methods.items():
            expectation = RequestValidator(handler, types=types, body_max=body_max, operation_max=operation_max)
            self._route(resource, method, handler, expectation, scope, guarded=guarded, counted=counted)
            if documented and method != "HEAD":
                self._operations.append(Operation(path, method, handler, types, scope))

        async def options(request: web.Request) -> web.StreamResponse:
            response = web.Response(status=204, headers={hdrs.ALLOW: allow})
            if "PATCH" in methods:
                response.headers["Accept-Patch"] = ", ".join(types)  # RFC 5789, section 3.1
            if self._cors is not None:
                response.headers.extend(self._cors.preflight_headers(request, allow))
            return response

        async def wrong_method(request: web.Request) -> web.StreamResponse:
            raise WrongMethod(f"This path takes {allow}.", headers={"Allow": allow})

        self._route(resource, hdrs.METH_OPTIONS, options, RequestValidator(options, any_query=True), None)
        self._route(resource, hdrs.METH_ANY, wrong_method, RequestValidator(wrong_method, any_query=True), None)

    def _route(
        self,
        resource: web.Resource,
        method: str,
        handler: Handler,
        expectation: RequestValidator,
        scope: Scope | None,
        *,
        guarded: bool = True,
        counted: bool = False,
    ) -> None:
        wrapped = self._edge.wrap(handler, expectation, scope, resource.canonical, guarded=guarded, counted=counted)
        resource.add_route(method, wrapped, expect_handler=_expect)

    def _nowhere(self, router: web.UrlDispatcher) -> None:
        nowhere = _Anywhere()
        router.register_resource(nowhere)
        expectation = RequestValidator(_nowhere, any_query=True)
        wrapped = self._edge.wrap(_nowhere, expectation, None, "none", guarded=True)
        nowhere.add_route(hdrs.METH_ANY, wrapped, expect_handler=_expect)

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        if self._description is None:  # made when it is first asked for, since that takes a while
            document = describe(self._operations, version=self._version)
            self._description = StaticContent(codec.dump_line(document), JSON)
        return self._description.response(request)


async def _expect(request: web.Request) -> None:
    """Leaves an Expect header to read_body()."""


async def _nowhere(request: web.Request) -> web.StreamResponse:
    if request.method == hdrs.METH_OPTIONS and request.raw_path == "*":  # the server itself
        return web.Response(status=204, headers={hdrs.ALLOW: "DELETE, GET, HEAD, OPTIONS, PATCH, POST"})
    raise NoSuchPath("There is nothing at this path. /docs tells what there is.")


class _Anywhere(web.DynamicResource):
    """Matches whatever else did not."""

    def __init__(self) -> None:
        super().__init__("/{rest:.*}")

    def _match(self, path: str) -> dict[str, str] | None:
        return {}
