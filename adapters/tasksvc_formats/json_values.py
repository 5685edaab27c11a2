"""Values in JSON objects whose types nobody has checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text_in(values: Mapping[str, Any], name: str) -> str:
    """Returns the text of this name; empty if it isn't there, or isn't a text."""
    value = values.get(name)
    return value if isinstance(value, str) else ""


def number_in(values: Mapping[str, Any], name: str) -> int:
    """Returns the integer of this name; 0 if it isn't there, or isn't one."""
    value = values.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def list_in(values: Mapping[str, Any], name: str) -> list[Any]:
    """Returns the array of this name; empty if it isn't there, or isn't one."""
    value = values.get(name)
    return value if isinstance(value, list) else []


def object_in(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns the object of this name; empty if it isn't there, or isn't one."""
    value = values.get(name)
    return value if isinstance(value, dict) else {}


def objects_in(values: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Returns the objects in the array of this name."""
    return [value for value in list_in(values, name) if isinstance(value, dict)]
