"""Content that stays the same as long as the process runs, and so has an entity tag."""

from __future__ import annotations

import hashlib

from aiohttp import hdrs, web

from tasksvc.api.requests.etags import conditions_of, is_current
from tasksvc.api.responses.cache_control import NO_CACHE
from tasksvc.api.responses.raw import LargeResponse


class StaticContent:
    """A text to be served."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self._body = body
        self._headers: dict[str, str] = {
            hdrs.CACHE_CONTROL: NO_CACHE,
            hdrs.CONTENT_TYPE: content_type,
            # Of the content, so that it's the same in every replica.
            hdrs.ETAG: f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        }

    def response(self, request: web.Request) -> web.Response:
        """Returns the content; or 304 where the client has it already.

        Raises ConditionFailed, MalformedRequest (RFC 9110, sections 13.1.1 and 13.1.2).
        """
        if is_current(*conditions_of(request), self._headers[hdrs.ETAG]):
            kept = {name: self._headers[name] for name in (hdrs.CACHE_CONTROL, hdrs.ETAG)}
            return web.Response(status=304, headers=kept)
        return LargeResponse(200, self._body, headers=self._headers, shared=True)
