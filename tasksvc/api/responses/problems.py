"""The one table from an error to an HTTP answer, as a problem document (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from aiohttp import hdrs, web

from tasksvc.api.responses.cache_control import NO_STORE
from tasksvc.domain import errors
from tasksvc.domain.json_text import dump_line

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:tasksvc:problem:"

ERRORS_MAX = 100
"""Fields that one answer lists, so that it cannot be many times as large as its request."""

NAMES_MAX, NAME_SHOWN_MAX = 5, 60
"""Fields that the detail of a 422 names, and characters of each."""

log = logging.getLogger("tasksvc")


TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
"""Phrases as RFC 9110 has them; http.HTTPStatus has older ones in some versions of Python."""
INTERNAL_ERROR = "The service failed. Quote the X-Request-ID of this answer when you report it."
RESYNC = "GET the list of tasks, then go on from its X-Change-Seq"


def title(status: int) -> str:
    """Returns the phrase of a status."""
    return TITLES.get(status) or HTTPStatus(status).phrase


class FieldError(NamedTuple):
    """What is wrong with one field of a request."""

    where: str
    """The part of the request: body, query, header or path."""
    field: str
    """The name of the field; the path to it with dots if it's nested."""
    message: str
    """Says what is expected instead."""


class RequestError(Exception):
    """The request is at fault, in a way that only HTTP knows."""

    status: int
    name: str
    """The name of the problem's type."""

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, close: bool = False) -> None:
        """Closes the connection if `close`, for instance because a body was left unread."""
        super().__init__(detail)
        self.headers, self.close = dict(headers or {}), close


class MalformedRequest(RequestError):
    status, name = 400, "malformed-request"


class Unauthorized(RequestError):
    """No valid token came with the request.  The response is the same for every reason, so it reveals no token."""

    status, name = 401, "unauthorized"

    def __init__(self) -> None:
        super().__init__(
            "A valid token is needed, as Authorization: Bearer TOKEN.",
            headers={"WWW-Authenticate": 'Bearer realm="tasksvc"'},
        )


class TokenInQuery(RequestError):
    """A token came in the query, where it isn't accepted, valid or not (RFC 6750, sections 2.3 and 3.1)."""

    status, name = 400, "token-in-query"

    def __init__(self) -> None:
        super().__init__(
            "A token in the query string isn't accepted, since URLs end up in logs and histories. Send it as"
            " Authorization: Bearer TOKEN, and replace the one that was sent here.",
            headers={"WWW-Authenticate": 'Bearer realm="tasksvc", error="invalid_request"'},
        )


class Forbidden(RequestError):
    status, name = 403, "forbidden"


class NotYourWorkspace(RequestError):
    status, name = 403, "workspace-forbidden"

    def __init__(self) -> None:
        super().__init__("The token isn't valid in this workspace.")


class IssuerUnavailable(RequestError):
    status, name = 503, "issuer-unavailable"


class CrossOriginWrite(RequestError):
    status, name = 403, "foreign-origin"


class NoSuchPath(RequestError):
    status, name = 404, "not-found"


class NoSuchTask(RequestError):
    status, name = 404, "task-not-found"


class NoSuchList(RequestError):
    status, name = 404, "list-not-found"


class NoSuchToken(RequestError):
    status, name = 404, "token-not-found"


class WrongMethod(RequestError):
    status, name = 405, "method-not-allowed"


class BodyTooSlow(RequestError):
    status, name = 408, "body-too-slow"


class BodyTooLarge(RequestError):
    status, name = 413, "body-too-large"


class UnsupportedBody(RequestError):
    status, name = 415, "unsupported-media-type"


class UntrustedHost(RequestError):
    status, name = 421, "foreign-host"


class ConditionFailed(RequestError):
    status, name = 412, "condition-failed"


class TooManyRequests(RequestError):
    status, name = 429, "too-many-requests"


class UnsupportedTransferCoding(RequestError):
    status, name = 501, "unknown-transfer-coding"


class AlreadyMade(RequestError):
    """A repetition of the request that made a token, whose secret can't be shown again."""

    status, name = 409, "token-already-made"

    def __init__(self, detail: str, token: Mapping[str, Any]) -> None:
        super().__init__(detail)
        self.token = token


class InvalidRequest(RequestError):
    """The request is well-formed, but fields of it aren't valid."""

    status, name = 422, "invalid-request"

    def __init__(self, found: Sequence[FieldError]) -> None:
        names = list(dict.fromkeys((error.field or error.where)[:NAME_SHOWN_MAX] for error in found))
        others = " and others" if len(names) > NAMES_MAX else ""
        listed = ", ".join(f"`{name}`" for name in names[:NAMES_MAX])
        super().__init__(f"The request failed validation: see `errors` for {listed}{others}.")
        self.found = found


