"""Workspaces, as clients name them."""

from __future__ import annotations

from tasksvc.domain.workspace import WORKSPACE_NAME_MAX

WORKSPACE_NAME = {
    "minLength": 1,
    "maxLength": WORKSPACE_NAME_MAX,
    # Anything but . and .., in a pattern that every dialect understands.
    "pattern": "^([.]?[0-9A-Za-z_~-]|[.][.][0-9A-Za-z._~-])[0-9A-Za-z._~-]*$",
}
EXAMPLE_WORKSPACE = "u_42"
