"""Which path leads to which handler.  Every path answers every method, and what is no path, with a problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import hdrs, web

from tasksvc import codec
from tasksvc.api.body import JSON, MERGE_PATCH
from tasksvc.api.docs import DocsPages
from tasksvc.api.edge import Edge, Handler
from tasksvc.api.handlers import Handlers
from tasksvc.api.openapi import Operation, describe
from tasksvc.api.problems import NoSuchPath, WrongMethod
from tasksvc.api.validation import BODY_MAX, Expectation

BATCH_BODY_MAX = 8 * 1024 * 1024
"""Bytes."""


class Routes:
    """The table of paths, and the description that is made of it."""

    def __init__(self, handlers: Handlers, pages: DocsPages, edge: Edge, version: str) -> None:
        self._handlers, self._pages, self._edge, self._version = handlers, pages, edge, version
        self._operations: list[Operation] = []
        self._prefix, self._description = "", b""

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Registers everything."""
        tasks, pages = self._handlers, self._pages
        many = {"GET": tasks.list_tasks, "POST": tasks.create_task, "DELETE": tasks.delete_tasks}
        self._path(router, "/tasks/", many)
        self._path(router, "/tasks", many, documented=False)
        self._path(
            router,
            "/tasks/{id}",
            {"GET": tasks.get_task, "PATCH": tasks.patch_task, "DELETE": tasks.delete_task},
            types=(JSON, MERGE_PATCH),
        )
        self._path(router, "/tasks/batch", {"POST": tasks.batch}, body_max=BATCH_BODY_MAX)
        self._path(router, "/changes", {"GET": tasks.changes})
        self._path(router, "/changes/stream", {"GET": tasks.stream})
        self._path(router, "/health/live", {"GET": tasks.live})
        self._path(router, "/health/ready", {"GET": tasks.ready})
        for path, handler in (
            ("/", pages.home),
            ("/docs", pages.swagger),
            ("/redoc", pages.redoc),
            ("/docs/assets/{name}", pages.asset),
            ("/openapi.json", self._openapi),
        ):
            self._path(router, path, {"GET": handler}, documented=False)
        nowhere = _Anywhere()
        router.register_resource(nowhere)
        nowhere.add_route(hdrs.METH_ANY, self._edge.wrap(_nowhere, Expectation(_nowhere, any_query=True)))

    def set_prefix(self, prefix: str) -> None:
        """Tells all that name paths that the application is served below `prefix`."""
        self._prefix = self._handlers.prefix = self._pages.prefix = prefix
        self._description = b""

    def _path(
        self,
        router: web.UrlDispatcher,
        path: str,
        handlers: Mapping[str, Any],
        *,
        types: tuple[str, ...] = (JSON,),
        body_max: int = BODY_MAX,
        documented: bool = True,
    ) -> None:
        resource = router.add_resource(path, name="home" if path == "/" else None)
        if "GET" in handlers:
            handlers = {"HEAD": handlers["GET"], **handlers}
        allow = ", ".join(sorted([*handlers, "OPTIONS"]))
        for method, handler in handlers.items():
            expectation = Expectation(handler, types=types, body_max=body_max)
            resource.add_route(
                method, self._edge.wrap(handler, expectation), expect_handler=self._edge.expect(expectation)
            )
            if documented and method != "HEAD":
                self._operations.append(Operation(path, method, handler, types))

        async def options(request: web.Request) -> web.StreamResponse:
            accept_patch = {"Accept-Patch": ", ".join(types)} if "PATCH" in handlers else {}  # RFC 5789
            return web.Response(status=204, headers={hdrs.ALLOW: allow, **accept_patch})

        async def wrong_method(request: web.Request) -> web.StreamResponse:
            raise WrongMethod(f"This path takes {allow}.", headers={"Allow": allow})

        lenient: list[tuple[str, Handler]] = [(hdrs.METH_OPTIONS, options), (hdrs.METH_ANY, wrong_method)]
        for method, handler in lenient:
            expectation = Expectation(handler, any_query=True)
            resource.add_route(
                method, self._edge.wrap(handler, expectation), expect_handler=self._edge.expect(expectation)
            )

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        if not self._description:  # made when it is first asked for, since that takes a while
            description = describe(self._operations, version=self._version, prefix=self._prefix)
            self._description = codec.dumps(description)
        return web.Response(body=self._description, content_type=JSON)


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
