"""The operations that follow the change log live, and go on whatever breaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from tasksvc_client.encoding import filter_parameters, query_text
from tasksvc_client.errors import NotTasksvc
from tasksvc_client.event_stream import Event, EventStream
from tasksvc_client.exchange import FIRST_PAUSE, LONGEST_PAUSE, Again, judge, stranger
from tasksvc_client.models import Change, WorkspaceLeft
from tasksvc_client.scope import Scope
from tasksvc_client.steps import Answer, Item, Items, Lost, Open, Receive, Request, Send, Wait

QUIET_SECONDS = 45.0
"""Seconds without a byte after which a stream is given up. The service sends a comment every 15 s."""

T = TypeVar("T")


def follow(scope: Scope, /, since: str | None = None) -> Items[Change]:
    """Yields the changes after a position, and each further one as it happens, without an end.

    Without `since` it begins when the first change is asked for. A connection that breaks, or is silent for 45 s, is
    made again, and nothing is left out or repeated. Raises PositionGone: read the list again. Raises other problems if
    the service refuses the caller, and Unreachable if it can't be reached at first, until the deadline.
    """
    yield from _follow(scope, scope.path("/changes/stream"), since, _change)


def follow_workspaces(
    scope: Scope, /, workspaces: Iterable[str], since: str | None = None
) -> Items[Change | WorkspaceLeft]:
    """Yields the changes of several workspaces as follow() does for one, each with its workspace.

    To go on later, pass the `resume` of the last change as `since`. A workspace whose position is gone, or which the
    caller may no longer enter, leaves the stream with a WorkspaceLeft.
    """
    target = "/changes/stream" + query_text(filter_parameters({"workspaces": workspaces}))
    yield from _follow(scope, target, since, _of_several)


def _follow(scope: Scope, target: str, since: str | None, read: Callable[[Event], Item[T] | None]) -> Items[T]:
    """Yields what `read` makes of the events of a stream, which is opened again from its last id whenever it ends."""
    end, was_open, failures = scope.clock() + scope.deadline, False, 0
    while True:
        request = Request("GET", target, _headers(since))
        head = yield Open(Send(request, scope.timeout, scope.timeout))
        asked = 0.0
        if isinstance(head, Answer) and head.status == 200 and head.media_type == "text/event-stream":
            was_open, events = True, EventStream()
            while not isinstance(piece := (yield Receive(QUIET_SECONDS)), Lost):
                try:
                    for event in events.feed(piece):
                        since = since if event.id is None else event.id
                        if event.data is not None and (item := read(event)) is not None:
                            failures = 0
                            yield item
                except (KeyError, TypeError, AttributeError, ValueError) as error:
                    raise stranger(request, head) from error
        else:
            again = _refused(request, head, was_open=was_open)
            asked = again.seconds
            pause = asked + scope.chance() * FIRST_PAUSE
            if not was_open and scope.clock() + pause >= end:
                raise again.error
        yield Wait(asked + scope.chance() * min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 10)))
        failures += 1


def _headers(since: str | None) -> dict[str, str]:
    headers = {"Accept": "text/event-stream, application/problem+json"}
    return headers if since is None else {**headers, "Last-Event-ID": since}


def _refused(request: Request, outcome: Answer | Lost, *, was_open: bool) -> Again:
    """Returns when to open a stream again that wasn't opened. Raises Problem or NotTasksvc if that is useless."""
    try:
        again = judge(request, outcome)
    except NotTasksvc as error:
        if not was_open:
            raise
        return Again(error, may_be_done=False)  # a proxy may answer so while the service starts again
    if isinstance(again, Answer):
        return Again(stranger(request, again), may_be_done=False)
    return again


def _change(event: Event) -> Item[Change] | None:
    if event.type != "message":
        return None
    return Item(Change.from_json(json.loads(event.data or ""), event.id))


def _of_several(event: Event) -> Item[Change | WorkspaceLeft] | None:
    document = json.loads(event.data or "")
    if event.type in ("position-gone", "workspace-forbidden"):
        return Item(WorkspaceLeft(document["workspace"], document["type"], document["detail"]))
    return Item(Change.from_json(document, event.id)) if event.type == "message" else None
