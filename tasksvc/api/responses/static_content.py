"""Content that stays the same as long as the process runs, and so has an entity tag."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import hdrs, web

from tasksvc.api.requests.etags import conditions_of, is_current, joined
from tasksvc.api.responses.cache_control import NO_CACHE
from tasksvc.api.responses.raw import LargeResponse

_GZIP = re.compile(r"(?:^|,)[ \t]*(?:x-)?gzip[ \t]*(?:;[ \t]*q=(?:1|0?\.0*[1-9])[^,]*)?(?:,|$)", re.IGNORECASE).search
"""Finds gzip in Accept-Encoding (RFC 9110, section 12.5.3), unless its weight is 0."""


class StaticContent:
    """A text to be served."""

    def __init__(
        self,
        body: bytes,
        content_type: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        compressed: bool = False,
    ) -> None:
        """Takes the text, and headers that are added to the answer or replace one of it, such as Cache-Control.

        With `compressed`, clients that take gzip get the text compressed, under an entity tag of its own (RFC 9110,
        section 8.8.3).
        """
        self._plain = _Encoded(body, content_type, headers)
        self._gzip: _Encoded | None = None
        if compressed:
            self._plain.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
            more = {**headers, hdrs.VARY: hdrs.ACCEPT_ENCODING, hdrs.CONTENT_ENCODING: "gzip"}
            self._gzip = _Encoded(gzip.compress(body, mtime=0), content_type, more)

    def response(self, request: web.Request) -> web.Response:
        """Returns the content; or 304 where the client has it already.

        Raises ConditionFailed, MalformedRequest (RFC 9110, sections 13.1.1 and 13.1.2).
        """
        chosen = self._plain
        if self._gzip is not None and _GZIP(joined(request, hdrs.ACCEPT_ENCODING) or ""):
            chosen = self._gzip
        if is_current(*conditions_of(request), chosen.headers[hdrs.ETAG]):
            kept = {name: chosen.headers[name] for name in _KEPT if name in chosen.headers}
            return web.Response(status=304, headers=kept)
        return LargeResponse(200, chosen.body, headers=chosen.headers, shared=True)


_KEPT = (hdrs.CACHE_CONTROL, hdrs.ETAG, hdrs.VARY)
"""Headers of a 304 (RFC 9110, section 15.4.5)."""


class _Encoded:
    """A text in one encoding."""

    def __init__(self, body: bytes, content_type: str, headers: Mapping[str, str]) -> None:
        self.body = body
        self.headers: dict[str, str] = {
            hdrs.CACHE_CONTROL: NO_CACHE,
            hdrs.CONTENT_TYPE: content_type,
            # Of the content, so that it's the same in every replica.
            hdrs.ETAG: f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            **headers,
        }
