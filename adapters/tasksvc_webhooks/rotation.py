"""The secrets of a webhook: the one that signs, and while receivers learn a new one, the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from tasksvc_webhooks.times import format_time, parse_time

OVERLAP: Final = timedelta(hours=24)
"""How long a secret goes on signing that was replaced."""
SECRETS_MAX: Final = 5
"""Secrets that sign at once, however often they are replaced.  The oldest ones end early."""


class Secret(NamedTuple):
    """A secret, as the record of a webhook's secrets holds it."""

    secret: str
    until: datetime | None = None
    """When it ends; None if it wasn't replaced."""


def rotated(secrets: Sequence[Secret], secret: str, at: datetime) -> Sequence[Secret]:
    """Returns the secrets after `secret` has replaced the newest one."""
    older = [
        each._replace(until=at + OVERLAP) if each.until is None else each
        for each in secrets
        if each.until is None or each.until > at
    ]
    return [Secret(secret), *older][:SECRETS_MAX]


def signing(secrets: Sequence[Secret], at: datetime) -> Sequence[str]:
    """Returns the secrets that sign a message at a time, the newest one first."""
    return [each.secret for each in secrets if each.until is None or each.until > at]


def secrets_to_json(secrets: Sequence[Secret]) -> dict[str, Any]:
    """Returns the value of a record of secrets."""
    return {
        "secrets": [
            {"secret": each.secret, "until": None if each.until is None else format_time(each.until)}
            for each in secrets
        ]
    }


def secrets_from_json(value: Mapping[str, Any]) -> Sequence[Secret]:
    """Returns the secrets in a record.  Raises KeyError, TypeError and ValueError if it's damaged."""
    return [
        Secret(str(each["secret"]), None if each["until"] is None else parse_time(each["until"]))
        for each in value["secrets"]
    ]
