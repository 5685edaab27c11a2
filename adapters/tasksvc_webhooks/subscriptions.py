"""Webhooks: what their owners ask for, whether they are active, and where their deliveries begin.

A webhook is a record, which requests change by compare-and-set.  What is delivered of it is kept in lanes, which only
the process that delivers writes.  So a request that concerns lanes writes into the webhook what they have to do: a
start with a new number moves the place of a lane, and a new round gives it all its attempts again.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tasksvc import Change, Position
from tasksvc_webhooks.keys import WEBHOOK
from tasksvc_webhooks.times import format_time, parse_time

ID_PREFIX: Final = "wh_"
ID_PATTERN: Final = f"{ID_PREFIX}[0-9A-Za-z_-]{{22}}"
CREATION_SLACK: Final = timedelta(seconds=1)
"""By how much the clocks of replicas may differ.  A webhook of all workspaces, whose positions at its creation aren't
known, gets the changes of this time before it, too."""

_ALL: Final = ""
"""The token from which all workspaces have changed."""


class Start(NamedTuple):
    """Where a lane begins."""

    number: int
    """The number of the request that asked for it.  A lane that has gone from this one doesn't begin here again."""
    at: datetime
    """The time from which changes are delivered."""
    position: Position | None = None
    """The position after which they are, if it's known; otherwise that of the first change that isn't before `at`."""


class Pause(NamedTuple):
    """Why a webhook gets nothing."""

    at: datetime
    reason: str
    """Says why, in a sentence."""
    by: str | None = None
    """The name of the caller who paused it; None if it isn't known, or if the service did."""


class Filter(NamedTuple):
    """Which changes are delivered."""

    types: tuple[str, ...] | None = None
    """The kinds of changes; None for all."""
    labels: tuple[str, ...] | None = None
    """The task has one of them; None for any task."""
    list: str | None = None
    """The list of the task; None for any list."""

    def matches(self, change: Change) -> bool:
        """Returns whether a change is delivered.

        Labels and list are those that the change left.  A deletion has no task, so it meets every filter of these:
        who keeps a copy of a list mustn't miss one.
        """
        if self.types is not None and change.kind.value not in self.types:
            return False
        task = change.task
        if task is None:
            return True
        if self.list is not None and task.list != self.list:
            return False
        return self.labels is None or not set(self.labels).isdisjoint(task.labels)


class Webhook(NamedTuple):
    """A webhook, as its record holds it."""

    id: str
    url: str
    workspaces: tuple[str, ...] | None
    """The workspaces whose changes are delivered; None for all."""
    filter: Filter
    description: str
    created_at: datetime
    updated_at: datetime
    begun: Start
    """Where the lanes of workspaces without a start of their own begin."""
    starts: Mapping[str, Start] = MappingProxyType({})
    """Where the lanes of some workspaces begin."""
    numbers: int = 1
    """The highest number of a start."""
    round: int = 1
    """Counts what gives all lanes their attempts again."""
    scan: str | None = None
    """The token of changed_workspaces() from which lanes are still to be looked for; None if that is done."""
    pause: Pause | None = None
    """Why it is paused; None if it's active."""
    created_by: str | None = None
    fingerprint: str | None = None
    """That of the request that created it, if this had an idempotency key, of which the id is made then."""
    version: int = 0
    """The version of the record; 0 if there is none yet."""

    @property
    def key(self) -> str:
        """The key of its records, of which one holds the secrets."""
        return WEBHOOK + self.id

    def wants(self, workspace: str) -> bool:
        """Returns whether changes of a workspace are delivered."""
        return self.workspaces is None or workspace in self.workspaces

    def start_in(self, workspace: str) -> Start:
        """Returns where the lane of a workspace begins."""
        return self.starts.get(workspace, self.begun)


def new_id(seed: str | None = None) -> str:
    """Returns an id: wh_ and 22 characters of base64 for URLs, of 128 bits that are random or a hash of `seed`."""
    bits = secrets.token_bytes(16) if seed is None else hashlib.sha256(seed.encode()).digest()[:16]
    return ID_PREFIX + urlsafe_b64encode(bits).decode().rstrip("=")


# ---------------------------------------------------------------- changes of its state
# Each returns the webhook as it is to be written.


def paused(webhook: Webhook, pause: Pause, *, followed: str) -> Webhook:
    """Returns the webhook paused; one that is paused already keeps its reason.

    `followed` is a token up to which all workspaces have been looked at, from which it goes on when it's resumed.
    """
    if webhook.pause is not None:
        return webhook
    scan = followed if webhook.scan is None else webhook.scan
    return webhook._replace(pause=pause, scan=scan, updated_at=pause.at)


