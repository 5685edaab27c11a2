"""Positions in the change log, as clients see and send them."""

from __future__ import annotations

import re

from tasksvc.api.responses.problems import FieldError, InvalidRequest
from tasksvc.domain.change import LOG_START, Position

_NUMBER = re.compile(r"[1-9]\d{0,17}", re.ASCII).fullmatch
_POSITION = re.compile(r"([0-9a-z]{1,32})-(\d{1,18})", re.ASCII).fullmatch


def format_position(position: Position) -> str:
    """Returns a position as clients see it: 0 for the start of every log, and otherwise opaque."""
    if position == LOG_START:  # of a workspace that nobody has written to
        return "0"
    return f"{position.generation}-{position.seq}"


def parse_position(text: str, *, where: str, field: str) -> Position:
    """Returns what format_position() gave, or 0 for the beginning.  Raises InvalidRequest."""
    if text == "0":
        return LOG_START
    if (match := _POSITION(text)) is None:
        message = (
            "Must be 0, or a position that the service gave: the `position` of a change, a `next`, an event's id,"
            " or an X-Change-Seq."
        )
        if _NUMBER(text):
            message = f"{text} is the `seq` of a change; take its `position` instead. {message}"
        raise InvalidRequest([FieldError(where, field, message)])
    return Position(match[1], int(match[2]))
