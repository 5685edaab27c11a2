"""What happens to every request before and after its handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from aiohttp import hdrs, web

from tasksvc.api.observability.observer import Observer
from tasksvc.api.observability.request_id import id_for, request_id
from tasksvc.api.pipeline.auth import Authenticator
from tasksvc.api.pipeline.clients import CALLER, CLIENT, caller_of
from tasksvc.api.pipeline.cors import Cors
from tasksvc.api.pipeline.in_flight import InFlight, timeout_error
from tasksvc.api.pipeline.origin_check import OriginCheck
from tasksvc.api.requests.body import Uploads
from tasksvc.api.requests.etags import etag
from tasksvc.api.requests.validation import BODY, RAW, RequestValidator
from tasksvc.api.requests.workspaces import PARAMETER, workspace_in
from tasksvc.api.responses.cache_control import NO_STORE, make_private
from tasksvc.api.responses.problems import NotYourWorkspace, to_problem
from tasksvc.api.responses.raw import SERVER, RawResponse
from tasksvc.api.responses.streaming import StreamingResponse
from tasksvc.application.callers import EVERYBODY, Caller, Scope
from tasksvc.application.contract_checks import ContractViolation
from tasksvc.application.runtime import Runtime
from tasksvc.domain.errors import StoreUnavailable, VersionConflict
from tasksvc.domain.task import Version
from tasksvc.domain.workspace import is_workspace_name

CLIENT_LEFT = 499
"""The status in the log and in metrics of a request whose client left before the response, as nginx has it."""
NONE = "-"
"""Stands in the log for the caller or the workspace of a request that has none."""
NAMED: web.RequestKey[str] = web.RequestKey("named", str)
"""Holds the workspaces that the query string names, for the log."""

Handler = Callable[..., Awaitable[web.StreamResponse | RawResponse | StreamingResponse]]
"""Takes a request, and for some routes what is known of it already."""
WrappedHandler = Callable[..., Awaitable[web.StreamResponse | RawResponse]]
Headers = tuple[tuple[str, str], ...]
RouterHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RequestPipeline:
    """Wraps handlers: checks origin, token and input, turns errors into problems, and records the response.

    It isn't a middleware, since a handler that is wrapped once costs less than a middleware that is
    looked up for each request.
    """

    def __init__(
        self,
        runtime: Runtime,
        in_flight: InFlight,
        bodies: Uploads,
        authenticator: Authenticator,
        observer: Observer,
        *,
        origin_check: OriginCheck | None = None,
        cors: Cors | None = None,
    ) -> None:
        self._runtime, self._in_flight, self._bodies = runtime, in_flight, bodies
        self._authenticator, self._observer = authenticator, observer
        self._origin_check, self._cors = origin_check, cors

    def wrap(
        self,
        handler: Handler,
        scope: Scope | None,
        route: str,
        *,
        origin_checked: bool = True,
        counted: bool = False,
        in_home: bool = True,
        across: bool = False,
    ) -> WrappedHandler:
        """Returns `handler` behind all checks; it never raises.

        `scope`: what it needs, None for nothing; `route`: its name in metrics; `origin_checked`: whether the
        origin check comes first; `counted`: whether a request counts for its address, if there's no scope;
        `in_home`: whether a path without a workspace means the caller's home; `across`: whether the query string may
        name workspaces instead.
        """
        runtime, authenticator, cors, record = self._runtime, self._authenticator, self._cors, self._observer.record
        origin_check = self._origin_check if origin_checked else None
        in_flight, room = self._in_flight, self._bodies.room
        administers = scope is Scope.ADMIN
        counted = counted and scope is None and authenticator.counts_strangers

        async def answer(request: web.Request, *known: Any) -> web.StreamResponse | RawResponse:
            began = perf_counter()
            name = id_for(request)
            request_id.set(name)
            who: Caller | None = None
            restricted = False
            more: Headers = ()
            in_flight.enter(request, began)
            try:
                if cors is not None:
                    more = cors.headers(request)
                if origin_check is not None:
                    origin_check.check(request)
                if scope is not None and (authenticator.is_needed or administers):
                    client, who = await authenticator.authorize(request, scope)
                    request[CLIENT], request[CALLER] = client, who
                    more += client.limit_headers()
                    if who.workspaces is not None:
                        restricted = True
                        _check_enters(who, known[0] if known else workspace_in(request))
                elif scope is not None:
                    request[CALLER] = who = EVERYBODY  # looking up what isn't there takes longer
                elif counted:
                    more += authenticator.count_stranger(request).limit_headers()
                response = await handler(request, *known)
                if isinstance(response, StreamingResponse):
                    if restricted:
                        make_private(response.response.headers)
                    response = await self._send(request, response, (("X-Request-ID", name), *more))
            except Exception as error:
                response = self._refuse(error)
            except asyncio.CancelledError:
                if in_flight.absorb_timeout(request):
                    left = request.transport is None
                    response = web.Response(status=CLIENT_LEFT) if left else self._refuse(timeout_error(request))
                elif _is_cancelled():
                    raise
                else:
                    response = self._refuse(
                        ContractViolation("The store was cancelled, and nobody had asked for that.")
                    )
            finally:
                in_flight.leave(request)
                room.leave(request)
            if isinstance(response, RawResponse):
                response.headers += b"X-Request-ID: %b\r\n" % name.encode()
                if restricted:
                    response.make_private()
                for header in more:
                    response.add_header(*header)
                if runtime.draining:
                    response = response.to_web_response()
                    response.force_close()
            elif not response.prepared:
                response.headers.extend((("X-Request-ID", name), *more))
                response.headers[hdrs.SERVER] = SERVER
                response.headers["X-Content-Type-Options"] = "nosniff"
                response.headers.setdefault(hdrs.CACHE_CONTROL, NO_STORE)
                if restricted:
                    make_private(response.headers)
                if runtime.draining:
                    response.force_close()
            seconds = perf_counter() - began
            caller = NONE if who is None or who.name is None else who.name
            workspace = known[0] if known else workspace_in(request)
            if across and NAMED in request:
                workspace = request[NAMED]
            elif workspace is None:
                workspace = who.home if in_home and who is not None else NONE
            elif not known and not is_workspace_name(workspace):  # a path may have any text there
                workspace = NONE
            record(request, route, response.status, seconds, name, caller, workspace)
            return response

        return answer

    async def _send(self, request: web.Request, stream: StreamingResponse, headers: Headers) -> web.StreamResponse:
        in_flight = self._in_flight
        with in_flight.streaming(request, long_lived=stream.long_lived):
            try:
                return await stream.send(request, headers, self._runtime.timeouts)
            except asyncio.CancelledError:
                if not in_flight.absorb_timeout(request):
                    raise
                return stream.response

    def _refuse(self, error: Exception) -> web.Response:
        response = to_problem(error, scheme=self._runtime.scheme)
        if isinstance(error, VersionConflict):
            response.headers[hdrs.ETAG] = etag(Version(error.generation, error.current.version))
        elif isinstance(error, StoreUnavailable):
            self._observer.metrics.store_errors[type(error).__name__] += 1
        return response

    def wrap_for_router(
        self,
        handler: Handler,
        validator: RequestValidator,
        scope: Scope | None,
        route: str,
        *,
        origin_checked: bool,
        counted: bool = False,
        in_home: bool = False,
    ) -> RouterHandler:
        """Returns `handler` behind all checks and the validation of its input, for a router."""
        bodies = self._bodies

        async def validated(request: web.Request) -> web.StreamResponse | RawResponse | StreamingResponse:
            await validator.check(request, bodies)
            return await handler(request)

        async def validated_across(request: web.Request) -> web.StreamResponse | RawResponse | StreamingResponse:
            named = request.query.getall(PARAMETER, ())
            if not named:
                await validator.check(request, bodies)
            else:
                request[NAMED] = NONE  # until each is known to be a name
                for workspace in set(named):
                    _check_enters(caller_of(request), workspace)
                await validator.check(request, bodies)
                request[NAMED] = ",".join(sorted(named))
            return await handler(request)

        enclosed = self.wrap(
            validated_across if validator.takes_workspaces else validated,
            scope,
            route,
            origin_checked=origin_checked,
            counted=counted,
            in_home=in_home,
            across=validator.takes_workspaces,
        )

        async def answer(request: web.Request) -> web.StreamResponse:
            response = await enclosed(request)
            for key in (BODY, RAW):  # aiohttp keeps the request until the next one
                request.pop(key, None)
            return response.to_web_response() if isinstance(response, RawResponse) else response

        return answer


def _check_enters(caller: Caller, workspace: str | None) -> None:
    """Raises NotYourWorkspace where `caller` may not enter the workspace that is named; None stands for their home."""
    if workspace is not None and not caller.may_enter(workspace):
        raise NotYourWorkspace


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and bool(task.cancelling())
