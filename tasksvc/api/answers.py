"""Building answers."""

from __future__ import annotations

from typing import Any

from aiohttp import hdrs, web

from tasksvc import codec
from tasksvc.api.conditions import etag
from tasksvc.domain import Task

JSON = "application/json"
NDJSON = "application/x-ndjson"
CHANGE_SEQ = "X-Change-Seq"
REPLAYED = "Idempotency-Replayed"


def json_answer(value: Any, *, status: int = 200, **headers: str) -> web.Response:
    """`value` as JSON.  Further headers are named with _ for -."""
    return web.Response(
        status=status,
        body=codec.dumps(value),
        headers={hdrs.CONTENT_TYPE: JSON, **{name.replace("_", "-"): text for name, text in headers.items()}},
    )


def task_answer(task: Task, generation: str, *, status: int = 200, **headers: str) -> web.Response:
    """One task, with its entity tag."""
    return json_answer(task, status=status, ETag=etag(generation, task), **headers)