class _Answer(NamedTuple):
    status: int
    name: str
    extensions: Callable[[Any], Mapping[str, Any]] = lambda _: {}
    """Further members of the document."""


def _field(where: str) -> Callable[[errors.InvalidTask], Mapping[str, Any]]:
    return lambda error: {"errors": [{"in": where, "field": error.field, "message": error.message}]}


def _workspace_name(error: errors.InvalidWorkspaceName) -> Mapping[str, Any]:
    return {"errors": [{"in": "path", "field": "workspace", "message": str(error)}]}


ERROR_RESPONSES: Mapping[type[Exception], _Answer] = {
    errors.TaskNotFound: _Answer(404, "task-not-found"),
    errors.VersionNotFound: _Answer(404, "version-not-found"),
    errors.TooManyRelated: _Answer(409, "too-many-related", lambda error: {"limit": error.limit}),
    errors.UidTaken: _Answer(409, "uid-taken", lambda error: {"current": error.current}),
    errors.WorkspaceFull: _Answer(409, "workspace-full", lambda error: {"limit": error.limit}),
    errors.PositionGone: _Answer(410, "position-gone", lambda _: {"resync": RESYNC}),
    errors.VersionGone: _Answer(410, "version-gone"),
    errors.VersionConflict: _Answer(412, "version-conflict", lambda error: {"current": error.current}),
    errors.CommitTooLarge: _Answer(413, "commit-too-large"),
    errors.InvalidTask: _Answer(422, "invalid-request", _field("body")),
    errors.InvalidWorkspaceName: _Answer(422, "invalid-request", _workspace_name),
    errors.IdempotencyKeyReused: _Answer(422, "idempotency-key-reused"),
    errors.NotSupported: _Answer(501, "not-supported"),
    errors.StoreFull: _Answer(507, "store-full", lambda _: {"outcome": "not-done"}),
    errors.OutcomeUnknown: _Answer(503, "outcome-unknown", lambda _: {"outcome": "unknown"}),
    errors.StoreUnavailable: _Answer(503, "store-unavailable", lambda _: {"outcome": "not-done"}),
}
"""Every error of the port that a request can meet."""


def problem(
    status: int,
    name: str,
    detail: str,
    extensions: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Returns a problem document.  `name` is what is particular in its type; `extensions` are further members."""
    document = {
        "type": TYPE_PREFIX + name,
        "title": title(status),
        "status": status,
        "detail": detail.encode("utf-8", "backslashreplace").decode(),  # it may name a file whose name isn't text
        **(extensions or {}),
    }
    return web.Response(
        status=status,
        body=dump_line(document),
        headers={hdrs.CONTENT_TYPE: CONTENT_TYPE, hdrs.CACHE_CONTROL: NO_STORE, **(headers or {})},
    )


class BatchRefused(Exception):
    """One operation of a batch was refused, so nothing of it was done."""

    def __init__(self, refusal: errors.WriteRefused) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def to_problem(error: Exception, *, scheme: str = "") -> web.Response:
    """Returns the answer to `error`.  One that nobody expected is logged with `scheme`, that of the store."""
    at: dict[str, Any] = {}
    if isinstance(error, BatchRefused):
        refusal = error.refusal
        at, error = {"index": refusal.index}, refusal
    if isinstance(error, InvalidRequest):
        found = [{"in": where, "field": field, "message": message} for where, field, message in error.found]
        return problem(error.status, error.name, str(error), {"errors": found})
    if isinstance(error, AlreadyMade):
        return problem(error.status, error.name, str(error), {"token": error.token})
    if isinstance(error, RequestError):
        response = problem(error.status, error.name, str(error), headers=error.headers)
        if error.close:
            response.force_close()
        return response
    if isinstance(error, web.HTTPException):
        headers = {name: value for name, value in error.headers.items() if name == hdrs.ALLOW}
        name = error.reason.lower().replace(" ", "-")
        return problem(error.status, name, f"{error.reason}.", headers=headers)
    for kind in type(error).__mro__:
        if (answer := ERROR_RESPONSES.get(kind)) is not None:
            retry = getattr(error, "retry_after", None)
            headers = {} if retry is None else {"Retry-After": str(max(1, round(retry)))}
            return problem(answer.status, answer.name, str(error), {**at, **answer.extensions(error)}, headers)
    log.error("Unexpected error (store: %s).", scheme, exc_info=error)
    return problem(500, "internal-error", INTERNAL_ERROR)
