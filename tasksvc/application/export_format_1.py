"""Format 1 of exports, in which some things had other names."""

from __future__ import annotations

from typing import Any


def from_format_1(value: dict[str, Any]) -> dict[str, Any]:
    """Returns the entry `value` of an export of format 1 as format 2 has it.

    Raises LookupError, TypeError, ValueError or AttributeError if it isn't such an entry.
    """
    match value:
        case {"header": header}:
            last_seq, pruned_seq = header.pop("seq"), header.pop("floor")
            return {"header": {**header, "last_seq": last_seq, "pruned_seq": pruned_seq}}
        case {"remembered": [key, at, results]}:
            return {"idempotency_record": [key, at, list(map(_result, results))]}
    return value


def _result(value: Any) -> Any:
    return {"deleted": value["removed"]} if isinstance(value, dict) and "removed" in value else value
