"""A usage error is one line, with the value and what to do, and exit status 2."""

from __future__ import annotations

import pytest

from commands.cli_runner import CommandLine
from tasksvc.cli.root import COMMANDS
from tasksvc.cli.variables import OF_OPTIONS

TAKING_OPTIONS = sorted(set(COMMANDS) - {"token"})


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("mgirate",), "There is no command 'mgirate'. Did you mean migrate? See 'tasksvc --help'."),
        (("frobnicate",), "There is no command 'frobnicate'. See 'tasksvc --help'."),
        (("help", "tokne"), "There is no command 'tokne'. Did you mean token? See 'tasksvc --help'."),
        (("help", "token", "lits"), "There is no command 'lits'. Did you mean list? See 'tasksvc token --help'."),
        (("help", "serve", "x"), "There is no command 'x'. See 'tasksvc serve --help'."),
        (("--prot", "1"), "There is no option --prot. Did you mean --port? See 'tasksvc serve --help'."),
        (("--log-f", "json"), "There is no option --log-f. Did you mean --log-format? See 'tasksvc serve --help'."),
        (("check", "--force"), "There is no option --force. See 'tasksvc check --help'."),
        (("serve", "--port"), "Option '--port' requires an argument. See 'tasksvc serve --help'."),
        (("backup",), "Missing argument 'FILE'. See 'tasksvc backup --help'."),
        (("copy", "a:"), "Missing argument 'TO'. See 'tasksvc copy --help'."),
        (("check", "a:"), "Got unexpected extra argument (a:). See 'tasksvc check --help'."),
        (("token",), "tasksvc token needs a command: create, list, update, revoke, new. See 'tasksvc token --help'."),
        (
            ("workspace",),
            "tasksvc workspace needs a command: list, erase, export, import. See 'tasksvc workspace --help'.",
        ),
        (("token", "make"), "There is no command 'make'. See 'tasksvc token --help'."),
        (
            ("token", "update", "x"),
            "Name what to change: --scope, --workspace, --all-workspaces, --expires or --no-expiry."
            " See 'tasksvc token update --help'.",
        ),
        (
            ("token", "update", "x", "--workspace", "a", "--all-workspaces"),
            "--workspace and --all-workspaces contradict each other. See 'tasksvc token update --help'.",
        ),
        (
            ("token", "update", "x", "--expires", "1d", "--no-expiry"),
            "--expires and --no-expiry contradict each other. See 'tasksvc token update --help'.",
        ),
        (("completion", "csh"), "SHELL: 'csh' is not one of 'bash', 'zsh', 'fish'. See 'tasksvc completion --help'."),
        (
            ("token", "create", "x", "--scope", "all"),
            "--scope: 'all' is not one of 'read', 'write', 'admin'. See 'tasksvc token create --help'.",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_usage_error_is_one_line(words: tuple[str, ...], line: str, tasksvc: CommandLine) -> None:
    assert tasksvc(*words) == (2, "", f"tasksvc: {line}\n")
    assert list(tasksvc.folder.iterdir()) == []


@pytest.mark.parametrize("command", TAKING_OPTIONS)
def test_an_unknown_option_is_refused_by_each_command(command: str, tasksvc: CommandLine) -> None:
    line = f"tasksvc: There is no option --frobnicate. See 'tasksvc {command} --help'.\n"

    assert tasksvc(command, "--frobnicate") == (2, "", line)


# ---------------------------------------------------------------- variables


@pytest.mark.parametrize(
    ("variable", "remedy"),
    [
        ("TASKSVC_PROT", "Did you mean TASKSVC_PORT?"),
        ("TASKSVC_KEEPDAYS", "Did you mean TASKSVC_KEEP_DAYS?"),
        ("TASKSVC_ADMIN_TOKENFILE", "Did you mean TASKSVC_ADMIN_TOKEN_FILE?"),
        ("TASKSVC_COLOUR", "Unset it, or rename it if it is another program's."),
        ("TASKSVC_", "Unset it, or rename it if it is another program's."),
    ],
)
@pytest.mark.parametrize(
    ("words", "helped"), [(("check",), "check"), (("--port", "0"), "serve")], ids=["check", "serve"]
)
def test_a_mistyped_variable_is_refused_before_anything_is_done(
    words: tuple[str, ...], helped: str, variable: str, remedy: str, tasksvc: CommandLine
) -> None:
    done = tasksvc(*words, environment={variable: "sqlite:///secret.db"})

    assert done == (2, "", f"tasksvc: There is no variable {variable}. {remedy} See 'tasksvc {helped} --help'.\n")
    assert list(tasksvc.folder.iterdir()) == []


@pytest.mark.parametrize(
    "variable",
    [
        *sorted(OF_OPTIONS - {"TASKSVC_STORE"}),
        *("TASKSVC_ADMIN_TOKEN", "TASKSVC_ADMIN_TOKEN_FILE", "TASKSVC_TOKEN", "TASKSVC_SITE"),
        *("TASKSVC_TEST_ALL", "TASKSVC_SERVICE_HOST", "TASKSVC_SERVICE_PORT_HTTP", "TASKSVC_PORT_8000_TCP_ADDR"),
        *("_TASKSVC_X", "TASKS", "TASKSVCX"),
    ],
)
def test_variables_that_others_read_are_left_alone(variable: str, tasksvc: CommandLine) -> None:
    assert tasksvc("stores", environment={variable: "1"}).status == 0


def test_a_port_that_kubernetes_has_put_there_is_refused_with_the_way_out(tasksvc: CommandLine) -> None:
    status, _, said = tasksvc("serve", environment={"TASKSVC_PORT": "tcp://10.0.0.1:8000"})

    assert status == 2
    assert said.startswith("tasksvc: TASKSVC_PORT: 'tcp://10.0.0.1:8000' isn't a port; ")
    assert "set enableServiceLinks to false" in said
