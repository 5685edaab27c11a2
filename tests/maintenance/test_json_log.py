"""With --log-format json, every line that the service writes, on either stream, is a JSON document."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from http_client import ask
from service_process import RunningService, environment_with

from maintenance import noisy_store

pytestmark = pytest.mark.slow

JSON = ("--log-format", "json")


def documents(output: str) -> list[dict[str, Any]]:
    """Returns `output`, parsed line by line, after checking the members that every document has."""
    found: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    assert [line for line in found if not {"level", "at", "request_id"} <= line.keys()] == []
    return found


def messages(output: str) -> list[str]:
    """Returns the messages of all lines but those of requests."""
    return [line["message"] for line in documents(output) if "path" not in line]


def refusal(*arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Returns the exit status of a start that is refused, and the last line of both streams, which are merged."""
    done = subprocess.run(
        [sys.executable, "-m", "tasksvc", "--port", "0", *arguments],
        cwd=folder, env=environment_with(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, documents(done.stdout)[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_is_started_used_and_ended_in_json(number: signal.Signals, tmp_path: Path) -> None:
    with RunningService("--store", "sqlite:///tasks.db", "--admin-port", "0", *JSON, folder=tmp_path) as service:
        ask(service.url, "POST", "/tasks/", {"description": "x"})
        ask(service.url, "GET", "/nowhere")
        status = service.stop(number)

    ready = next(line for line in documents(service.output) if "is ready" in line.get("message", ""))
    requests = [(line["method"], line["status"]) for line in documents(service.output) if "path" in line]
    assert status == 0
    assert (ready["tasks"], ready["docs"]) == (
        f"{service.url}/tasks/",
        [f"{service.url}/docs", f"{service.url}/redoc"],
    )
    assert (ready["store"], ready["fate"], ready["open_to"]) == (
        "sqlite:///tasks.db",
        "kept",
        "everybody on this machine",
    )
    assert ready["admin"].startswith("http://127.0.0.1:")
    assert requests == [("POST", 201), ("GET", 404)]
    assert messages(service.output)[-1] == "1 task is kept in sqlite:///tasks.db."


def test_the_variable_says_the_same_as_the_flag(tmp_path: Path) -> None:
    with RunningService(folder=tmp_path, environment={"TASKSVC_LOG_FORMAT": "json"}) as service:
        service.stop()

    assert "is ready" in " ".join(messages(service.output))


def test_what_python_and_asyncio_and_a_failing_request_say_is_json(tmp_path: Path) -> None:
    environment = noisy_store.install(tmp_path / "site")
    arguments = ["--no-plugins", "--store", "noisy://", *JSON]
    with RunningService(*arguments, folder=tmp_path, environment=environment) as service:
        answer = ask(service.url, "POST", "/tasks/", {"description": "x"})
        service.stop()

    said = messages(service.output)
    assert answer.status == 500
    assert [noise for noise in noisy_store.NOISES if not any(noise in message for message in said)] == []
    (failed,) = [line for line in documents(service.output) if "a commit\nthat fails" in line.get("message", "")]
    assert failed["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" in failed["message"]


def test_an_error_that_nobody_catches_ends_the_process_in_json(tmp_path: Path) -> None:
    environment = noisy_store.install(tmp_path / "site")

    status, line = refusal("--store", "noisy://crash", *JSON, folder=tmp_path, environment=environment)

    assert status == 1
    assert line["level"] == "CRITICAL"
    assert "EndOfTheProcess: nobody catches this\nin one line" in line["message"]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


def test_a_port_that_is_taken_is_refused_in_json(taken_port: int, tmp_path: Path) -> None:
    status, line = refusal("--port", str(taken_port), *JSON, folder=tmp_path)

    assert status == 1
    assert line["level"] == "ERROR"
    assert line["message"].startswith(f"Cannot listen on 127.0.0.1:{taken_port}: ")


SETTING = (("--store", "no-url"), 1, "A store is named by a URL")
UNKNOWN = (("--frobnicate",), 2, "There is no option --frobnicate.")


@pytest.mark.parametrize(
    ("form", "arguments", "status", "message"),
    [
        (JSON, *SETTING),
        (JSON, ("--store", "sqlite:///nowhere/tasks.db"), 1, "there is no folder"),
        (JSON, ("--host", "0.0.0.0"), 1, "The service requires tokens"),  # noqa: S104
        (JSON, ("--port", "x"), 2, "--port: 'x' isn't a port"),
        (JSON, *UNKNOWN),
        (("--log-format=json",), *SETTING),
        (("--log-format=json",), *UNKNOWN),
    ],
)
def test_a_refused_start_is_reported_in_json(
    form: tuple[str, ...], arguments: tuple[str, ...], status: int, message: str, tmp_path: Path
) -> None:
    found, line = refusal(*arguments, *form, folder=tmp_path)

    assert (found, line["level"], line["logger"]) == (status, "ERROR", "tasksvc")
    assert message in line["message"]


@pytest.mark.parametrize(
    ("variable", "value", "status", "message"),
    [
        ("TASKSVC_STORE", "", 2, "TASKSVC_STORE is empty"),
        ("TASKSVC_RATE", "often", 2, "isn't a rate"),
        ("TASKSVC_CORS_ORIGIN", "*", 2, "TASKSVC_CORS_ORIGIN: '*' isn't an origin"),
        ("TASKSVC_PROT", "0", 2, "There is no variable TASKSVC_PROT. Did you mean TASKSVC_PORT?"),
        ("TASKSVC_ADMIN_TOKEN_FILE", "/nowhere/token", 1, "cannot be read"),
    ],
)
def test_a_refused_variable_is_reported_in_json(
    variable: str, value: str, status: int, message: str, tmp_path: Path
) -> None:
    found, line = refusal(folder=tmp_path, environment={variable: value, "TASKSVC_LOG_FORMAT": "json"})

    assert (found, line["level"]) == (status, "ERROR")
    assert message in line["message"]


def test_arguments_that_do_not_say_json_are_refused_as_always(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tasksvc", "--log-format"],
        cwd=tmp_path, env=environment_with(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr == "tasksvc: Option '--log-format' requires an argument. See 'tasksvc serve --help'.\n"
