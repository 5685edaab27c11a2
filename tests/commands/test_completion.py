"""Completion in shells: real shells load the scripts, which then complete what is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from requirements import find_program
from service_process import environment_with

from commands.cli_runner import CommandLine
from tasksvc.cli.root import COMMANDS

SHELLS = ("bash", "zsh", "fish")


def completions(tasksvc: CommandLine, *words: str) -> list[str]:
    """Returns the completions of `tasksvc` and `words`, the last of which is incomplete."""
    environment = {
        "_TASKSVC_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["tasksvc", *words]),
        "COMP_CWORD": str(len(words)),
    }
    status, printed, said = tasksvc(environment=environment)
    assert (status, said) == (0, "")
    return [line.removeprefix("plain,") for line in printed.splitlines()]


def test_commands_are_completed(tasksvc: CommandLine) -> None:
    assert [name for name in completions(tasksvc, "") if name in COMMANDS] == list(COMMANDS)
    assert completions(tasksvc, "re") == ["reopen", "redo", "restore", "renew"]
    assert completions(tasksvc, "token", "") == ["create", "list", "new", "revoke", "update"]


def test_options_are_completed_also_those_of_the_service_without_its_name(tasksvc: CommandLine) -> None:
    assert completions(tasksvc, "serve", "--keep-") == ["--keep-days", "--keep-changes", "--keep-alive"]
    assert completions(tasksvc, "--keep-") == ["--keep-days", "--keep-changes", "--keep-alive"]
    assert completions(tasksvc, "--port", "0", "--keep-d") == ["--keep-days"]
    assert completions(tasksvc, "--ver") == ["--version"]


def test_values_and_files_are_completed(tasksvc: CommandLine) -> None:
    assert completions(tasksvc, "serve", "--log-format", "") == ["text", "json", "none"]
    assert completions(tasksvc, "token", "create", "--scope", "r") == ["read"]
    assert completions(tasksvc, "completion", "") == list(SHELLS)
    assert completions(tasksvc, "backup", "") == ["file,"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_printed_for_each_shell(shell: str, tasksvc: CommandLine) -> None:
    status, printed, said = tasksvc("completion", shell)

    assert (status, said) == (0, "")
    assert f"_TASKSVC_COMPLETE={shell}_complete" in printed


ASKING = {
    "bash": 'eval "$(tasksvc completion bash)"; COMP_WORDS=(tasksvc mig); COMP_CWORD=1;'
    ' _tasksvc_completion tasksvc mig; printf "%s\\n" "${COMPREPLY[@]}"',
    "zsh": "compdef() { :; }; compadd() { :; }; _describe() { print -l ${${(P)3}%%:*}; };"
    'eval "$(tasksvc completion zsh)"; words=(tasksvc mig); CURRENT=2; _tasksvc_completion',
    "fish": 'tasksvc completion fish | source; complete -C "tasksvc mig" | string split -f1 \\t',
}
"""What each shell does when a user presses the tab key after `tasksvc mig`."""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes(shell: str, tmp_path: Path) -> None:
    program = find_program(shell)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        [program, "-c", ASKING[shell]],
        cwd=tmp_path, env=environment_with({"PATH": path, "HOME": str(tmp_path)}), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip

    assert (done.stdout.split(), done.stderr) == (["migrate"], "")
