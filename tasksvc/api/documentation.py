"""The words of the API's description that several operations share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from aiohttp_apispec import docs, json_schema, querystring_schema
from marshmallow import Schema

from tasksvc.api.answers import CHANGE_SEQ, REPLAYED
from tasksvc.api.problems import CONTENT_TYPE, RESYNC, TYPE_PREFIX, title
from tasksvc.api.schemas import TASK, Problem

PROBLEMS: Mapping[int, tuple[str, str, Mapping[str, Any]]] = {
    400: ("malformed-request", "The body is not valid JSON, or a header or the query string is malformed.", {}),
    401: ("unauthorized", "A valid token is needed.", {}),
    403: ("forbidden", "The token allows too little, or the request comes from a foreign page.", {}),
    404: ("task-not-found", "There is no such task.", {}),
    408: ("body-too-slow", "The body was not there in time.", {}),
    410: (
        "position-gone",
        "The position is older than the log, or of another life of the store: read the list again.",
        {"resync": RESYNC},
    ),
    412: (
        "version-conflict",
        "A condition does not hold: the task is at another version, and `current` has it, or there is no entity tag.",
        {"current": TASK},
    ),
    413: ("body-too-large", "The body is too large.", {}),
    414: ("target-too-long", "The request target is too long.", {}),
    415: ("unsupported-media-type", "The body is of another type.", {}),
    421: ("foreign-host", "The Host header names another service.", {}),
    422: ("invalid-request", "A field is not what is expected; `errors` lists them.", {}),
    429: ("too-many-requests", "Too many. Retry-After says when the next is allowed.", {}),
    431: ("header-too-long", "A header is too long.", {}),
    501: ("unknown-transfer-coding", "The Transfer-Encoding is another than chunked.", {}),
    503: ("store-unavailable", "Not now. Retry-After says when it is worth trying again.", {"outcome": "not-done"}),
    507: ("store-full", "The store is full.", {"outcome": "not-done"}),
}
"""Of each status: the particular part of a problem's type, what it means, and further members of an example."""
BODY_ERROR = {"in": "body", "field": "description", "message": "This field is required."}
QUERY_ERROR = {"in": "query", "field": "limit", "message": "Must be an integer from 1 to 1,000."}
HEADERS: Mapping[str, str] = {
    "ETag": "The entity tag of this version of the task.",
    "Location": "The URL of the new task, relative to that of the request (RFC 9110, section 10.2.2).",
    "Link": 'With rel="next", the URL of the next page, relative to that of the request (RFC 8288, section 3.2).',
    CHANGE_SEQ: "The position in the change log that this answer shows.",
    REPLAYED: "true where the Idempotency-Key was used before, and this is the answer of that time.",
}

Good = str | tuple[str, Any, Sequence[str]]
"""A good answer: a description, alone or with the schema of its body ([schema] for an array) and its headers."""


_Handler = TypeVar("_Handler", bound=Callable[..., Any])


def operation(
    summary: str,
    *,
    tag: str,
    responses: Mapping[str, Any],
    description: str = "",
    body: Schema | None = None,
    query: Schema | None = None,
    headers: Sequence[Mapping[str, Any]] = (),
    produces: str = "application/json",
) -> Callable[[_Handler], _Handler]:
    """Documents a handler with aiohttp-apispec's decorators, which say what it is validated against too."""
    words = {"description": description} if description else {}

    def decorate(handler: _Handler) -> _Handler:
        if body is not None:
            json_schema(body)(handler)
        if query is not None:
            querystring_schema(query)(handler)
        docs(
            summary=summary,
            tags=[tag],
            responses=responses,
            parameters=headers,
            produces=[produces],
            **words,
        )(handler)
        return handler

    return decorate


def header(name: str, description: str, *, pattern: str, example: str) -> dict[str, Any]:
    """A request header, as a parameter."""
    schema = {"type": "string", "pattern": pattern}
    return {"in": "header", "name": name, "description": description, "schema": schema, "example": example}


def answers(
    good: Mapping[int, Good], *problems: int, also: Mapping[int, Sequence[str]] | None = None
) -> dict[str, dict[str, Any]]:
    """The answers of an operation, as OpenAPI 3.1 writes them.

    `problems` are statuses of problem documents; `also` names further media types of an answer.
    """
    found: dict[str, dict[str, Any]] = {}
    for status, what in good.items():
        description, schema, headers = (what, None, ()) if isinstance(what, str) else what
        answer: dict[str, Any] = {"description": description}
        if headers:
            answer["headers"] = {name: {"description": HEADERS[name], "schema": {"type": "string"}} for name in headers}
        if schema is not None:
            content = {"schema": {"type": "array", "items": schema[0]} if isinstance(schema, list) else schema}
            answer["content"] = {"application/json": content}
            for media_type in (also or {}).get(status, ()):
                answer["content"][media_type] = {"schema": {"type": "string"}}
        found[str(status)] = answer
    for status in problems:
        name, reason, more = PROBLEMS[status]
        example = {"type": TYPE_PREFIX + name, "title": title(status), "status": status, "detail": reason, **more}
        if status == 422:
            example["errors"] = [BODY_ERROR if 415 in problems else QUERY_ERROR]
        found[str(status)] = {
            "description": f"{title(status)}. {reason}",
            "content": {CONTENT_TYPE: {"schema": Problem, "example": example}},
        }
    return found


def is_schema(value: Any) -> bool:
    """Whether `value` is a marshmallow schema, class or instance."""
    return isinstance(value, Schema) or (isinstance(value, type) and issubclass(value, Schema))
