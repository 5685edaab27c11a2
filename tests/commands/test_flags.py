"""Flags, and the variables that say the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from running_service import RunningService
from wire import ask

from commands.running import CommandLine
from tasksvc.cli.arguments import Flags, count, days, host_name, origin, port, rate


def parsed(*arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    flags = Flags("try", "Tries.", environment or {})
    flags.add("--port", port, 8000, "a port")
    flags.add("--keep-days", days, None, "days")
    flags.add_list("--allowed-host", host_name, "names")
    flags.add_list("--cors-origin", origin, "origins")
    flags.add_store("a store")
    settings = vars(flags.parse_args(arguments))
    return {name: value for name, value in settings.items() if not name.startswith("_")}


NOTHING_SAID = {"port": 8000, "keep_days": None, "allowed_host": [], "cors_origin": [], "store": None}


def test_what_nobody_says_is_the_default() -> None:
    assert parsed() == NOTHING_SAID


def test_a_variable_says_the_same_as_its_flag() -> None:
    variables = {"TASKSVC_PORT": "1", "TASKSVC_KEEP_DAYS": "2.5", "TASKSVC_ALLOWED_HOST": "a.example, b.example,"}

    assert parsed(environment=variables) == NOTHING_SAID | {
        "port": 1,
        "keep_days": 2.5,
        "allowed_host": ["a.example", "b.example"],
    }


def test_an_empty_variable_says_nothing() -> None:
    empty = dict.fromkeys(("TASKSVC_PORT", "TASKSVC_KEEP_DAYS", "TASKSVC_ALLOWED_HOST"), "")

    assert parsed(environment=empty) == NOTHING_SAID


def test_flags_win() -> None:
    variables = {"TASKSVC_PORT": "1", "TASKSVC_ALLOWED_HOST": "a.example,b.example"}

    said = parsed("--port", "2", "--allowed-host", "c.example", "--allowed-host=d.example", environment=variables)

    assert said == NOTHING_SAID | {"port": 2, "allowed_host": ["c.example", "d.example"]}


def test_an_empty_store_is_refused_since_a_scratch_store_in_its_place_would_lose_what_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments, environment in ((["--store", " "], {}), ([], {"TASKSVC_STORE": ""})):
        with pytest.raises(SystemExit):
            parsed(*arguments, environment=environment)
        assert "empty" in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["TASKSVC_ALLOWED_HOST", "TASKSVC_CORS_ORIGIN"])
def test_a_variable_is_checked_as_its_flag_is(variable: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(environment={variable: "good.example,http://*"})
    assert f"argument --{variable.removeprefix('TASKSVC_').lower().replace('_', '-')}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value", "reason"),
    [
        ("--port", "65536", "no port; a port is a number from 0 to 65535"),
        ("--allowed-host", "tasks.example:8443", "without a port"),
        ("--allowed-host", "*", "no name of a host"),
        ("--cors-origin", "https://app.example/", "no origin"),
        ("--cors-origin", "*", "no origin"),
        ("--cors-origin", "app.example", "no origin"),
        ("--port", "x", "no port"),
        ("--port", "1.0", "no port"),
        ("--keep-days", "0", "no number of days"),
        ("--keep-days", "nan", "no number of days"),
        ("--keep-days", "inf", "no number of days"),
        ("--keep-days", "a week", "no number of days"),
        ("--keep-changes", "0", "no count from 1 up"),
        ("--keep-changes", "1e6", "no count from 1 up"),
        ("--body-max", "1000000000001", "no count from 1 up"),
        ("--rate", "0", "no rate"),
        ("--rate", "nan", "no rate"),
        ("--rate", "often", "no rate"),
        ("--stop-delay", "-1", "isn't a number of seconds"),
        ("--stop-delay", "soon", "isn't a number of seconds"),
        ("--stop-delay", "nan", "isn't a number of seconds"),
        ("--log-format", "xml", "it is text, json or none"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_wherever_it_comes_from(
    flag: str, value: str, reason: str, tasksvc: CommandLine
) -> None:
    never = ("serve", "--store", "no-url")  # starts, even if the value is taken
    by_flag = tasksvc(*never, flag, value)

    variable = "TASKSVC_" + flag.removeprefix("--").upper().replace("-", "_")
    by_variable = tasksvc(*never, environment={variable: value})
    assert (by_flag.status, by_flag.printed) == (by_variable.status, by_variable.printed) == (2, "")
    assert f"error: argument {flag}: " in by_flag.said
    assert f"error: argument {flag}: " in by_variable.said
    assert reason in by_flag.said.replace("\n", " ")


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
