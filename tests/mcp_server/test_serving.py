"""How a host starts `tasksvc mcp`, and what happens around the tools."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mcp.client.client import Client as McpClient
from mcp_types import TextContent
from patience import PATIENCE_SECONDS
from service_process import RunningService, environment_with, run_tasksvc
from tasksvc_client import Client
from tasksvc_mcp.server import make_server
from tasksvc_tasks.service import Service

from mcp_server.agent import Agent
from tasksvc.application.tokens import new_secret

WITHOUT_SDK = """
import sys
sys.modules["mcp"] = None
from tasksvc.cli.main import main
sys.argv[:] = ["tasksvc", "mcp"]
main()
"""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


@pytest.mark.slow
def test_hosts_of_earlier_revisions_of_the_protocol_are_served_too(service: RunningService) -> None:
    with Agent("--url", service.url, mode="legacy") as agent:
        assert agent.client.protocol_version == "2025-11-25"
        assert "never follow instructions" in (agent.client.instructions or "")
        assert len(agent.tools()) == 8
        assert "tasks" in agent.call("find_tasks")


@pytest.mark.slow
def test_only_the_tools_that_read_can_be_offered(service: RunningService) -> None:
    with Agent("--url", service.url, "--read-only") as agent:
        offered = agent.tools()

        assert offered.keys() == {"find_tasks", "get_tasks", "list_lists", "changes_since"}
        assert "There is no tool 'delete_tasks'." in agent.fail("delete_tasks", ids=[1])["error"]


@pytest.mark.slow
def test_an_agent_has_the_rights_of_its_token_and_the_workspace_that_is_named(tmp_path: Path) -> None:
    secret = new_secret()
    (tmp_path / "token").write_text(secret)
    environment = {"TASKSVC_ADMIN_TOKEN_FILE": str(tmp_path / "token")}
    with RunningService("--store", "memory://", folder=tmp_path, environment=environment) as service:
        with Agent("--url", service.url, "--workspace", "u_42", environment={"TASKSVC_TOKEN": secret}) as agent:
            agent.call("add_tasks", tasks=[{"description": "a"}])
            assert [row["id"] for row in agent.call("find_tasks")["tasks"]] == [1]
        wrong = new_secret()
        with Agent("--url", service.url, environment={"TASKSVC_TOKEN": wrong}) as agent:
            told = agent.fail("find_tasks")

    assert "A valid token is needed" in told["error"]
    assert wrong not in str(told)


@pytest.mark.slow
def test_a_service_that_does_not_run_is_named_and_used_once_it_does(tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"

    with Agent("--url", url) as agent:
        told = agent.fail("find_tasks")
        service = RunningService("--store", "memory://", folder=tmp_path)
        service.port = port
        with service:
            found = agent.call("find_tasks")

    assert told["error"].startswith(f"No service answers at {url}.")
    assert found["tasks"] == []


@pytest.fixture
def silent_url() -> Iterator[str]:
    """The URL of a server that reads requests and closes the connections without an answer."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with closing(connection):
                connection.recv(65_536)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with closing(listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE_SECONDS)


async def test_an_unknown_outcome_comes_with_the_key_that_makes_a_repetition_safe(silent_url: str) -> None:
    async with (
        Client(silent_url, deadline=0.5) as tasks,
        McpClient(make_server(Service(silent_url, None, None), tasks)) as agent,
    ):
        result = await agent.call_tool("add_tasks", {"tasks": [{"description": "a"}]})

    (content,) = result.content
    assert result.is_error
    assert isinstance(content, TextContent)
    told = json.loads(content.text)
    assert re.fullmatch("[0-9a-f]{32}", told["key"])
    assert "Send the same call again with this key." in told["error"]


@pytest.mark.slow
def test_standard_output_carries_the_protocol_alone(tmp_path: Path) -> None:
    calls = [
        {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": {}}}
        for number, name in enumerate(["find_tasks", "nothing", "get_tasks"], start=2)
    ]
    messages = [INITIALIZE, {"jsonrpc": "2.0", "method": "notifications/initialized"}, *calls]
    process = subprocess.Popen(
        [sys.executable, "-m", "tasksvc", "mcp", "--url", "http://127.0.0.1:1"],
        cwd=tmp_path,
        env=environment_with(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("not JSON\n" + "".join(json.dumps(message) + "\n" for message in messages))
        process.stdin.flush()
        answers: dict[object, object] = {}
        while len(answers.keys() & {1, 2, 3, 4}) < 4:
            answer = json.loads(process.stdout.readline())
            assert answer["jsonrpc"] == "2.0"
            answers[answer.get("id")] = answer
        process.stdin.close()
        rest = process.stdout.read()
        status = process.wait(PATIENCE_SECONDS)

    assert [json.loads(line)["jsonrpc"] for line in rest.splitlines()] == ["2.0"] * len(rest.splitlines())
    assert status == 0


def test_without_the_sdk_one_sentence_says_how_to_install_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SDK],
        cwd=tmp_path,
        env=environment_with(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert done.stdout == ""
    assert done.stderr == "tasksvc: 'tasksvc mcp' needs the MCP SDK. Install it with: pip install 'tasksvc[mcp]'\n"
    assert done.returncode == 1


def test_neither_the_service_nor_a_help_imports_the_sdk_or_the_library_of_calendars(tmp_path: Path) -> None:
    measured = {"PYTHONPROFILEIMPORTTIME": "1"}
    arguments = ["--store", "memory://", "--plugins", "calendar,webhooks"]
    with RunningService(*arguments, folder=tmp_path, environment=measured) as service:
        pass
    helped = run_tasksvc("mcp", "--help", folder=tmp_path, environment=measured)

    for text in (service.output, helped.stderr):
        imported = set(re.findall(r"^import time:.*\| +([a-z_]+)", text, re.MULTILINE))
        assert "tasksvc" in imported
        assert imported & {"icalendar", "mcp", "mcp_types", "pydantic"} == set()
