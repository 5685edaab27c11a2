"""Python's values as the service takes them: in bodies and in query strings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from urllib.parse import quote, urlencode

from tasksvc_client.models import Task


def json_bytes(value: Any) -> bytes:
    """Returns JSON. Times and days become text as in RFC 3339; sets become arrays, in order."""
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: object) -> object:
    if isinstance(value, date):  # or a datetime
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} can't be sent as JSON.")


def query_text(parameters: Iterable[tuple[str, Any]]) -> str:
    """Returns a query string with ? in front, without the parameters that are None; "" if none is left."""
    pairs = [(name, _text(value)) for name, value in parameters if value is not None]
    return f"?{urlencode(pairs, quote_via=quote)}" if pairs else ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def filter_parameters(filters: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Returns the parameters of a list's filters.

    `labels` and `workspaces` are repeated, and `metadata` has a value for each path. Those that are None are left out.
    """
    parameters: list[tuple[str, Any]] = []
    for name, value in filters.items():
        if value is None:
            continue
        if name in ("labels", "workspaces"):
            if isinstance(value, str):
                raise TypeError(f"{name} takes several names, as in {name}=[{value!r}].")
            names = [(name.removesuffix("s"), each) for each in value]
            if name == "workspaces" and not names:
                raise ValueError("workspaces must name one at least; None is the workspace of the client.")
            parameters += names
        elif name == "metadata":
            parameters += [(f"metadata.{path}", json_bytes(wanted).decode()) for path, wanted in value.items()]
        else:
            parameters.append((name, value))
    return parameters


def task_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a task as they are sent. Raises TypeError for labels that are one text."""
    sent = dict(fields)
    if (labels := sent.get("labels")) is not None:
        if isinstance(labels, str):
            raise TypeError(f"labels takes several labels, as in labels=[{labels!r}].")
        sent["labels"] = list(labels)
    return sent


def version_tag(if_version: Task | str | None) -> str | None:
    """Returns the entity tag of a version. Raises ValueError for a task that has none."""
    if isinstance(if_version, Task):
        if if_version.etag is None:
            raise ValueError(f"Task {if_version.id} came without an entity tag, as in lists and changes: get() it.")
        return if_version.etag
    return if_version
