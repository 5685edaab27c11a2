"""A lane: what is delivered of one workspace to one webhook, in the order of the workspace's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tasksvc import Position, Record
from tasksvc_webhooks.schedule import next_attempt
from tasksvc_webhooks.subscriptions import Webhook, position_of
from tasksvc_webhooks.times import format_time, parse_time


class Place(NamedTuple):
    """How far a lane has come, as its record holds it.

    The record doesn't name the workspace, which is so forgotten when it is erased; its key has a hash of the name.
    """

    position: Position
    """The position after the last change that was delivered, or left out by the filter."""
    at: datetime
    """The time of that change, or that from which the lane began."""
    start: int
    """The number of the start that it has gone from."""
    round: int
    """The round of its attempts."""
    attempts: int = 0
    """Attempts in that round to deliver the next change, all of which failed."""
    due: datetime | None = None
    """When the next attempt is due; None for now."""


def passed(place: Place, position: Position, at: datetime) -> Place:
    """Returns the place after a change, made at `at`, that was delivered or left out."""
    return place._replace(position=position, at=at, attempts=0, due=None)


def failed(place: Place, at: datetime, retry_after: float | None, delays: Sequence[float]) -> Place | None:
    """Returns the place after an attempt that failed at `at`; None if that was the last one of those with `delays`."""
    attempts = place.attempts + 1
    due = next_attempt(attempts, at, delays=delays, retry_after=retry_after)
    return None if due is None else place._replace(attempts=attempts, due=due)


def in_round(place: Place, number: int) -> Place:
    """Returns the place in a round, with all attempts if it's a new one."""
    return place if place.round == number else place._replace(round=number, attempts=0, due=None)


def must_begin(place: Place | None, webhook: Webhook, workspace: str) -> bool:
    """Returns whether a lane has to begin at the start that its webhook has for it, and not at its place."""
    return place is None or place.start < webhook.start_in(workspace).number


def place_to_json(place: Place) -> dict[str, Any]:
    """Returns the value of the record of a lane."""
    return {
        "position": [*place.position],
        "at": format_time(place.at),
        "start": place.start,
        "round": place.round,
        "attempts": place.attempts,
        "due": None if place.due is None else format_time(place.due),
    }


def place_in(record: Record | None) -> Place | None:
    """Returns the place in the record of a lane; None if there is none, or if it is damaged."""
    try:
        return None if record is None else place_from_json(record.value)
    except (KeyError, TypeError, ValueError):
        return None


def place_from_json(value: Mapping[str, Any]) -> Place:
    """Returns the place in a record.  Raises KeyError, TypeError and ValueError if the record is damaged."""
    due = value["due"]
    return Place(
        position_of(*value["position"]),
        parse_time(value["at"]),
        int(value["start"]),
        int(value["round"]),
        int(value["attempts"]),
        None if due is None else parse_time(due),
    )
