"""The settings of hosts on docs/mcp.md start a server whose tools are those on the page."""

from __future__ import annotations

import asyncio
import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from pages import Page
from service_process import environment_with

pytestmark = pytest.mark.slow

PAGE = Page.named("docs/mcp.md")


def settings() -> list[Mapping[str, Any]]:
    """Returns the settings of each host for the server."""
    documents = [*map(json.loads, PAGE.blocks("json")), *map(tomllib.loads, PAGE.blocks("toml"))]
    return [servers["tasksvc"] for document in documents for servers in document.values()]


def test_hosts_of_all_kinds_start_the_same_command() -> None:
    assert [(each["command"], each["args"]) for each in settings()] == [("tasksvc", ["mcp"])] * 3


def test_the_command_offers_the_tools_of_the_page() -> None:
    started = settings()[0]
    command = Path(sys.executable).with_name(started["command"])
    parameters = StdioServerParameters(command=str(command), args=started["args"], env=environment_with())

    async def offered() -> list[str]:
        async with Client(stdio_client(parameters)) as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    assert asyncio.run(offered()) == [row[0].strip("`") for row in PAGE.table("Tool")]
