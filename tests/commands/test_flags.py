"""Flags and their environment variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from http_client import ask
from service_process import RunningService

from commands.cli_runner import CommandLine
from tasksvc.cli.arguments import count, days, host_name, option, origin, port, rate, store_option
from tasksvc.cli.command import Command, describe


@click.command(cls=Command)
@option("--port", port, "PORT", "A port.", default="8000")
@option("--keep-days", days, "DAYS", "Days.")
@option("--allowed-host", host_name, "HOST", "Names.", multiple=True)
@option("--cors-origin", origin, "ORIGIN", "Origins.", multiple=True)
@store_option()
def tried(**_: Any) -> None:
    """Does nothing, in place of a command."""


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Returns the values of the options of a command, with these arguments and variables."""

    def parse(*arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
        monkeypatch.setattr("os.environ", environment or {})
        return tried.make_context("try", list(arguments)).params

    return parse


Parsed = Callable[..., dict[str, Any]]

NOTHING_SAID = {"port": 8000, "keep_days": None, "allowed_host": (), "cors_origin": (), "store": None}


def test_what_nobody_says_is_the_default(parsed: Parsed) -> None:
    assert parsed() == NOTHING_SAID


def test_a_variable_says_the_same_as_its_flag(parsed: Parsed) -> None:
    variables = {"TASKSVC_PORT": "1", "TASKSVC_KEEP_DAYS": "2.5", "TASKSVC_ALLOWED_HOST": "a.example, b.example,"}

    assert parsed(environment=variables) == NOTHING_SAID | {
        "port": 1,
        "keep_days": 2.5,
        "allowed_host": ("a.example", "b.example"),
    }


def test_an_empty_variable_says_nothing(parsed: Parsed) -> None:
    empty = dict.fromkeys(("TASKSVC_PORT", "TASKSVC_KEEP_DAYS", "TASKSVC_ALLOWED_HOST"), "")

    assert parsed(environment=empty) == NOTHING_SAID


def test_flags_win(parsed: Parsed) -> None:
    variables = {"TASKSVC_PORT": "1", "TASKSVC_ALLOWED_HOST": "a.example,b.example"}

    said = parsed("--port", "2", "--allowed-host", "c.example", "--allowed-host=d.example", environment=variables)

    assert said == NOTHING_SAID | {"port": 2, "allowed_host": ("c.example", "d.example")}


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--store", " "], {}), ([], {"TASKSVC_STORE": ""}), ([], {"TASKSVC_STORE": " "})],
)
def test_an_empty_store_is_refused_since_a_scratch_store_in_its_place_would_lose_what_is_written(
    arguments: list[str], environment: dict[str, str], parsed: Parsed
) -> None:
    with pytest.raises(click.UsageError, match="is empty"):
        parsed(*arguments, environment=environment)


@pytest.mark.parametrize("variable", ["TASKSVC_ALLOWED_HOST", "TASKSVC_CORS_ORIGIN"])
def test_a_variable_is_checked_as_its_flag_is_and_named(variable: str, parsed: Parsed) -> None:
    with pytest.raises(click.UsageError) as caught:
        parsed(environment={variable: "https://good.example,http://*"})

    assert describe(caught.value).startswith(f"{variable}: ")


@pytest.mark.parametrize(
    ("flag", "value", "reason"),
    [
        ("--port", "65536", "isn't a port; a port is a number from 0 to 65535"),
        ("--allowed-host", "tasks.example:8443", "without a port"),
        ("--allowed-host", "*", "isn't the name of a host"),
        ("--cors-origin", "https://app.example/", "isn't an origin"),
        ("--cors-origin", "*", "isn't an origin"),
        ("--cors-origin", "app.example", "isn't an origin"),
        ("--port", "x", "isn't a port"),
        ("--port", "1.0", "isn't a port"),
        ("--keep-days", "0", "isn't a number of days"),
        ("--keep-days", "nan", "isn't a number of days"),
        ("--keep-days", "inf", "isn't a number of days"),
        ("--keep-days", "a week", "isn't a number of days"),
        ("--keep-changes", "0", "isn't a count from 1"),
        ("--keep-changes", "1e6", "isn't a count from 1"),
        ("--body-max", "1000000000001", "isn't a count from 1"),
        ("--workspace-tasks", "0", "isn't a count from 1"),
        ("--rate", "0", "isn't a rate"),
        ("--rate", "nan", "isn't a rate"),
        ("--rate", "often", "isn't a rate"),
        ("--stop-delay", "-1", "isn't a number of seconds"),
        ("--stop-delay", "soon", "isn't a number of seconds"),
        ("--stop-delay", "nan", "isn't a number of seconds"),
        ("--log-format", "xml", "is not one of 'text', 'json', 'none'"),
    ],
)
def test_an_invalid_value_is_refused_from_every_source(
    flag: str, value: str, reason: str, tasksvc: CommandLine
) -> None:
    never = ("serve", "--store", "no-url")  # starts, even if the value is taken
    by_flag = tasksvc(*never, flag, value)

    variable = "TASKSVC_" + flag.removeprefix("--").upper().replace("-", "_")
    by_variable = tasksvc(*never, environment={variable: value})
    assert (by_flag.status, by_flag.printed) == (by_variable.status, by_variable.printed) == (2, "")
    assert by_flag.said.startswith(f"tasksvc: {flag}: ")
    assert by_variable.said == by_flag.said.replace(f"{flag}: ", f"{variable}: ", 1)
    assert reason in by_flag.said
    assert by_flag.said.count("\n") == 1


def test_values_at_the_edges_are_taken() -> None:
    assert [port("0"), port("65535"), days("0.001"), days("36500"), count("1"), rate("0.5")] == [
        0,
        65535,
        0.001,
        36500,
        1,
        0.5,
    ]


def test_the_service_takes_variables_and_flags_win(tmp_path: Path) -> None:
    variables = {
        "TASKSVC_PORT": "1",
        "TASKSVC_STORE": "memory://",
        "TASKSVC_BODY_MAX": "10",
        "TASKSVC_LOG_FORMAT": "none",
    }
    with RunningService("--body-max", "40", folder=tmp_path, environment=variables) as service:  # on a free port
        fits = ask(service.url, "POST", "/tasks/", {"description": "short"})
        too_long = ask(service.url, "POST", "/tasks/", {"description": "x" * 30})

    assert (fits.status, too_long.status) == (201, 413)
    assert "memory://" in service.output
    assert "POST" not in service.output
