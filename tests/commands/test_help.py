"""The help shows commands in groups, arguments, options, and the variable of each."""

from __future__ import annotations

import re
import sys

import click
import pytest
from service_process import run_tasksvc
from terminals import on_terminal

from commands.cli_runner import CommandLine
from tasksvc.cli.root import COMMANDS, GROUPS, root
from tasksvc.cli.variables import OF_OPTIONS, WITHOUT_OPTION

TOKEN_COMMANDS = ("create", "list", "revoke", "new")
ALL_COMMANDS = [*((name,) for name in COMMANDS), *(("token", name) for name in TOKEN_COMMANDS)]


def command_named(*names: str) -> click.Command:
    command: click.Command | None = root
    for name in names:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
    assert command is not None
    return command


@pytest.mark.parametrize("words", [("-h",), ("--help",), ("help",)], ids=" ".join)
def test_the_help_shows_all_commands_in_groups(words: tuple[str, ...], tasksvc: CommandLine) -> None:
    status, printed, said = tasksvc(*words)

    assert (status, said) == (0, "")
    listed = re.findall(r"^([A-Z].*):\n((?:  [a-z]+ +[A-Z].*\n)+)", printed, re.MULTILINE)
    groups = [(heading, re.findall(r"^  ([a-z]+)", text, re.MULTILINE)) for heading, text in listed]
    assert [group for group in groups if group[0] != "Plugins"] == [
        (heading, list(commands)) for heading, commands in GROUPS.items()
    ]


@pytest.mark.parametrize("names", ALL_COMMANDS, ids=" ".join)
def test_each_command_shows_the_same_help_wherever_it_is_asked_for_it(
    names: tuple[str, ...], tasksvc: CommandLine
) -> None:
    done = tasksvc(*names, "--help")

    assert (done.status, done.said) == (0, "")
    assert done.printed.startswith(f"Usage: tasksvc {' '.join(names)} ")
    assert done == tasksvc(*names, "-h") == tasksvc("help", *names)
    assert list(tasksvc.folder.iterdir()) == []


@pytest.mark.parametrize("names", ALL_COMMANDS, ids=" ".join)
def test_the_help_explains_each_argument_and_option_and_shows_its_variable(
    names: tuple[str, ...], tasksvc: CommandLine
) -> None:
    printed = " ".join(tasksvc(*names, "--help").printed.split())

    for parameter in command_named(*names).params:
        shown = parameter.opts[0] if isinstance(parameter, click.Option) else f"Arguments: {parameter.metavar}"
        if isinstance(parameter, click.Option):
            assert re.search(rf"{shown} (\[?[A-Za-z|]+\]? )?[A-Z]?\w+", printed)
            assert parameter.envvar is None or f"[env var: {parameter.envvar}" in printed
        elif parameter.metavar == "FILE":
            assert re.search(rf"{shown} \S+ \S+", printed)


def test_no_option_has_a_variable_that_is_not_known() -> None:
    options = [parameter for names in ALL_COMMANDS for parameter in command_named(*names).params]

    assert {option.envvar for option in options if option.envvar is not None} == OF_OPTIONS


def test_variables_without_an_option_are_shown_too(tasksvc: CommandLine) -> None:
    shown = {variable: tasksvc("token", "create", "--help").printed.count(variable) for variable in WITHOUT_OPTION}

    assert min(shown.values()) >= 1
    assert "TASKSVC_ADMIN_TOKEN_FILE" in tasksvc("serve", "--help").printed


def test_the_help_works_despite_a_mistyped_variable(tasksvc: CommandLine) -> None:
    variables = {"TASKSVC_PROT": "1"}

    done = [
        tasksvc(*words, environment=variables).status for words in (("--help",), ("help", "serve"), ("serve", "-h"))
    ]

    assert done == [0, 0, 0]


@pytest.mark.parametrize("columns", [40, 60, 100, 200])
def test_the_help_fits_the_terminal(columns: int) -> None:
    text = on_terminal(sys.executable, "-m", "tasksvc", "serve", "--help", columns=columns)

    widest = max(len(line) for line in text.splitlines())
    assert min(columns, 100) * 0.6 < widest <= min(columns, 100)


def test_help_that_cannot_be_written_is_one_sentence(tmp_path_factory: pytest.TempPathFactory) -> None:
    done = run_tasksvc(
        *("help", "serve"),
        folder=tmp_path_factory.mktemp("full"),
        before=["bash", "-c", 'exec "$@" > /dev/full', "bash"],
    )

    assert (done.returncode, done.stderr) == (
        1,
        "tasksvc: Standard output cannot be written: No space left on device.\n",
    )
