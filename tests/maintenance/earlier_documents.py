"""Compares what the service says now with what an earlier version said of the same."""

from __future__ import annotations

from typing import Any


def as_then(now: Any, then: Any) -> Any:
    """Returns `now` without the members of objects that `then` didn't have, such as a field that came later."""
    if isinstance(now, dict) and isinstance(then, dict):
        return {name: as_then(now[name], then[name]) for name in now if name in then}
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [as_then(item, earlier) for item, earlier in zip(now, then, strict=True)]
    return now
