"""The Dockerfile, built and run by a container engine as docs/deployment.md says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from http_client import ask, free_port
from pages import Page

from deployment.engine import Engine, until
from tasksvc.application.tokens import is_well_formed

pytestmark = pytest.mark.deployment

PAGE = Page.named("docs/deployment.md").section("One container")
STEPS = PAGE.commands()
START = next(index for index, command in enumerate(STEPS) if "--detach" in command)


class Running(NamedTuple):
    """The container of the page, once its service is started."""

    url: str
    headers: dict[str, str]
    """Headers with the first token."""


@pytest.fixture(scope="module")
def running(engine: Engine, clone: Path, tag_of_tasksvc: None) -> Iterator[Running]:
    where = f"127.0.0.1:{free_port()}"
    steps = [command.replace("127.0.0.1:8000", where) for command in STEPS[: START + 1]]
    printed = engine.carry_out(steps, clone)
    secret = printed[2].strip()
    assert is_well_formed(secret)
    yield Running(f"http://{where}", {"Authorization": f"Bearer {secret}"})
    engine.docker("rm", "--force", "tasksvc")
    engine.docker("volume", "rm", "tasksvc")


def test_the_container_is_healthy_as_soon_as_it_serves_and_its_first_token_opens_it(
    engine: Engine, running: Running
) -> None:
    until(lambda: engine.health("tasksvc") != "starting", "the container has a verdict on its health")
    health = engine.health("tasksvc")
    ready = ask(running.url, "GET", "/health/ready")
    refused = ask(running.url, "GET", "/tasks/")
    created = ask(running.url, "POST", "/tasks/", {"description": "in a container"}, running.headers)

    assert (health, ready.status, refused.status, created.status) == ("healthy", 200, 401, 201)


def test_without_a_token_the_container_says_what_is_missing(engine: Engine, running: Running) -> None:
    refused = engine.run("docker", "run", "--rm", "tasksvc", check=False)

    assert refused.returncode == 1
    assert "The service requires tokens" in refused.stderr


def test_the_service_may_write_to_the_folder_of_its_store_alone(engine: Engine, running: Running) -> None:
    find = "find / -xdev -writable -not -type l -not -path '/proc/*' 2>&-; true"

    printed = engine.docker(
        "run", "--rm", "--entrypoint", "sh", "tasksvc", "-c", f"id --user; pwd; {find}"
    ).splitlines()

    assert printed[:2] == ["10001", "/var/lib/tasksvc"]
    assert set(printed[2:]) == {"/var/lib/tasksvc", "/tmp", "/var/tmp", "/run/lock"}  # noqa: S108


def test_the_image_holds_nothing_of_the_clone_but_what_it_is_built_from(engine: Engine, running: Running) -> None:
    shell = ("run", "--rm", "--user", "0", "--entrypoint", "sh", "tasksvc", "-c")

    sources = engine.docker(*shell, "ls -A /usr/src/tasksvc")
    private = engine.docker(*shell, "find /usr/src/tasksvc -name '*.pyc' -o -name '*.db'")

    assert sorted(sources.split()) == ["LICENSE", "README.md", "adapters", "pyproject.toml", "tasksvc"]
    assert private == ""


def test_commands_run_beside_the_service_and_a_stop_is_orderly_and_keeps_the_tasks(
    engine: Engine, clone: Path, running: Running
) -> None:
    task = ask(running.url, "POST", "/tasks/", {"description": "kept"}, running.headers).document
    assert [command.split()[1] for command in STEPS[START + 1 :]] == ["exec", "stop"]

    engine.carry_out(STEPS[START + 1 :], clone)
    status = engine.docker("inspect", "--format", "{{.State.ExitCode}}", "tasksvc").strip()
    engine.docker("start", "tasksvc")
    until(lambda: engine.health("tasksvc") == "healthy", "the container is healthy again")

    assert status == "0"
    assert ask(running.url, "GET", f"/tasks/{task['id']}", headers=running.headers).document == task


def test_each_request_is_a_line_of_json_in_the_log(engine: Engine, running: Running) -> None:
    ask(running.url, "GET", "/tasks/404", headers=running.headers)

    def logged() -> list[dict[str, object]]:
        lines = [json.loads(line) for line in engine.logs("tasksvc").splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("path") == "/tasks/404"]

    until(lambda: logged() != [], "the request is in the log")
    (line,) = logged()
    assert (line["method"], line["status"]) == ("GET", 404)
