"""Positions in the change log, as clients see and send them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

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


# ---------------------------------------------------------------- of several workspaces

TAG_CHARACTERS = 10
"""Characters that stand for the name of a workspace, so that a hundred long names fit into a header."""

_ENTRY = re.compile(rf"([0-9a-f]{{{TAG_CHARACTERS}}})-(0|[0-9a-z]{{1,32}}-\d{{1,18}})", re.ASCII).fullmatch


def position_entry(workspace: str, position: Position) -> str:
    """Returns what stands for one workspace in a position of several; dots separate them."""
    return f"{_tag(workspace)}-{format_position(position)}"


def format_positions(positions: Mapping[str, Position]) -> str:
    """Returns a position of several workspaces as clients see it."""
    return ".".join(position_entry(*item) for item in sorted(positions.items()))


def parse_positions(text: str, workspaces: Iterable[str], *, where: str, field: str) -> dict[str, Position | None]:
    """Returns the position of each of `workspaces` in what format_positions() gave, None where it has none.

    It may have others, too.  0 is the beginning of all.  Raises InvalidRequest.
    """
    if text == "0":
        return dict.fromkeys(workspaces, LOG_START)
    given: dict[str, Position] = {}
    for entry in text.split("."):
        if (match := _ENTRY(entry)) is None:
            message = "Must be 0, or a position of several workspaces: an event's id, or an X-Change-Seq."
            raise InvalidRequest([FieldError(where, field, message)])
        given[match[1]] = parse_position(match[2], where=where, field=field)
    return {workspace: given.get(_tag(workspace)) for workspace in workspaces}


def _tag(workspace: str) -> str:
    return hashlib.sha256(workspace.encode()).hexdigest()[:TAG_CHARACTERS]