def resumed(webhook: Webhook, *, at: datetime, followed: str) -> Webhook:
    """Returns the webhook active, with all attempts and at once; its lanes go on where they are."""
    scan = followed if webhook.scan is None else webhook.scan
    return webhook._replace(pause=None, round=webhook.round + 1, scan=scan, updated_at=at)


def pointed_elsewhere(webhook: Webhook, url: str, *, followed: str) -> Webhook:
    """Returns the webhook with another URL, which gets what is due at once, with all attempts."""
    scan = followed if webhook.scan is None else webhook.scan
    return webhook._replace(url=url, round=webhook.round + 1, scan=scan)


def replayed(
    webhook: Webhook,
    since: datetime | Position,
    workspaces: Iterable[str] | None,
    *,
    at: datetime,
) -> Webhook:
    """Returns the webhook with places back, or on, at `since`, and all attempts again.

    It concerns `workspaces`; None for all that it has.  A position is one of a single workspace.
    """
    number = webhook.numbers + 1
    start = Start(number, at, since) if isinstance(since, Position) else Start(number, since)
    changed = webhook._replace(numbers=number, round=webhook.round + 1, scan=_ALL, updated_at=at)
    named = webhook.workspaces if workspaces is None else workspaces
    if named is None:
        return changed._replace(begun=start, starts={})
    return changed._replace(starts={**webhook.starts, **dict.fromkeys(named, start)})


def with_workspaces(
    webhook: Webhook, workspaces: tuple[str, ...] | None, ends: Mapping[str, Position], *, at: datetime, followed: str
) -> Webhook:
    """Returns the webhook with changes of `workspaces`, None for all, and the lanes it goes on with.

    Lanes of workspaces that it had already go on.  Those of others begin now, where `ends` says that their logs end.
    """
    number = webhook.numbers + 1
    changed = webhook._replace(
        workspaces=workspaces,
        numbers=number,
        scan=followed if webhook.scan is None else webhook.scan,
    )
    if workspaces is None:
        if webhook.workspaces is None:
            return webhook
        return changed._replace(begun=Start(number, at - CREATION_SLACK))
    return changed._replace(
        starts={
            name: webhook.start_in(name) if webhook.wants(name) else Start(number, at, ends[name])
            for name in workspaces
        }
    )


# ---------------------------------------------------------------- records


def webhook_to_json(webhook: Webhook) -> dict[str, Any]:
    """Returns the value of the record of a webhook."""
    pause = webhook.pause
    return {
        "url": webhook.url,
        "workspaces": webhook.workspaces,
        **webhook.filter._asdict(),
        "description": webhook.description,
        "created_at": format_time(webhook.created_at),
        "created_by": webhook.created_by,
        "fingerprint": webhook.fingerprint,
        "updated_at": format_time(webhook.updated_at),
        "begun": _start_to_json(webhook.begun),
        "starts": {name: _start_to_json(start) for name, start in webhook.starts.items()},
        "numbers": webhook.numbers,
        "round": webhook.round,
        "scan": webhook.scan,
        "pause": None if pause is None else {"at": format_time(pause.at), "reason": pause.reason, "by": pause.by},
    }


def webhook_from_json(webhook_id: str, value: Mapping[str, Any], version: int) -> Webhook:
    """Returns the webhook in a record.  Raises KeyError, TypeError and ValueError if the record is damaged."""
    pause = value["pause"]
    return Webhook(
        webhook_id,
        _text(value["url"]),
        _names(value["workspaces"]),
        Filter(_names(value["types"]), _names(value["labels"]), _text_or_none(value["list"])),
        _text(value["description"]),
        parse_time(value["created_at"]),
        parse_time(value["updated_at"]),
        _start_from_json(value["begun"]),
        {name: _start_from_json(start) for name, start in value["starts"].items()},
        int(value["numbers"]),
        int(value["round"]),
        _text_or_none(value["scan"]),
        None if pause is None else Pause(parse_time(pause["at"]), _text(pause["reason"]), _text_or_none(pause["by"])),
        _text_or_none(value["created_by"]),
        _text_or_none(value["fingerprint"]),
        version,
    )


def _start_to_json(start: Start) -> dict[str, Any]:
    return {
        "number": start.number,
        "at": format_time(start.at),
        "position": None if start.position is None else [*start.position],
    }


def _start_from_json(value: Mapping[str, Any]) -> Start:
    position = value["position"]
    return Start(int(value["number"]), parse_time(value["at"]), None if position is None else position_of(*position))


def position_of(generation: Any, seq: Any) -> Position:
    """Returns the position that a record holds as two values.  Raises TypeError."""
    if not isinstance(generation, str) or type(seq) is not int:
        raise TypeError(f"A position has a text and an integer, not {generation!r} and {seq!r}.")
    return Position(generation, seq)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} isn't a text.")
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def _names(value: Any) -> tuple[str, ...] | None:
    return None if value is None else tuple(map(_text, value))
