"""Terms: the texts by which a store finds tasks that have a value, such as a label.

A store keeps an index of terms and tasks, and knows nothing of the fields that they come from.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import Final

from tasksvc.domain.task import Task

TERM_BYTES_MAX: Final = 1_000
"""The most bytes of a term in UTF-8.  A label of 100 control characters makes one of 608."""


def term(name: str, value: str | int | float | bool) -> str:
    """Returns the term for tasks with `value` under `name`, as in label="home".

    The value is in it as JSON, so that 1, 1.0, true and "1" make different terms.
    """
    return f"{name}={encode_basestring(value)}" if isinstance(value, str) else f"{name}={_encode_plain(value)}"


def terms_of(task: Task) -> tuple[str, ...]:
    """Returns the terms under which `task` is found, each once."""
    return tuple([f"label={encode_basestring(label)}" for label in task.labels]) if task.labels else ()


def _encode_plain(value: int | float | bool) -> str:
    return repr(value) if not isinstance(value, bool) else "true" if value else "false"
