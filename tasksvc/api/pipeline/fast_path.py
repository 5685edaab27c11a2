"""A fast path for the three most frequent requests, without the application's router.

They mean the same as through the router, which takes everything else; a test compares the two.
Finding a route, its match info and its query string costs as much as answering a small GET does.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import HttpVersion10, HttpVersion11, web

from tasksvc.api.handlers.tasks import TaskHandlers
from tasksvc.api.pipeline.pipeline import RequestPipeline, WrappedHandler
from tasksvc.api.requests.body import Uploads, read_body
from tasksvc.api.requests.strict_json import LARGE_BYTES
from tasksvc.api.requests.validation import load_body, load_large_body
from tasksvc.api.requests.workspaces import PATH, PREFIX
from tasksvc.api.responses.problems import problem
from tasksvc.api.responses.raw import JSON, RawResponse
from tasksvc.api.schemas.task_fields import TaskIn
from tasksvc.application.callers import Scope
from tasksvc.application.tasks import ALL_TASKS
from tasksvc.domain.task import TaskDraft
from tasksvc.domain.workspace import is_workspace_name

# The common body, which needs neither a JSON parser nor a schema: one member, no escapes.
_COMMON = re.compile(
    rb'[ \t\r\n]*\{[ \t\r\n]*"description"[ \t\r\n]*:[ \t\r\n]*"([^"\\\x00-\x1f]{1,2500})"[ \t\r\n]*\}[ \t\r\n]*'
).fullmatch
_TASK_IN = TaskIn()

VERSIONS = (HttpVersion11, HttpVersion10)
"""Versions of HTTP that are served.  aiohttp reads 0.9 and 2.0 as well, and answers as if it spoke them."""

Dispatch = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | RawResponse]]


class _Operations(NamedTuple):
    """The operations on tasks of the caller's home, or of named workspaces."""

    get: WrappedHandler
    list: WrappedHandler
    create: WrappedHandler


class FastPath:
    """Dispatches the most frequent requests itself, and passes the others on, if they are HTTP/1."""

    def __init__(self, handlers: TaskHandlers, pipeline: RequestPipeline, bodies: Uploads, *, body_max: int) -> None:
        """Takes bodies of at most `body_max` bytes."""
        self._handlers, self._bodies, self._body_max = handlers, bodies, body_max
        self._home, self._named = (
            _Operations(
                pipeline.wrap(handlers.get, Scope.READ, f"{below}/tasks/{{id}}"),
                pipeline.wrap(handlers.list_matching, Scope.READ, f"{below}/tasks/"),
                pipeline.wrap(self._read_and_create, Scope.WRITE, f"{below}/tasks/"),
            )
            for below in ("", PATH)
        )

    def wrap(self, application: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> Dispatch:
        """Returns a handler of all requests; `application` gets those that aren't dispatched here."""
        home, named = self._home, self._named

        async def dispatch(request: web.BaseRequest) -> web.StreamResponse | RawResponse:
            if request._version not in VERSIONS:  # request.version would stay what it was when it is read first
                return _refuse_version(request)
            path, method = request.raw_path, request.method
            workspace: str | None
            if path.startswith("/tasks/"):
                operations, workspace, rest = home, None, path[7:]
            elif path.startswith(PREFIX):
                name, tasks, rest = path[len(PREFIX) :].partition("/tasks/")
                if not tasks or not is_workspace_name(name):
                    return await application(request)
                operations, workspace = named, name
            else:
                return await application(request)
            if method == "GET":
                if rest.isdecimal() and len(rest) <= 18 and rest[0] != "0" and rest.isascii():
                    return await operations.get(request, workspace, int(rest))
                if not rest:
                    return await operations.list(request, workspace, ALL_TASKS)
            elif method == "POST" and not rest:
                return await operations.create(request, workspace)
            return await application(request)

        return dispatch

    async def _read_and_create(self, request: web.Request, workspace: str | None) -> RawResponse:
        raw = await read_body(request, self._bodies, types=(JSON,), limit=self._body_max)
        draft = _draft(raw) if len(raw) < LARGE_BYTES else await load_large_body(_TASK_IN, raw)
        return await self._handlers.create(request, workspace, draft, raw)


def _refuse_version(request: web.BaseRequest) -> web.Response:
    request._version = HttpVersion11  # which the answer bears too
    response = problem(505, "version-not-supported", "This service speaks HTTP/1.1 and HTTP/1.0.")
    response.force_close()
    return response


def _draft(raw: bytes) -> TaskDraft:
    if (common := _COMMON(raw)) is not None:
        description = common[1].decode("utf-8", "replace")
        if "\ufffd" not in description and not description.isspace():
            return TaskDraft(description)
    draft: TaskDraft = load_body(_TASK_IN, raw)
    return draft
