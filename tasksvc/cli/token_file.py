"""A token in a file, as containers give secrets."""

from __future__ import annotations

from pathlib import Path

from tasksvc.application.tokens import is_well_formed
from tasksvc.domain.errors import TasksvcError


class TokenFileRefused(TasksvcError):
    """The file cannot be used."""


def token_in(path: str) -> str:
    """The token in a file.  Raises TokenFileRefused."""
    try:
        secret = Path(path).read_text().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise TokenFileRefused(f"The file of TASKSVC_ADMIN_TOKEN_FILE, {path}, cannot be read: {reason}.") from None
    if not is_well_formed(secret):
        raise TokenFileRefused(f"The file {path} holds no token of tasksvc. Make one with: tasksvc token new")
    return secret
