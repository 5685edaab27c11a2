"""Idempotency-Key: a write that is repeated is done once (draft-ietf-httpapi-idempotency-key-header-07).

Each write takes a key.  A request that reads is safe to repeat anyway, so it passes the header over.
"""

from __future__ import annotations

import hashlib
import re

from aiohttp import web

from tasksvc.api.openapi.decorators import header
from tasksvc.api.pipeline.clients import caller_of
from tasksvc.api.responses.problems import FieldError, InvalidRequest
from tasksvc.application.retention import KEY_HOURS
from tasksvc.domain.rules import IDEMPOTENCY_VALUE_MAX
from tasksvc.domain.writes import IdempotencyKey

NAME = "Idempotency-Key"
IDEMPOTENCY_KEY = header(
    NAME,
    f"1 to {IDEMPOTENCY_VALUE_MAX} printable characters, new for each write. The same key with the same request is"
    f" done once, and answered as it was the first time, for at least {KEY_HOURS} hours.",
    pattern=f"^[!-~]([ -~]{{0,{IDEMPOTENCY_VALUE_MAX - 2}}}[!-~])?$",
)

_KEY = re.compile(rf"[\x20-\x7e]{{1,{IDEMPOTENCY_VALUE_MAX}}}").fullmatch


def idempotency_key_of(
    request: web.Request, target: str, raw: bytes = b"", conditions: tuple[str | None, ...] = ()
) -> IdempotencyKey | None:
    """Returns the key of a write, with a fingerprint of all that the request asks for; None where it has no key.

    `target` is the path and query as one operation always spells them, `raw` the body, `conditions`
    the values of the headers that the write depends on.  Raises InvalidRequest.
    """
    given = request.headers.getall(NAME, ())
    if not given:
        return None
    if len(given) > 1 or not _KEY(given[0]):
        message = f"Must be given once, with 1 to {IDEMPOTENCY_VALUE_MAX} printable ASCII characters."
        raise InvalidRequest([FieldError("header", NAME, message)])
    asked = f"{request.method} {target}"
    if any(condition is not None for condition in conditions):
        asked += f" if {conditions!r}"
    fingerprint = hashlib.sha256(asked.encode("utf-8", "backslashreplace") + b"\n")
    fingerprint.update(raw)
    return IdempotencyKey(caller_of(request).key, given[0], fingerprint.hexdigest())
