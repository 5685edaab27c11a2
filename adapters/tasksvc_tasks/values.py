"""The values of options and arguments, as people type them.  Each function raises click.BadParameter."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import click

T = TypeVar("T")

NONE = "none"
"""Stands for no value, and clears a field."""


def when(text: str) -> date | datetime:
    """Returns the day or the time that is meant, in the user's zone."""
    from tasksvc_tasks.dates import NotUnderstood, parse_when  # which load a library that most commands don't need

    try:
        return parse_when(text, datetime.now(UTC))
    except NotUnderstood as error:
        raise click.BadParameter(str(error)) from None


def repeat(text: str) -> Mapping[str, Any]:
    """Returns how a task repeats, in the user's zone."""
    from tasksvc_tasks.repeats import NotUnderstood, local_zone, parse_repeat

    try:
        return parse_repeat(text, local_zone())
    except NotUnderstood as error:
        raise click.BadParameter(str(error)) from None


def task_id(text: str) -> int:
    """Returns the id of a task, which may have a # before it."""
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdecimal()) or not 0 < int(digits) < 2**63:
        raise click.BadParameter(f"{text!r} isn't the id of a task. 'tasksvc ls' shows the ids.")
    return int(digits)


def task_ids(text: str) -> tuple[int, ...]:
    """Returns the ids in one argument, which may have several, with commas."""
    return tuple(task_id(part) for part in text.split(",") if part)


def each_once(ids: Iterable[Sequence[int]]) -> list[int]:
    """Returns the ids of several arguments, each once, in their order."""
    return list(dict.fromkeys(itertools.chain.from_iterable(ids)))


def or_none(convert: Callable[[str], T]) -> Callable[[str], T | str]:
    """Returns `convert` for an option that takes `none` too, which it leaves as it is."""

    def convert_or_leave(text: str) -> T | str:
        return NONE if text.strip().lower() == NONE else convert(text)

    convert_or_leave.__name__ = convert.__name__
    return convert_or_leave
