"""The pages for people: Swagger UI at /docs and ReDoc at /redoc.

Both work with no internet and under a strict Content-Security-Policy, and ask no other host for
anything.  They name their files relative to their own address, which a proxy may have put below a
path that the service doesn't know.  Their files come from the package offapi, which is not imported,
since that would cost 68 MB.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import secrets
from pathlib import Path

from aiohttp import hdrs, web

from tasksvc.api.problems import NoSuchPath

ASSETS = {
    "swagger.js": ("swagger_bundle.js", "text/javascript"),
    "swagger.css": ("swagger_style.css", "text/css"),
}
REDOC_LOGOS = (b"https://cdn.redoc.ly/redoc/logo-mini-full.svg", b"https://cdn.redoc.ly/redoc/logo-mini.svg")
"""ReDoc fetches the logo beside its \"API docs by\" from here, and has no option against it."""
REDOC_NAME = (
    b"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='36' height='13'>"
    b"<text y='10' font-family='sans-serif' font-size='11' fill='gray'>ReDoc</text></svg>"
)
REDOC = "redoc.js"
START_SWAGGER = "start-swagger.js"
_START = Path(__file__).with_name("start_swagger.js").read_bytes()
_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self' data:;"
    " worker-src 'self' blob:; style-src 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SWAGGER = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>tasksvc: Swagger UI</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/assets/swagger.css">
</head>
<body>
<div id="ui"></div>
<script src="docs/assets/swagger.js"></script>
<script src="docs/assets/start-swagger.js" data-url="openapi.json"></script>
</body>
</html>
"""
_REDOC = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta property="csp-nonce" content="{nonce}">
<title>tasksvc: ReDoc</title>
<link rel="icon" href="data:,">
</head>
<body>
<redoc spec-url="openapi.json" disable-telemetry="true"></redoc>
<script type="module" src="docs/assets/redoc.js"></script>
</body>
</html>
"""


class DocsPages:
    """The handlers of the pages and of their files."""

    def __init__(self) -> None:
        found = importlib.util.find_spec("offapi")
        assert found is not None, "offapi is a dependency of tasksvc"
        assert found.submodule_search_locations is not None
        self._folder = Path(found.submodule_search_locations[0])

    async def swagger(self, request: web.Request) -> web.StreamResponse:
        """Swagger UI."""
        return self._page(_SWAGGER)

    async def redoc(self, request: web.Request) -> web.StreamResponse:
        """ReDoc."""
        return self._page(_REDOC)

    async def home(self, request: web.Request) -> web.StreamResponse:
        """Leads to the docs."""
        return web.Response(status=302, headers={hdrs.LOCATION: "docs"})

    async def without_slash(self, request: web.Request) -> web.StreamResponse:
        """Leads from a page's address with a slash at its end to the one without, which its links are relative to."""
        page = request.path.rstrip("/").rpartition("/")[2]
        return web.Response(status=308, headers={hdrs.LOCATION: f"../{page}"})

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """One of the files that the pages need."""
        name = request.match_info["name"]
        headers = {hdrs.CACHE_CONTROL: "public, max-age=86400", "X-Content-Type-Options": "nosniff"}
        if name in (START_SWAGGER, REDOC):
            script = _START if name == START_SWAGGER else self._redoc
            return web.Response(body=script, content_type="text/javascript", charset="utf-8", headers=headers)
        if name not in ASSETS:
            raise NoSuchPath("There is no such file.")
        file, media_type = ASSETS[name]
        # No FileResponse, whose errors, of ranges for instance, are no problem documents.
        content = await asyncio.to_thread((self._folder / file).read_bytes)
        return web.Response(body=content, content_type=media_type, charset="utf-8", headers=headers)

    @functools.cached_property
    def _redoc(self) -> bytes:
        """ReDoc's script, with its name in place of a logo from another host."""
        script = (self._folder / REDOC).read_bytes()
        for logo in REDOC_LOGOS:
            script = script.replace(logo, REDOC_NAME)
        return script

    def _page(self, template: str) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        return web.Response(
            text=template.format(nonce=nonce),
            content_type="text/html",
            headers={
                "Content-Security-Policy": _POLICY.format(nonce=nonce),
                "X-Content-Type-Options": "nosniff",
                hdrs.CACHE_CONTROL: "no-store",
                hdrs.REFERRER_POLICY: "no-referrer",
            },
        )
