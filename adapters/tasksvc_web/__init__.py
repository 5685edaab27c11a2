"""The page for people at `/`, which uses the public API alone.

What serves it is imported when the service starts, and not with this module, which every command imports.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from tasksvc import hookimpl

if TYPE_CHECKING:
    from tasksvc.plugin import RouteGroup

PLUGIN: Final = 1
"""The version of tasksvc.plugin that this was written for."""


@hookimpl
def tasksvc_routes() -> Iterable[RouteGroup]:
    """Returns the routes of the page and of its files."""
    from tasksvc_web.files import PageFiles
    from tasksvc_web.handlers import PageHandlers

    return [PageHandlers(PageFiles()).routes()]
