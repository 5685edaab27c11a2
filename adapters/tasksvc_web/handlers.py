"""What the service answers to browsers that open the page."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from tasksvc.plugin import RequestError, Route, RouteGroup
from tasksvc_web.files import PageFiles

PATH: Final = "/web/{version}"


class NoSuchFile(RequestError):
    """The page of this version has no such file."""

    status = 404
    name = "not-found"


class PageHandlers:
    """Handles the routes of the page."""

    def __init__(self, files: PageFiles) -> None:
        self._files = files

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Responds with the page; what its query string says is for its scripts."""
        return (await self._files.page()).response(request)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Responds with a file that the page loads."""
        version, *names = request.match_info.values()
        content = await self._files.file(version, "/".join(names))
        if content is None:
            raise NoSuchFile("The page has no such file. If the service was updated, load the page again.")
        return content.response(request)

    def routes(self) -> RouteGroup:
        """Returns the routes of the page, which anyone may read: it has no tasks in it."""
        files = [f"{PATH}/{{name}}", f"{PATH}/{{folder}}/{{name}}", f"{PATH}/{{folder}}/{{subfolder}}/{{name}}"]
        page = Route("GET", "/", self.page, None, any_query=True)
        return RouteGroup([page, *(Route("GET", path, self.file, None) for path in files)], documented=False)
