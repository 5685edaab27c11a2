"""The workspace that a request is for."""

from __future__ import annotations

from aiohttp import web

from tasksvc.api.pipeline.clients import caller_of

PARAMETER = "workspace"
PREFIX = "/workspaces/"
"""What comes before the name of a workspace in a path."""
PATH = f"{PREFIX}{{{PARAMETER}}}"
"""The path of a workspace, which comes before those of its tasks and changes."""


def workspace_in(request: web.BaseRequest) -> str | None:
    """Returns the workspace in the path of a request that the router has matched, which is any text; None for none."""
    return request.match_info.get(PARAMETER) if isinstance(request, web.Request) else None


def workspace_of(request: web.Request) -> str:
    """Returns the workspace in the path, which is any text; the home of the caller if the path names none."""
    named = workspace_in(request)
    return home_of(request) if named is None else named


def home_of(request: web.BaseRequest) -> str:
    """Returns the workspace of paths without one."""
    return caller_of(request).home
