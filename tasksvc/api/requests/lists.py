"""The list that a request is for."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from tasksvc.api.requests.validation import check_escapes
from tasksvc.api.responses.problems import FieldError, InvalidRequest
from tasksvc.domain.rules import list_error

LIST: Final = "list"
"""The parameter of a path that names a list."""


def list_of(request: web.Request) -> str:
    """Returns the name of the list in the path.  Raises MalformedRequest, InvalidRequest."""
    check_escapes("path", request.raw_path.partition("?")[0])
    name = request.match_info[LIST]
    if (problem := list_error(name)) is not None:
        raise InvalidRequest([FieldError("path", LIST, problem)])
    return name
