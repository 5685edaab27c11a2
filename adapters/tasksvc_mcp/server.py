"""The server: it lists the tools and runs them, over standard input and output."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, TextContent
from tasksvc_client import Client
from tasksvc_tasks.service import DEADLINE_SECONDS, Service

from tasksvc_mcp import reading, writing
from tasksvc_mcp.arguments import check
from tasksvc_mcp.failures import FAILURES, explain
from tasksvc_mcp.instructions import INSTRUCTIONS
from tasksvc_mcp.tool import Tool

log = logging.getLogger("tasksvc.mcp")
DISTRIBUTION: Final = "tasksvc"
TOOLS: Final[Mapping[str, Tool]] = {tool.name: tool for tool in (*reading.TOOLS, *writing.TOOLS)}


def serve(service: Service, *, read_only: bool) -> None:
    """Serves until standard input ends.  Standard output carries the protocol alone, and the log standard error."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(_serve(service, read_only=read_only))


async def _serve(service: Service, *, read_only: bool) -> None:
    async with Client(service.url, service.token, service.workspace, deadline=DEADLINE_SECONDS) as client:
        server = make_server(service, client, read_only=read_only)
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())


def make_server(service: Service, client: Client, *, read_only: bool = False) -> Server[Any]:
    """Returns a server whose tools ask the service with `client`."""
    tools = {name: tool for name, tool in TOOLS.items() if tool.reads_only or not read_only}
    descriptions = [tool.description() for tool in tools.values()]

    async def list_tools(context: ServerRequestContext[Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=descriptions)

    async def call_tool(context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        if (tool := tools.get(params.name)) is None:
            return _failed({"error": f"There is no tool {params.name[:100]!r}. Known are {', '.join(tools)}."})
        return await _run(tool, service, client, params.arguments or {})

    return Server(
        "tasksvc",
        version=version(DISTRIBUTION),
        title="tasksvc",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def _run(tool: Tool, service: Service, client: Client, arguments: Mapping[str, Any]) -> CallToolResult:
    """Runs a tool, and returns what it gives or what went wrong."""
    try:
        check(tool.takes, arguments)
        if not tool.reads_only:  # so that the agent is told the key if the outcome is unknown
            arguments = {"key": uuid.uuid4().hex, **arguments}
        await asyncio.to_thread(service.check_address)
        given = dict(await tool.run(client, arguments))
    except FAILURES as error:
        return _failed(explain(error, client.url, writes=not tool.reads_only))
    except ValueError as error:  # an argument that can't be sent, such as a key with a line end
        return _failed({"error": f"{error} Nothing was done."})
    except Exception:
        log.exception("The tool %s failed.", tool.name)
        return _failed({"error": "The tool failed. Its log has the reason."})
    # Hosts that don't know structured content read the text.
    return CallToolResult(content=[_text(given)], structured_content=given)


def _failed(explained: Mapping[str, Any]) -> CallToolResult:
    return CallToolResult(content=[_text(explained)], is_error=True)


def _text(document: Mapping[str, Any]) -> TextContent:
    return TextContent(type="text", text=json.dumps(document, ensure_ascii=False, separators=(",", ":")))
