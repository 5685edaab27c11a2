"""The operations on the change log, from its beginning to its present end."""

from __future__ import annotations

from tasksvc_client.encoding import query_text
from tasksvc_client.models import Change
from tasksvc_client.operations.requests import get
from tasksvc_client.scope import Scope
from tasksvc_client.steps import Answer, Item, Items

PAGE = 1_000
"""Changes that are read at once."""


def changes(scope: Scope, /, since: str = "0") -> Items[Change]:
    """Yields the changes of the workspace after a position, up to the end of the log. Raises PositionGone."""
    yield from _walk(scope, scope.path("/changes"), since)


def history(scope: Scope, /, id: int, since: str = "0") -> Items[Change]:  # noqa: A002
    """Yields the changes of a task, also of a deleted one, as far as the log has them.

    Raises TaskNotFound, and PositionGone.
    """
    yield from _walk(scope, scope.path(f"/tasks/{int(id)}/changes"), since)


def _walk(scope: Scope, /, path: str, since: str) -> Items[Change]:
    more = True
    while more:
        found, since, more = yield from get(scope, path + query_text([("since", since), ("limit", PAGE)]), _changes)
        for change in found:
            yield Item(change)


def _changes(answer: Answer) -> tuple[list[Change], str, bool]:
    document = answer.document
    return list(map(Change.from_json, document["changes"])), str(document["next"]), bool(document["more"])
