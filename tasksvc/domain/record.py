"""Records: what the service keeps beside tasks."""

from __future__ import annotations

from typing import NamedTuple

from tasksvc.domain.json_object import JSONObject


class Record(NamedTuple):
    """A small named value beside the tasks: a token, a consumer's position, a lease."""

    namespace: str
    key: str
    value: JSONObject
    version: int = 1
    """1, 2, 3, ...; 0 stands for a record that is not there (any more)."""
