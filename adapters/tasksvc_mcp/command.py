"""tasksvc mcp: lets an agent work with tasks."""

from __future__ import annotations

import click
from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.failures import Failed
from tasksvc_tasks.service import Service

SDK = "mcp"
"""The package of the SDK, which the extra of the same name installs."""


@tasks_command(
    "mcp",
    help="Let an agent work with tasks, over the Model Context Protocol on standard input and output. A host such as"
    " an editor starts it. It asks a running service, with the rights of the token.",
)
@click.option("--read-only", is_flag=True, help="Offer only the tools that read.")
def command(service: Service, read_only: bool) -> None:
    """Serves until the host closes standard input."""
    try:
        from tasksvc_mcp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in (SDK, "mcp_types"):
            raise
        raise Failed("'tasksvc mcp' needs the MCP SDK. Install it with: pip install 'tasksvc[mcp]'") from None
    serve(service, read_only=read_only)
