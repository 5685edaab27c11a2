"""What the commands say of themselves, and of words that they do not know."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from running_service import run_tasksvc

from commands.running import CommandLine
from tasksvc.cli.main import COMMANDS


def test_python_m_tasksvc_and_the_script_are_the_same(tmp_path: Path) -> None:
    script = subprocess.run(
        [Path(sys.executable).with_name("tasksvc"), "--version"], capture_output=True, text=True, check=True
    )

    assert run_tasksvc("--version", folder=tmp_path).stdout == script.stdout == f"tasksvc {version('tasksvc')}\n"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_names_all_commands(flag: str, tasksvc: CommandLine) -> None:
    status, printed, said = tasksvc(flag)

    assert (status, said) == (0, "")
    assert re.findall(r"^  ([a-z]+)  ", printed, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_helps(command: str, tasksvc: CommandLine) -> None:
    status, printed, said = tasksvc(command, "--help")

    assert (status, said) == (0, "")
    assert printed.startswith(f"usage: tasksvc {command} ")
    usage, _, options = printed.partition("\noptions:\n")
    explained = re.findall(r"^  (?:-h, )?(--[a-z-]+)", options, re.MULTILINE)
    assert set(re.findall(r"--[a-z-]+", usage)) <= set(explained)
    assert "--help" in explained
    assert list(tasksvc.folder.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_flag_that_is_not_known_is_refused_with_the_usage(command: str, tasksvc: CommandLine) -> None:
    status, printed, said = tasksvc(command, "--frobnicate")

    assert (status, printed) == (2, "")
    assert said.startswith(f"usage: tasksvc {command} ")
    assert list(tasksvc.folder.iterdir()) == []


def test_a_flag_without_a_command_is_one_of_the_service(tasksvc: CommandLine) -> None:
    status, _, said = tasksvc("--frobnicate")

    assert status == 2
    assert said.endswith("tasksvc serve: error: unrecognized arguments: --frobnicate\n")


def test_a_command_that_is_not_known_is_refused_with_those_that_are(tasksvc: CommandLine) -> None:
    status, printed, said = tasksvc("frobnicate")

    assert (status, printed) == (2, "")
    assert all(command in said for command in ["frobnicate", *COMMANDS])


def test_the_installed_adapters_are_listed(tasksvc: CommandLine) -> None:
    status, printed, said = tasksvc("stores")

    head, *rows = printed.splitlines()
    states = {row.split()[0]: row for row in rows}
    assert (status, said) == (0, "")
    assert head.split() == ["SCHEME", "DISTRIBUTION", "MODULE", "STATE"]
    assert {"memory", "sqlite", "postgresql"} <= set(states)
    assert states["sqlite"].split() == ["sqlite", "tasksvc", version("tasksvc"), "tasksvc_sqlite", "ready"]


def test_an_interrupted_command_ends_with_the_status_of_a_signal(
    tasksvc: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tasksvc.cli.commands.stores.installed_stores", interrupted)

    assert tasksvc("stores") == (130, "", "")
