"""What `tasksvc check` says of the records of webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from tasksvc import Record
from tasksvc_webhooks.keys import FOLLOWED, LANE, MARK, REVISION, STATUS, WEBHOOK
from tasksvc_webhooks.lanes import place_from_json
from tasksvc_webhooks.rotation import secrets_from_json
from tasksvc_webhooks.subscriptions import webhook_from_json


def problems_in(records: Sequence[Record]) -> Iterable[str]:
    """Yields a sentence for each record that isn't one that this version has written.

    Lanes and secrets may be there whose webhook isn't: a process that was killed leaves some, which are deleted later.
    """
    for record in records:
        parse = _SECRETS if record.namespace.endswith(":secrets") else _PARSERS
        for prefix, read in parse.items():
            if record.key.startswith(prefix):
                try:
                    read(record.value)
                except (AttributeError, KeyError, TypeError, ValueError):
                    yield f"The record {record.key!r} of webhooks is damaged."


def _read_followed(value: Mapping[str, Any]) -> None:
    if not isinstance(value["token"], str):
        raise TypeError("The token isn't a text.")


def _read_revision(value: Mapping[str, Any]) -> None:
    for number, webhook_id in [(value["number"], ""), *value["recent"]]:
        if type(number) is not int or not isinstance(webhook_id, str):
            raise TypeError("A change has a number and an id.")


def _read_mark(value: Mapping[str, Any]) -> None:
    if not isinstance(value["workspace"], str):
        raise TypeError("The workspace isn't a text.")


def _read_status(value: Mapping[str, Any]) -> None:
    if not isinstance(value["answers"], list) or not isinstance(value["lost"], list):
        raise TypeError("The answers and losses are lists.")


_PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {
    WEBHOOK: lambda value: webhook_from_json("", value, 1),
    LANE: place_from_json,
    MARK: _read_mark,
    STATUS: _read_status,
    FOLLOWED: _read_followed,
    REVISION: _read_revision,
}
_SECRETS: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {WEBHOOK: secrets_from_json}
