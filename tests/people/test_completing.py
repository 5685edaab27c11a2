"""Completion of ids, labels, lists and workspaces."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from http_client import free_port
from requirements import find_program
from service_process import environment_with
from tasksvc_client import Create

from people.person import Person


@pytest.fixture
def tasks(ann: Person) -> Person:
    """A user with tasks to complete."""
    ann.tasks.batch(
        [
            Create("Water\x1b the plants", labels=["home", "green house"], list="garden"),
            Create("Old", done=True, labels=["old"]),
            Create("Buy milk", labels=["shop"]),
        ]
    )
    return ann


def completions(person: Person, *words: str, **variables: str) -> list[str]:
    """Returns what zsh gets for `tasksvc` and words, the last of which is incomplete: a value and its description."""
    done = person(
        _TASKSVC_COMPLETE="zsh_complete",
        COMP_WORDS=" ".join(["tasksvc", *words]),
        COMP_CWORD=str(len(words)),
        **variables,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    return [f"{value} {text}".strip() for value, text in zip(lines[1::3], lines[2::3], strict=True)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["done", ""], ["3 Buy milk", "1 Water␛ the plants"]),
        (["done", "1"], ["1 Water␛ the plants"]),
        (["reopen", ""], ["2 Old"]),
        (["rm", "3", ""], ["3 Buy milk", "2 Old", "1 Water␛ the plants"]),
        (["show", ""], ["3 Buy milk", "2 Old", "1 Water␛ the plants"]),
        (["ls", "--label", "s"], ["shop _"]),
        (["add", "x", "--list", ""], ["garden 1 open", "inbox 1 open"]),
        (["edit", "1", "--parent", "3"], ["3 Buy milk"]),
        (["ls", "--sort", "pr"], ["priority _"]),
    ],
    ids=str,
)
def test_what_there_is_is_completed_with_descriptions(words: list[str], found: list[str], tasks: Person) -> None:
    assert completions(tasks, *words) == found


def test_a_url_and_a_workspace_that_are_typed_count(tasks: Person) -> None:
    words = ["--url", tasks.url, "--workspace", tasks.workspace, ""]
    environment = {"TASKSVC_URL": "http://127.0.0.1:1", "TASKSVC_WORKSPACE": ""}

    assert len(completions(tasks, "done", *words, **environment)) == 2


@pytest.mark.parametrize(
    "words", [["done", ""], ["ls", "--label", ""], ["add", "--list", ""], ["ls", "--workspace", ""]]
)
def test_without_a_service_nothing_is_completed_and_nothing_is_said(words: list[str], ann: Person) -> None:
    assert completions(ann, *words, TASKSVC_URL=f"http://127.0.0.1:{free_port()}") == []
    assert completions(ann, *words, TASKSVC_URL="nonsense") == []


ASKING = {
    "bash": 'eval "$(tasksvc completion bash)"; COMP_WORDS=(tasksvc done ""); COMP_CWORD=2;'
    ' _tasksvc_completion tasksvc ""; printf "%s\\n" "${COMPREPLY[@]}"',
    "zsh": "compdef() { :; }; compadd() { :; }; _describe() { print -l ${${(P)3}%%:*}; };"
    'eval "$(tasksvc completion zsh)"; words=(tasksvc done ""); CURRENT=3; _tasksvc_completion',
    "fish": 'tasksvc completion fish | source; complete -C "tasksvc done " | string split -f1 \\t',
}


@pytest.mark.parametrize("shell", ASKING)
def test_a_real_shell_completes_ids(shell: str, tasks: Person, tmp_path: Path) -> None:
    program = find_program(shell)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        [program, "-c", ASKING[shell]],
        cwd=tmp_path, env=environment_with({**tasks.environment, "PATH": path}), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip

    assert sorted(done.stdout.split()) == ["1", "3"], done.stderr  # some sort them
