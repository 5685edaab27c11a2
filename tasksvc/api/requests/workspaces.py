"""The workspace that a request is for."""

from __future__ import annotations

from aiohttp import web

from tasksvc.domain.workspace import DEFAULT_WORKSPACE

PARAMETER = "workspace"
PREFIX = "/workspaces/"
"""What comes before the name of a workspace in a path."""
PATH = f"{PREFIX}{{{PARAMETER}}}"
"""The path of a workspace, which comes before those of its tasks and changes."""


def workspace_of(request: web.Request) -> str:
    """Returns the workspace in the path, which is any text; the default one if the path names none."""
    return request.match_info.get(PARAMETER, DEFAULT_WORKSPACE)
