"""The formats in which entries and results were written before, each brought into the next one."""

from __future__ import annotations

from typing import Any, Final

FORMAT: Final = 6
"""The number of the present format, which is higher for each one that earlier versions can't read."""
FORMAT_UNNUMBERED: Final = 2
"""The format of documents that have no number of a format: arrays of entries or results."""

_RECORD: Final = ("namespace", "key", "value", "version")
_KEY: Final = ("scope", "value", "fingerprint")
_CHANGE: Final = ("seq", "kind", "at", "task_id", "task")


def upgrade_entry(value: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """Returns the entry `value` of format `number` as the present format has it: one entry, or two.

    Raises LookupError, TypeError, ValueError or AttributeError if it isn't such an entry.
    """
    if number == 1:
        value = _entry_from_1(value)
    if number <= 2:
        value = _entry_from_2(value)
    return _entries_from_3(value) if number <= 3 else [value]


def upgrade_results(values: list[Any], number: int) -> list[Any]:
    """Returns results of format `number`, 2 or higher, as the present format has them.  Raises as upgrade_entry()."""
    return list(map(_result_from_2, values)) if number == 2 else values


# ---------------------------------------------------------------- 1: some things had other names


def _entry_from_1(value: dict[str, Any]) -> dict[str, Any]:
    match value:
        case {"header": header}:
            last_seq, pruned_seq = header.pop("seq"), header.pop("floor")
            return {"header": {**header, "last_seq": last_seq, "pruned_seq": pruned_seq}}
        case {"remembered": [key, at, results]}:
            return {"idempotency_record": [key, at, list(map(_result_from_1, results))]}
    return value


def _result_from_1(value: Any) -> Any:
    return {"deleted": value["removed"]} if isinstance(value, dict) and "removed" in value else value


# ---------------------------------------------------------------- 2: some entries were arrays


def _entry_from_2(value: dict[str, Any]) -> dict[str, Any]:
    match value:
        case {"record": record}:
            return {"record": _named(_RECORD, record)}
        case {"idempotency_record": [key, at, results]}:
            return {
                "idempotency_record": {**_named(_KEY, key), "at": at, "results": list(map(_result_from_2, results))}
            }
        case {"change": change}:
            return {"change": _named(_CHANGE, change)}
    return value


def _result_from_2(value: Any) -> Any:
    return {"record": _named(_RECORD, value["record"])} if isinstance(value, dict) and "record" in value else value


def _named(names: tuple[str, ...], values: list[Any]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


# ---------------------------------------------------------------- 3: a store had one workspace, and a header for both
# Since 4, tasks have more fields, and since 5 changes too, which have their defaults in documents of before.


def _entries_from_3(value: dict[str, Any]) -> list[dict[str, Any]]:
    if "header" in value:
        return [{"store": {"epoch": ""}}, {"header": {**value["header"], "epoch": ""}}]
    return [value]
