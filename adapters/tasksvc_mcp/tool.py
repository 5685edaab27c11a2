"""A tool: what it is called with, what it gives, and what does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from mcp_types import Tool as Description
from mcp_types import ToolAnnotations
from tasksvc_client import Client

from tasksvc_mcp.schemas import Schema

Result = Mapping[str, Any]


class Tool(NamedTuple):
    """A tool that an agent may call."""

    name: str
    title: str
    text: str
    """Says to the agent when to call it."""
    takes: Schema
    gives: Schema
    run: Callable[[Client, Mapping[str, Any]], Awaitable[Result]]
    reads_only: bool = False
    destroys: bool = False
    """Whether it overwrites or deletes what was there."""
    repeatable: bool = False
    """Whether a second call with the same arguments changes nothing more."""

    def description(self) -> Description:
        """Returns the description of the tool that a host gets."""
        return Description(
            name=self.name,
            title=self.title,
            description=self.text,
            input_schema=dict(self.takes),
            output_schema=dict(self.gives),
            annotations=ToolAnnotations(
                title=self.title,
                read_only_hint=self.reads_only,
                destructive_hint=self.destroys,
                idempotent_hint=self.repeatable or self.reads_only,
                open_world_hint=False,
            ),
        )
