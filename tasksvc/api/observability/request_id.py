"""Request ids: a client's own, or one of this process."""

from __future__ import annotations

import contextvars
import itertools
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")
"""The id of the request that is being answered; every log line of the request bears it."""

_GIVEN_ID = re.compile(r"[\x21-\x7e]{1,128}").fullmatch
_id_prefix = os.urandom(6).hex()
_next_id = itertools.count(1).__next__


def id_for(request: web.BaseRequest) -> str:
    """Returns the X-Request-ID that came, if it can be used, or a new one."""
    given = request.headers.get("X-Request-ID")
    if given is not None and _GIVEN_ID(given):
        return given
    return f"{_id_prefix}-{_next_id():x}"
