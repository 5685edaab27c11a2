"""A token in a file, as containers give secrets."""

from __future__ import annotations

from pathlib import Path

from tasksvc.application.tokens import is_well_formed
from tasksvc.cli.variables import ADMIN_TOKEN_FILE
from tasksvc.domain.errors import TasksvcError


class TokenFileRefused(TasksvcError):
    """The file can't be read, or doesn't hold a token."""


def read_token_file(path: str) -> str:
    """Returns the token in the file at `path`, without white space around it.  Raises TokenFileRefused."""
    try:
        secret = Path(path).read_text().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise TokenFileRefused(f"The file of {ADMIN_TOKEN_FILE}, {path}, cannot be read: {reason}.") from None
    if not is_well_formed(secret):
        raise TokenFileRefused(f"The file {path} holds no token of tasksvc. Make one with: tasksvc token new")
    return secret
