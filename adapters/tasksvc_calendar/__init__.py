"""Calendars: shows the due tasks of a list to calendar programs, as iCalendar (RFC 5545).

The modules that do it are imported when the service starts, and the library icalendar with the first request for a
calendar, since it takes a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from tasksvc import Record, hookimpl

if TYPE_CHECKING:
    from tasksvc.plugin import RouteGroup, Service

PLUGIN: Final = 1
"""The version of tasksvc.plugin that this was written for."""


@hookimpl
def tasksvc_routes(service: Service) -> Iterable[RouteGroup]:
    """Returns the routes below /calendar/, also in workspaces."""
    from tasksvc_calendar.feed_handlers import FeedHandlers
    from tasksvc_calendar.key_handlers import KeyHandlers
    from tasksvc_calendar.storing import KeyStore

    store = KeyStore(service)
    return [*KeyHandlers(service, store).routes(), *FeedHandlers(service, store).routes()]


@hookimpl
def tasksvc_check(records: Sequence[Record]) -> Iterable[str]:
    """Returns what is wrong in the records of calendars."""
    from tasksvc_calendar.storing import problems_in

    return problems_in(records)
