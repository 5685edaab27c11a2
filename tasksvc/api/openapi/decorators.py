"""The words of the API's description that several operations share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from aiohttp_apispec import docs, json_schema, querystring_schema
from marshmallow import Schema

from tasksvc.api.responses.problems import CONTENT_TYPE, RESYNC, TYPE_PREFIX, title
from tasksvc.api.responses.raw import CHANGE_SEQ, REPLAYED
from tasksvc.api.schemas.problems import Problem
from tasksvc.api.schemas.task_fields import TASK
from tasksvc.domain.relations import RELATED_MAX


class Refusal(NamedTuple):
    """An error answer that is documented with an operation, since it means something particular there."""

    status: int
    name: str
    """The name of the problem's type."""
    meaning: str
    more: Mapping[str, Any] = MappingProxyType({})
    """Further members of its example."""


NO_SUCH_TASK = Refusal(404, "task-not-found", "There is no such task.")
POSITION_GONE = Refusal(
    410,
    "position-gone",
    "The position is older than the log, or of another generation of the store: read the list again.",
    {"resync": RESYNC},
)
UID_TAKEN = Refusal(
    409, "uid-taken", "Another task has the uid; `current` is that task.", {"current": {**TASK, "uid": "mail-7"}}
)
TOO_MANY_RELATED = Refusal(
    409, "too-many-related", "More tasks below this one would change than one request changes.", {"limit": RELATED_MAX}
)
NO_SUCH_VERSION = Refusal(404, "version-not-found", "The task never had this version.")
VERSION_GONE = Refusal(410, "version-gone", "The log doesn't have this version any more.")
WORKSPACE_FULL = Refusal(
    409, "workspace-full", "The workspace has as many tasks as it may have, which is `limit`.", {"limit": 10_000}
)
VERSION_CONFLICT = Refusal(
    412, "version-conflict", "The task is at another version; `current` is the task as it is.", {"current": TASK}
)

USUAL: Sequence[tuple[int, str, str]] = (
    (400, "malformed-request", "The body isn't valid JSON, or a header or the query string is malformed."),
    (400, "token-in-query", "A token is in the query string: send it as Authorization: Bearer TOKEN."),
    (401, "unauthorized", "A valid token is needed."),
    (403, "forbidden", "The scope of the token doesn't include this."),
    (403, "workspace-forbidden", "The token isn't valid in this workspace."),
    (403, "foreign-origin", "Writes by pages of other origins aren't allowed."),
    (408, "body-too-slow", "The body didn't arrive in time."),
    (
        412,
        "condition-failed",
        "The request has a condition on something without an entity tag; only single tasks have one.",
    ),
    (413, "body-too-large", "The body is too large."),
    (413, "commit-too-large", "The tasks that the request changes are too large together."),
    (414, "target-too-long", "The request target is too long."),
    (415, "unsupported-media-type", "The body has another media type, charset or encoding."),
    (421, "foreign-host", "The Host header names another service."),
    (422, "invalid-request", "A field or parameter isn't valid; `errors` lists each."),
    (422, "idempotency-key-reused", "The Idempotency-Key was used for another request."),
    (429, "too-many-requests", "Too many requests; Retry-After says when to try again."),
    (431, "header-too-long", "A header, or the head of the request, is too long."),
    (501, "not-supported", "The store has no workspaces but the default one."),
    (501, "unknown-transfer-coding", "Only `Transfer-Encoding: chunked` is supported."),
    (503, "store-unavailable", "Nothing was done; Retry-After says when to try again."),
    (503, "issuer-unavailable", "The identity provider can't be reached, so no token can be verified."),
    (503, "outcome-unknown", "The write may have been done: read it, or repeat the request with its Idempotency-Key."),
    (507, "store-full", "Nothing was done: the store is full."),
)
"""Errors that most operations can answer with: status, name of the type, meaning.

They are documented once, as the response `default`, whose words are a table at the top of the description.
"""
DEFAULT = "UsualError"
"""The name of that response among the components."""


def usual_errors() -> str:
    """Returns the table of USUAL in Markdown, folded up, since operations are what a page is opened for."""
    rows = [f"| {status} | `{name}` | {meaning} |" for status, name, meaning in USUAL]
    table = "\n".join(["| Status | Name | Meaning |", "|---|---|---|", *rows])
    return f"<details>\n<summary>The usual errors</summary>\n\n{table}\n\n</details>"


def default_response() -> dict[str, Any]:
    """Returns the response that stands for the errors that every operation can answer with."""
    status, name, meaning = next(error for error in USUAL if error[0] == 422)
    example = _example(Refusal(status, name, meaning, {"errors": [BODY_ERROR]}))
    return {
        "description": "One of the usual errors, which the introduction lists.",
        "content": {CONTENT_TYPE: {"schema": Problem, "example": example}},
    }


BODY_ERROR = {"in": "body", "field": "description", "message": "This field is required."}
HEADERS: Mapping[str, str] = {
    "ETag": "The entity tag of this version of the task.",
    "Location": "The URL of the new task, relative to that of the request (RFC 9110, section 10.2.2).",
    "Link": 'With rel="next", the URL of the next page, relative to that of the request (RFC 8288, section 3.2).',
    CHANGE_SEQ: "The position in the change log that this response reflects.",
    REPLAYED: "true if the Idempotency-Key was used before, and this is the response of that time.",
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


def header(name: str, description: str, *, pattern: str) -> dict[str, Any]:
    """Returns a request header as a parameter, without an example, which Swagger UI would send unless it's deleted."""
    return {
        "in": "header",
        "name": name,
        "description": description,
        "schema": {"type": "string", "pattern": pattern},
    }


def responses(
    good: Mapping[int, Good], *refusals: Refusal, also: Mapping[int, Mapping[str, str]] | None = None
) -> dict[str, dict[str, Any]]:
    """Returns the answers of an operation, as OpenAPI 3.1 writes them, without the usual errors.

    `refusals` are the errors that mean something particular; `also` has further media types of an
    answer, each with an example; their schema is the same, since JSON Lines are described as the array of their values
    (as in OpenAPI 3.2).
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
            for media_type, example in (also or {}).get(status, {}).items():
                answer["content"][media_type] = {**content, "example": example}
        found[str(status)] = answer
    for status in sorted({refusal.status for refusal in refusals}):
        named = [refusal for refusal in refusals if refusal.status == status]
        examples = {refusal.name: {"value": _example(refusal)} for refusal in named}
        shown = {"examples": examples} if len(named) > 1 else {"example": _example(named[0])}
        found[str(status)] = {
            "description": " ".join([f"{title(status)}.", *(refusal.meaning for refusal in named)]),
            "content": {CONTENT_TYPE: {"schema": Problem, **shown}},
        }
    return found


def _example(refusal: Refusal) -> dict[str, Any]:
    return {
        "type": TYPE_PREFIX + refusal.name,
        "title": title(refusal.status),
        "status": refusal.status,
        "detail": refusal.meaning,
        **refusal.more,
    }


def is_schema(value: Any) -> bool:
    """Returns whether `value` is a marshmallow schema, class or instance."""
    return isinstance(value, Schema) or (isinstance(value, type) and issubclass(value, Schema))
