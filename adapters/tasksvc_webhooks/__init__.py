"""Webhooks: sends the changes of workspaces to URLs that callers name, signed."""

from __future__ import annotations

from typing import Final

PLUGIN: Final = 1
"""The version of tasksvc.plugin that this was written for."""
