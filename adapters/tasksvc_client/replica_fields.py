"""What a task becomes by a write, as far as a client can tell, and where two writes of it meet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

DEFAULTS: Mapping[str, Any] = {
    "notes": "",
    "done": False,
    "due_at": None,
    "due_on": None,
    "priority": 0,
    "labels": [],
    "list": "inbox",
    "parent_id": None,
    "position": None,
    "metadata": {},
    "repeat": None,
}
"""What the service makes of a field that a new task doesn't name, and of null in a patch."""
GIVEN_ONCE = ("uid", "created_at", "completed_at")
"""What a new task may have besides these and its description."""
_UNCOMPARED = {"version": 0, "updated_at": ""}
_TIMES = ("due_at", "created_at", "completed_at")


def plain_fields(fields: Mapping[str, Any], *, new: bool) -> dict[str, Any]:
    """Returns fields as JSON has them, in the form in which the service shows them.

    Raises TypeError for a field that a write can't have, and ValueError for a time or a day that isn't one.
    """
    known = {"description", *DEFAULTS, *(GIVEN_ONCE if new else ())}
    if unknown := sorted(set(fields) - known):
        raise TypeError(f"A task has no {', '.join(unknown)} to write. Known are {', '.join(sorted(known))}.")
    return {name: _plain(name, value) for name, value in fields.items()}


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return time_text(instant(value))
    if name == "due_on":
        return (value if isinstance(value, date) else date.fromisoformat(value)).isoformat()
    if name == "labels":
        if isinstance(value, str):
            raise TypeError(f"labels takes several labels, as in labels=[{value!r}].")
        return sorted(set(value))
    return dict(value) if isinstance(value, Mapping) else value


def instant(value: datetime | str) -> datetime:
    """Returns a time, which may be given as RFC 3339 has it, in UTC. Raises ValueError for one without an offset."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError(f"{value} has no offset, so nobody knows which moment it is.")
    return at.astimezone(UTC)


def time_text(at: datetime) -> str:
    """Returns a time in UTC as the service shows it."""
    return at.isoformat().replace("+00:00", "Z")


def new_task(task_id: int, fields: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Returns a task that was created at `at` with `fields`; its version is 0, since the service doesn't have it."""
    given = {name: value for name, value in fields.items() if value is not None}
    done = bool(given.get("done"))
    return {
        "id": task_id,
        "description": given["description"],
        **{name: given.get(name, default) for name, default in DEFAULTS.items()},
        "completed_at": given.get("completed_at", at) if done else None,
        "series_id": None,
        "next_id": None,
        "uid": given.get("uid"),
        "created_at": given.get("created_at", at),
        "updated_at": at,
        "version": 0,
    }


def patched(task: Mapping[str, Any], patch: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Returns a task with a merge patch applied at `at`, as the service would (RFC 7396); the version stays."""
    result = dict(task)
    for name, value in patch.items():
        if value is None:
            result[name] = DEFAULTS[name]
        else:
            result[name] = _merged(task.get(name), value) if name in ("metadata", "repeat") else value
    if patch.get("due_at") is not None:
        result["due_on"] = None
    elif patch.get("due_on") is not None:
        result["due_at"] = None
    if result["due_at"] is None and result["due_on"] is None:
        result["repeat"] = None
    if result["done"] != task["done"]:
        result["completed_at"] = at if result["done"] else None
    if result != task:
        result["updated_at"] = max(at, task["updated_at"])
    return result


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def changes_nothing(task: Mapping[str, Any], patch: Mapping[str, Any]) -> bool:
    """Returns whether `task` has what `patch` would give it."""
    after = patched(task, patch, task["updated_at"])
    return all(_equal(after[name], task[name]) for name in patch)


def _equal(one: Any, other: Any) -> bool:
    """Returns whether two values are the same JSON; to Python 1, 1.0 and true are equal."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def same_task(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Returns whether two versions with one id are of one task.

    A store that was put back to an earlier state, or emptied, may have given the id to another one.
    """
    return bool(one["created_at"] == other["created_at"] and one["uid"] == other["uid"])


def same_content(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Returns whether two versions of a task say the same."""
    return {**one, **_UNCOMPARED} == {**other, **_UNCOMPARED}


def meet(base: Mapping[str, Any], theirs: Mapping[str, Any], patch: Mapping[str, Any]) -> bool:
    """Returns whether `patch` changes a field of `base` that `theirs` has changed to something else.

    A due time and a due day are one field, and each name in the metadata is one.
    """
    mine = patched(base, patch, base["updated_at"])
    names = set(patch)
    if names & {"due_at", "due_on"}:
        names |= {"due_at", "due_on"}
    return any(
        _metadata_meet(base[name], theirs[name], patch[name])
        if name == "metadata" and patch[name] is not None
        else not (_equal(theirs[name], base[name]) or _equal(theirs[name], mine[name]))
        for name in names
    )


def _metadata_meet(base: Any, theirs: Any, patch: Mapping[str, Any]) -> bool:
    for name, value in patch.items():
        before, now = base.get(name), theirs.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping) and isinstance(now, Mapping):
            if _metadata_meet(before, now, value):
                return True
        elif not (_equal(now, before) or _equal(now, _merged(before, value))):
            return True
    return False
