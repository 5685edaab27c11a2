"""The commands: their names, what they print, and their exit statuses."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from service_process import environment_with, run_tasksvc, unmeasured

from commands.cli_runner import CommandLine


def test_python_m_tasksvc_and_the_script_are_the_same(tmp_path: Path) -> None:
    script = subprocess.run(
        [Path(sys.executable).with_name("tasksvc"), "--version"], capture_output=True, text=True, check=True
    )

    assert run_tasksvc("--version", folder=tmp_path).stdout == script.stdout == f"tasksvc {version('tasksvc')}\n"


@pytest.mark.parametrize("words", [("--version",), ("version",), ("--version", "serve")], ids=" ".join)
def test_the_version_is_shown(words: tuple[str, ...], tasksvc: CommandLine) -> None:
    assert tasksvc(*words) == (0, f"tasksvc {version('tasksvc')}\n", "")


@pytest.mark.parametrize("word", ["--version", "version"])
def test_the_version_is_shown_before_anything_heavy_is_imported(word: str) -> None:
    script = (
        "import sys; from tasksvc.cli.main import run;"
        f"run([{word!r}]); print({{'argparse', 'asyncio', 'click', 'pluggy'}} & set(sys.modules))"
    )
    environment = unmeasured(environment_with())

    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[1:] == ["set()"]


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (("migrate", "--store", "x:"), "migrate"),
        (("token", "list", "--store", "x:"), "token"),
        (("serve", "--no-plugins", "--help"), "serve"),
        (("completion", "bash"), "completion"),
    ],
)
def test_a_command_imports_no_other_one_and_no_server(words: tuple[str, ...], module: str) -> None:
    script = f"import sys; from tasksvc.cli.main import run; run({words}); print(*sys.modules)"
    environment = unmeasured(environment_with())

    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    imported = set(done.stdout.splitlines()[-1].split())
    assert {name for name in imported if name.startswith("tasksvc.cli.commands.")} == {f"tasksvc.cli.commands.{module}"}
    assert imported & {"aiohttp", "marshmallow", "sqlite3", "uvloop"} == set()


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
