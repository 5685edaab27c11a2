"""The table of routes: each path with its methods, handlers and scopes, given as groups by the handlers' modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from aiohttp import hdrs, web

from tasksvc.api.openapi.spec import Operation, describe
from tasksvc.api.pipeline.cors import Cors
from tasksvc.api.pipeline.pipeline import Handler, RequestPipeline, RouterHandler
from tasksvc.api.requests.lists import LIST
from tasksvc.api.requests.validation import BODY_MAX, RequestValidator
from tasksvc.api.requests.workspaces import PARAMETER, PATH
from tasksvc.api.responses.problems import NoSuchPath, WrongMethod
from tasksvc.api.responses.raw import JSON
from tasksvc.api.responses.static_content import StaticContent
from tasksvc.application.callers import Scope
from tasksvc.domain.json_text import dump_line


class Route(NamedTuple):
    """One operation: a method of a path."""

    method: str
    """A route for GET serves HEAD, too."""
    path: str
    handler: Handler
    scope: Scope | None
    """The scope that a token needs, None if no token is needed.  Without a default it can't be forgotten."""
    types: tuple[str, ...] = (JSON,)
    """Media types that its body may have."""
    body_max: int = BODY_MAX
    """The largest body in bytes."""
    operation_max: int = BODY_MAX
    """The largest operation of a batch in bytes."""
    raw: bool = False
    """Whether the handler takes the bytes of the body, of whatever `types` they are, from request[RAW]."""
    any_query: bool = False
    """Whether the handler looks at the query string itself."""
    parameters: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    """OpenAPI's `schema` and `example` of parameters in the path, by name, where they aren't those of the service."""


class RouteGroup(NamedTuple):
    """Routes of one subject.  All routes of a path are in one group."""

    routes: Sequence[Route]
    documented: bool = True
    """Whether the OpenAPI document describes them."""
    origin_checked: bool = True
    """Whether requests of pages of other origins, and for other hosts, are refused."""
    counted: bool = False
    """Whether requests count for the rate limit of their address; those that need a scope count anyway."""
    in_workspaces: bool = False
    """Whether its paths name a workspace."""
    in_home: bool = False
    """Whether its paths mean the home of the caller."""
    tags: Mapping[str, str] = MappingProxyType({})
    """Descriptions of tags of its operations that no other group has."""


def in_home(group: RouteGroup) -> RouteGroup:
    """Returns the routes of a group in the home of the caller, whose handlers ask workspace_of()."""
    return group._replace(in_home=True)


def in_workspaces(group: RouteGroup) -> RouteGroup:
    """Returns the routes of a group below the path of a workspace, whose handlers ask workspace_of()."""
    return group._replace(routes=[route._replace(path=PATH + route.path) for route in group.routes], in_workspaces=True)


class Routes:
    """Registers route groups with a router, and makes the OpenAPI document of them."""

    def __init__(self, pipeline: RequestPipeline, cors: Cors | None, version: str) -> None:
        """Takes the version of the service, for the OpenAPI document."""
        self._pipeline, self._cors, self._version = pipeline, cors, version
        self._operations: list[Operation] = []
        self._tags: dict[str, str] = {}
        self._description: StaticContent | None = None

    def add_to(self, router: web.UrlDispatcher, groups: Iterable[RouteGroup]) -> None:
        """Registers `groups`, and what answers all other paths and methods with a problem."""
        paths: dict[str, dict[str, Route]] = {}
        group_of: dict[str, RouteGroup] = {}
        for group in groups:
            self._tags.update(group.tags)
            for route in group.routes:
                paths.setdefault(route.path, {})[route.method] = route
                group_of[route.path] = group
                if group.documented:
                    self._operations.append(
                        Operation(
                            route.path,
                            route.method,
                            route.handler,
                            route.types,
                            route.scope,
                            in_workspace=group.in_workspaces,
                            parameters=route.parameters,
                        )
                    )
        # The router takes the first path that matches: /tasks/count must come before /tasks/{id}.
        for path in sorted(paths, key=lambda path: path.count("{")):
            self._add_path(router, path, paths[path], group_of[path])
        self._add_not_found(router)

    def document(self) -> RouteGroup:
        """Returns the route of the OpenAPI document."""
        return RouteGroup([Route("GET", "/openapi.json", self._openapi, None)], documented=False, counted=True)

    def _add_path(self, router: web.UrlDispatcher, path: str, methods: Mapping[str, Route], group: RouteGroup) -> None:
        # Any text is a name to the router, so that one that can't be one is answered as such.
        for name in (PARAMETER, LIST):
            path = path.replace(f"{{{name}}}", f"{{{name}:[^/]*}}")
        resource = router.add_resource(path)
        answers = {method: self._wrap(route, resource.canonical, group) for method, route in methods.items()}
        if "GET" in answers:
            answers.setdefault("HEAD", answers["GET"])
        for method, answer in answers.items():
            resource.add_route(method, answer, expect_handler=_expect)
        self._add_other_methods(resource, ", ".join(sorted({*answers, "OPTIONS"})), methods.get("PATCH"))

    def _wrap(self, route: Route, path: str, group: RouteGroup) -> RouterHandler:
        validator = RequestValidator(
            route.handler,
            types=route.types,
            body_max=route.body_max,
            operation_max=route.operation_max,
            raw=route.raw,
            any_query=route.any_query,
        )
        return self._pipeline.wrap_for_router(
            route.handler,
            validator,
            route.scope,
            path,
            origin_checked=group.origin_checked,
            counted=group.counted,
            in_home=group.in_home,
        )

    def _add_other_methods(self, resource: web.Resource, allow: str, patch: Route | None) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            if request.method != hdrs.METH_OPTIONS:
                raise WrongMethod(f"This path takes {allow}.", headers={"Allow": allow})
            response = web.Response(status=204, headers={hdrs.ALLOW: allow})
            if patch is not None:
                response.headers["Accept-Patch"] = ", ".join(patch.types)  # RFC 5789, section 3.1
            if self._cors is not None:
                response.headers.extend(self._cors.preflight_headers(request, allow))
            return response

        self._add_any(resource, answer, resource.canonical)

    def _add_not_found(self, router: web.UrlDispatcher) -> None:
        catch_all = _CatchAllResource()
        router.register_resource(catch_all)
        self._add_any(catch_all, _not_found, "none")

    def _add_any(self, resource: web.Resource, handler: Handler, name: str) -> None:
        wrapped = self._pipeline.wrap_for_router(handler, _UNREAD, None, name, origin_checked=True)
        resource.add_route(hdrs.METH_ANY, wrapped, expect_handler=_expect)

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        if self._description is None:  # made when it is first asked for, since that takes a while
            document = describe(self._operations, self._tags, version=self._version)
            self._description = StaticContent(dump_line(document), JSON)
        return self._description.response(request)


async def _expect(request: web.Request) -> None:
    """Leaves an Expect header to read_body()."""


async def _not_found(request: web.Request) -> web.StreamResponse:
    if request.method == hdrs.METH_OPTIONS and request.raw_path == "*":  # the server itself
        return web.Response(status=204, headers={hdrs.ALLOW: "DELETE, GET, HEAD, OPTIONS, PATCH, POST"})
    raise NoSuchPath("There is nothing at this path. /docs tells what there is.")


_UNREAD = RequestValidator(_not_found, any_query=True)
"""Leaves the query string and the body alone."""


class _CatchAllResource(web.DynamicResource):
    """Matches every path that no other resource matches."""

    def __init__(self) -> None:
        super().__init__("/{rest:.*}")

    def _match(self, path: str) -> dict[str, str] | None:
        return {}
