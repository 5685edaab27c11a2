"""The README's first screen and its commands work as printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from docs.reader import BIN, Reader, needs_curl, run_shell, wait_for_port
from http_client import ask, free_port
from pages import ROOT, Page
from service_process import RunningService

from tasksvc.testing import TaskRepositoryContract

PAGE = Page.named("README.md")
LINES_MAX = 140
"""The largest number of lines that a newcomer reads to the end."""


def test_it_is_one_page() -> None:
    assert PAGE.text.count("\n") <= LINES_MAX


def test_ci_runs_the_two_commands_of_a_newcomer_as_they_are_printed() -> None:
    extract = "source .ci/stages.sh; readme_command 1; readme_command 2"

    extracted = run_shell(extract, ROOT).splitlines()

    assert extracted == [block.strip() for block in PAGE.blocks("sh")[:2]]
    assert extracted[0].endswith(".venv/bin/tasksvc")
    assert extracted[1].endswith(".venv/bin/tox")
    script = (ROOT / ".ci" / "run").read_text()
    assert 'stage start 600 .ci/start "$(readme_command 1)"' in script
    assert 'stage tests 1200 bash -c "$(readme_command 2)"' in script


@needs_curl
def test_the_first_screen_shows_what_happens(tmp_path: Path) -> None:
    (documented,) = PAGE.blocks("text")
    (session,) = PAGE.blocks("console")

    with RunningService("--plugins", "web", folder=tmp_path) as service:
        assert documented.replace("8000", str(service.port)) in service.output
    with Reader(tmp_path) as reader:
        reader.serve()

        assert reader.follow(Page(f"```console\n{session}```")) >= 3


def test_a_named_store_is_kept(tmp_path: Path) -> None:
    (command,) = PAGE.section("Keep your tasks").commands()
    name, *arguments = command.split()
    assert name == "tasksvc"

    with RunningService(*arguments, folder=tmp_path) as service:
        assert "(kept)" in service.output

    assert (tmp_path / "my-tasks.db").exists()


def test_the_commands_for_people_work(tmp_path: Path) -> None:
    (command,) = PAGE.section("Use it at the command line").commands()

    with RunningService("--store", "memory://", folder=tmp_path) as service:
        own = {"PATH": f"{BIN}:{os.environ['PATH']}", "TASKSVC_URL": service.url, "HOME": str(tmp_path)}
        shown = run_shell(command, tmp_path, own)

    assert shown.endswith("Done: 1 Water the plants\n")
    assert shown.count("Water the plants") == 3


@pytest.mark.parametrize("command", PAGE.section("Use it from a program").commands())
def test_an_example_client_runs(command: str, tmp_path: Path) -> None:
    command = command.replace("examples/", f"{ROOT}/examples/")

    with RunningService("--store", "memory://", folder=tmp_path) as service:
        shown = run_shell(f"{BIN}/{command} {service.url}", tmp_path)

    assert shown.count("\n") >= 4


def test_the_python_client_prints_the_new_priority(tmp_path: Path) -> None:
    (documented,) = PAGE.section("Use it from a program").blocks("python")

    with RunningService("--store", "memory://", folder=tmp_path) as service:
        (tmp_path / "program.py").write_text(documented.replace("http://127.0.0.1:8000", service.url))
        shown = run_shell(f"{BIN}/python program.py", tmp_path)

    assert shown == "1\n"


def test_the_embedded_application_serves_below_its_prefix(tmp_path: Path) -> None:
    (documented,) = PAGE.section("Embed it").blocks("python")
    port = free_port()
    (tmp_path / "your_site.py").write_text(documented.replace("8080", str(port)))

    with subprocess.Popen([sys.executable, "your_site.py"], cwd=tmp_path, stdout=subprocess.DEVNULL) as site:
        try:
            wait_for_port(port, site)
            created = ask(f"http://127.0.0.1:{port}", "POST", "/todo/tasks/", {"description": "Water the plants"})
        finally:
            site.terminate()

    assert created.status == 201
    assert (tmp_path / "todo.db").exists()


def test_the_contract_example_is_a_contract(tmp_path: Path) -> None:
    (documented,) = PAGE.section("Plug in your own store").blocks("python")
    names: dict[str, type[TaskRepositoryContract]] = {}

    exec(documented, names)  # noqa: S102  # it is our own

    assert issubclass(names["TestMyStore"], TaskRepositoryContract)
    assert names["TestMyStore"]().store_url(tmp_path).startswith("mystore://")
