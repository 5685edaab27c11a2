"""Records: small values that the service keeps beside the tasks."""

from __future__ import annotations

from typing import NamedTuple

from tasksvc.domain.json_object import JSONObject


class Record(NamedTuple):
    """A JSON object under a namespace and a key, such as an API token.

    Among the entries of a decision, version 0 deletes the record: Record(namespace, key, {}, 0).
    """

    namespace: str
    key: str
    value: JSONObject
    version: int = 1
    """Counts from 1.  Version 0 means that the record doesn't exist."""
