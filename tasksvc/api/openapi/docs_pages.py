"""The pages for people: Swagger UI at /docs and ReDoc at /redoc.

Both work with no internet and under a strict Content-Security-Policy, and ask no other host for
anything.  They name their files relative to their own address, which a proxy may have put below a
path that the service doesn't know.  Their files come from the package offapi, which is not imported,
since that would cost 68 MB.
"""

from __future__ import annotations

import asyncio
import importlib.util
import secrets
from pathlib import Path

from aiohttp import hdrs, web

from tasksvc.api.responses.cache_control import NO_STORE
from tasksvc.api.responses.problems import NoSuchPath
from tasksvc.api.responses.static_content import StaticContent
from tasksvc.api.routes import Route, RouteGroup

REDOC = "redoc.js"
ASSETS = {
    "swagger.js": ("swagger_bundle.js", "text/javascript"),
    "swagger.css": ("swagger_style.css", "text/css"),
    REDOC: ("redoc.js", "text/javascript"),
    "start-swagger.js": (None, "text/javascript"),
}
"""The files of the pages, by name: which file of offapi it is, None for our own, and its type."""
REDOC_LOGOS = (b"https://cdn.redoc.ly/redoc/logo-mini-full.svg", b"https://cdn.redoc.ly/redoc/logo-mini.svg")
"""ReDoc fetches the logo beside its \"API docs by\" from here, and has no option against it."""
REDOC_NAME = (
    b"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='36' height='13'>"
    b"<text y='10' font-family='sans-serif' font-size='11' fill='gray'>ReDoc</text></svg>"
)
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
        self._assets: dict[str, StaticContent] = {}
        self._reading = asyncio.Lock()

    async def swagger(self, request: web.Request) -> web.StreamResponse:
        """Responds with the page of Swagger UI."""
        return self._page(_SWAGGER)

    async def redoc(self, request: web.Request) -> web.StreamResponse:
        """Responds with the page of ReDoc."""
        return self._page(_REDOC)

    async def home(self, request: web.Request) -> web.StreamResponse:
        """Leads to the docs."""
        return web.Response(status=302, headers={hdrs.LOCATION: "docs"})

    async def without_slash(self, request: web.Request) -> web.StreamResponse:
        """Leads from a page's address with a slash at its end to the one without, which its links are relative to."""
        page = request.path.rstrip("/").rpartition("/")[2]
        return web.Response(status=308, headers={hdrs.LOCATION: f"../{page}"})

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """Returns one of the files that the pages need."""
        name = request.match_info["name"]
        if name not in ASSETS:
            raise NoSuchPath("There is no such file.")
        if name not in self._assets:
            async with self._reading:  # or each of many requests at once would have a copy of its own
                if name not in self._assets:
                    self._assets[name] = await asyncio.to_thread(self._read, name)
        # No FileResponse, whose errors, of ranges for instance, are no problem documents.
        return self._assets[name].response(request)

    def _read(self, name: str) -> StaticContent:
        file, content_type = ASSETS[name]
        content = _START if file is None else (self._folder / file).read_bytes()
        for logo in REDOC_LOGOS if name == REDOC else ():
            content = content.replace(logo, REDOC_NAME)
        return StaticContent(content, f"{content_type}; charset=utf-8")

    def _page(self, template: str) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        return web.Response(
            text=template.format(nonce=nonce),
            content_type="text/html",
            headers={
                "Content-Security-Policy": _POLICY.format(nonce=nonce),
                "X-Content-Type-Options": "nosniff",
                hdrs.CACHE_CONTROL: NO_STORE,
                hdrs.REFERRER_POLICY: "no-referrer",
            },
        )

    def routes(self) -> RouteGroup:
        """Returns the routes of the pages, and of what they load."""
        handlers = {
            "/": self.home,
            "/docs": self.swagger,
            "/docs/": self.without_slash,
            "/redoc": self.redoc,
            "/redoc/": self.without_slash,
            "/docs/assets/{name}": self.asset,
        }
        routes = [Route("GET", path, handler, None) for path, handler in handlers.items()]
        return RouteGroup(routes, documented=False, counted=True)
