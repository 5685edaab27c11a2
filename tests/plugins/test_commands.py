"""Commands that plugins add to `tasksvc`."""

from __future__ import annotations

from pathlib import Path

import pytest
from service_process import run_here, run_tasksvc

from plugins.site import Site

GREET = """
    import click

    @click.command("greet", help="Greet somebody.")
    @click.option("--name", required=True)
    def command(name):
        if name == "nobody":
            raise click.ClickException("Nobody is there.")
        click.echo(f"Hello {name}.")
"""


def install(site: Site, source: str | None, *, distribution: str = "tasksvc-greeting", name: str = "greet") -> None:
    """Installs a command, whose module has this source."""
    module = f"command_{distribution.replace('-', '_')}"
    site.add(
        distribution,
        "2.0",
        entry_points={"tasksvc.commands": {name: f"{module}:command"}},
        modules={} if source is None else {module: source},
    )


def test_a_command_of_a_plugin_runs_and_is_listed(site: Site, tmp_path: Path) -> None:
    install(site, GREET)

    greeted = run_tasksvc("greet", "--name", "Ann", folder=tmp_path, environment=site.environment())
    listed = run_here("--help", folder=tmp_path)
    described = run_here("help", "greet", folder=tmp_path)

    assert (greeted.returncode, greeted.stdout, greeted.stderr) == (0, "Hello Ann.\n", "")
    assert "A command of tasksvc-greeting." in listed.stdout
    assert "Greet somebody." in described.stdout


def test_what_a_command_raises_is_one_line(site: Site, tmp_path: Path) -> None:
    install(site, GREET)

    failed = run_here("greet", "--name", "nobody", folder=tmp_path)
    mistyped = run_here("greet", folder=tmp_path)

    assert (failed.returncode, failed.stderr) == (1, "tasksvc: Nobody is there.\n")
    assert mistyped.returncode == 2
    assert mistyped.stderr == "tasksvc: Missing option '--name'. See 'tasksvc greet --help'.\n"


def test_a_command_is_imported_only_when_it_is_used(site: Site, tmp_path: Path) -> None:
    install(site, "raise OSError('imported')")

    others = [run_here(*arguments, folder=tmp_path) for arguments in (["--help"], ["stores"], ["help", "export"])]
    used = run_here("greet", folder=tmp_path)

    assert [(done.returncode, done.stderr) for done in others] == [(0, "")] * 3
    assert (used.returncode, used.stderr) == (
        1,
        "tasksvc: The command greet from tasksvc-greeting fails on import with OSError: imported\n",
    )


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (None, "names the module command_tasksvc_greeting, which is not there. Reinstall it."),
        ("import nowhere", "needs nowhere, which is not installed. Install it."),
        ("command = print", "is a builtin_function_or_method and no command of click. Ask its author."),
    ],
)
def test_a_broken_command_is_one_sentence(source: str | None, problem: str, site: Site, tmp_path: Path) -> None:
    install(site, source)

    refused = run_here("greet", folder=tmp_path)

    assert refused.returncode == 1
    assert refused.stderr == f"tasksvc: The command greet from tasksvc-greeting {problem}\n"


def test_two_distributions_with_one_command_are_refused(site: Site, tmp_path: Path) -> None:
    install(site, GREET)
    install(site, GREET, distribution="other-greeting")

    refused = run_here("greet", "--name", "Ann", folder=tmp_path)

    assert refused.returncode == 1
    assert "a command greet: other-greeting and tasksvc-greeting. Uninstall one." in refused.stderr


def test_a_command_of_tasksvc_has_precedence(site: Site, tmp_path: Path) -> None:
    install(site, "raise OSError('imported')", name="version")

    shown = run_here("version", folder=tmp_path)
    listed = run_here("--help", folder=tmp_path)

    assert shown.returncode == 0
    assert "tasksvc-greeting" not in listed.stdout
