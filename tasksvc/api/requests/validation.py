"""Checks a request against the schemas that its handler's aiohttp-apispec decorators name.

aiohttp-apispec has a middleware for that, which fails in an application under a prefix, takes a
wrong content type for an empty body, and answers hostile JSON with a 500.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from itertools import islice
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import web
from marshmallow import Schema, ValidationError

from tasksvc.api.observability.redaction import names_token
from tasksvc.api.requests.body import Uploads, read_body
from tasksvc.api.requests.json_items import Items, ItemTooLong, first_character
from tasksvc.api.requests.strict_json import DEPTH_MAX, LARGE_BYTES, check_depth, decode_json, parse_json
from tasksvc.api.requests.suggestions import Unknown
from tasksvc.api.requests.workspaces import PARAMETER
from tasksvc.api.responses.problems import (
    ERRORS_MAX,
    BodyTooLarge,
    FieldError,
    InvalidRequest,
    MalformedRequest,
    TokenInQuery,
)
from tasksvc.api.responses.raw import JSON
from tasksvc.api.schemas.fields import QueryStringList
from tasksvc.api.schemas.queries import NoQuery
from tasksvc.api.schemas.task_fields import METADATA, METADATA_PREFIX
from tasksvc.api.schemas.tasks import Batch, Operations
from tasksvc.application.limits import Limits
from tasksvc.stores.turns import Turns

BODY: web.RequestKey[Any] = web.RequestKey("body", object)
"""Holds the loaded body of a request."""
RAW: web.RequestKey[bytes] = web.RequestKey("raw", bytes)
"""The bytes of the body."""
QUERY: web.RequestKey[Any] = web.RequestKey("query", object)
"""The loaded query string."""

BODY_MAX = Limits().body_bytes
"""Bytes of a body where the route names no other bound."""
SMALL_BATCH_BYTES = 8 * 1024
"""A batch of fewer bytes takes no more than some milliseconds."""
EXPLAINED_MAX = 10
"""Unknown names of a request about which more is said than that they are unknown: finding the nearest takes time."""


_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})").search
_NO_QUERY = NoQuery()
"""Shared, since most handlers take no query string and it takes longer to make than all else of a RequestValidator."""


class RequestValidator:
    """What one handler expects of a request."""

    def __init__(
        self,
        handler: Callable[..., Any],
        *,
        types: tuple[str, ...] = (JSON,),
        body_max: int = BODY_MAX,
        operation_max: int = BODY_MAX,
        raw: bool = False,
        any_query: bool = False,
    ) -> None:
        """Takes bodies of the media `types` and at most `body_max` bytes; `any_query` leaves parameters unchecked.

        `operation_max`: bytes of each operation, where the body is a batch; `raw`: whether the body is read and not
        loaded, since it isn't JSON.
        """
        schemas: dict[str, Schema] = {item["location"]: item["schema"] for item in getattr(handler, "__schemas__", ())}
        self._body = schemas.get("json")
        self._query = schemas.get("querystring", _NO_QUERY)
        self._repeatable = {name for name, field in self._query.fields.items() if isinstance(field, QueryStringList)}
        self._raw, self._any_query = raw, any_query
        self.takes_workspaces = PARAMETER in self._repeatable
        """Whether the query string may name workspaces, all of which the caller must be allowed to enter."""
        self.types, self.body_max, self.operation_max = types, body_max, operation_max

    async def check(self, request: web.Request, uploads: Uploads) -> None:
        """Loads the query string and the body into the request.  Raises RequestError."""
        if not self._any_query:
            request[QUERY] = self._load_query(request)
        if self._raw:
            request[RAW] = await read_body(request, uploads, types=self.types, limit=self.body_max)
        elif self._body is not None:
            raw = request[RAW] = await read_body(request, uploads, types=self.types, limit=self.body_max)
            is_batch = isinstance(self._body, Batch)
            if len(raw) < (SMALL_BATCH_BYTES if is_batch else LARGE_BYTES):
                request[BODY] = load_body(self._body, raw)
            elif is_batch:
                async with uploads.processing if len(raw) >= LARGE_BYTES else nullcontext():
                    request[BODY] = await load_batch(raw, operation_max=self.operation_max)
            else:
                request[BODY] = await load_large_body(self._body, raw)

    def _load_query(self, request: web.Request) -> Any:
        check_escapes("query string", request.raw_path.partition("?")[2])
        given = request.query
        values: dict[str, Any] = {}
        repeated = []
        paths: list[tuple[str, str]] = []
        for name in dict.fromkeys(given):
            texts = given.getall(name)
            if name.startswith(METADATA_PREFIX) and METADATA in self._query.fields:
                paths += [(name.removeprefix(METADATA_PREFIX), text) for text in texts]
                continue
            if names_token(name):
                raise TokenInQuery
            values[name] = texts if name in self._repeatable else texts[0]
            if len(texts) > 1 and name not in self._repeatable:
                repeated.append(FieldError("query", name, "Must be given once."))
        if repeated:
            raise InvalidRequest(repeated)
        if paths:
            values.setdefault(METADATA, paths)
        try:
            return self._query.load(values)
        except ValidationError as error:
            raise InvalidRequest(list(field_errors("query", error))) from None


def check_escapes(part: str, text: str) -> None:
    """Raises MalformedRequest where escapes in a part of a URL are not of UTF-8, which would stand for themselves."""
    if "%" in text and (_BROKEN_ESCAPE(text) or not _is_utf8(unquote_to_bytes(text))):
        raise MalformedRequest(f"The {part} is not UTF-8 in percent-encoding (RFC 3986, section 2).")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def load_body(schema: Schema, raw: bytes) -> Any:
    """Returns what `schema` makes of the JSON in `raw`.  Raises RequestError."""
    return _load(schema, parse_json(raw))


async def load_large_body(schema: Schema, raw: bytes) -> Any:
    """Returns what load_body() does, in steps between which others have their turn."""
    turns = Turns()
    document = decode_json(raw)
    await turns.next()
    check_depth(document)
    await turns.next()
    return _load(schema, document)


def _load(schema: Schema, document: Any) -> Any:
    try:
        return schema.load(document)
    except ValidationError as error:
        raise InvalidRequest(list(field_errors("body", error))) from None


async def load_batch(raw: bytes, *, operation_max: int) -> list[dict[str, Any]]:
    """Loads a batch one operation at a time; others have their turn between two.  Raises what load_body() does.

    The rest isn't looked at of what has too many operations, or is a large object and no array.
    """
    first = first_character(raw)
    if first != b"[" and (first != b"{" or len(raw) <= operation_max):
        loaded: list[dict[str, Any]] = await load_large_body(Batch(), raw)
        return loaded
    operations, turns = Operations(), Turns()
    deep: MalformedRequest | None = None
    number = 0
    try:
        for item in Items(raw, item_max=operation_max) if first == b"[" else ():
            await turns.next()
            try:
                check_depth(item, DEPTH_MAX - 1)
            except MalformedRequest as error:  # unless the rest is not even JSON
                deep = error
            await turns.next()
            operations.add(None if deep else item)
            del item
            number += 1
        if deep is not None:
            raise deep
        return operations.loaded()
    except ItemTooLong:
        raise BodyTooLarge(
            f"An operation of a batch may have {operation_max:,} bytes; operation {number}, counted from 0, has more."
        ) from None
    except ValidationError as error:
        raise InvalidRequest(list(field_errors("body", error))) from None


def field_errors(where: str, error: ValidationError) -> Iterator[FieldError]:
    """Yields the first of marshmallow's messages, flat, each with the path to its field."""
    explained = iter(range(EXPLAINED_MAX))
    for path, name, message in islice(_flat("", "", error.messages), ERRORS_MAX):
        if isinstance(message, Unknown) and next(explained, None) is not None:
            message = message.about(name)
        yield FieldError(where, printable(path), str(message))


def _flat(path: str, name: str, messages: Any) -> Iterator[tuple[str, str, str]]:
    """Yields the path to a field, its own name, and a message."""
    if isinstance(messages, Mapping):
        for inner, below in messages.items():
            # marshmallow's name for what concerns the whole of an object
            if inner == "_schema":
                yield from _flat(path, name, below)
            else:
                yield from _flat(f"{path}.{inner}" if path else str(inner), str(inner), below)
    else:
        for message in messages:
            yield path, name, message


def printable(text: str) -> str:
    """Returns `text` from a client, truncated, and with what JSON can't hold escaped."""
    return text[:200].encode("utf-8", "backslashreplace").decode()
