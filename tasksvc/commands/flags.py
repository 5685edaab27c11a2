"""Flags with a variable each; flags win."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

PREFIX = "TASKSVC_"
PORT_MAX = 65_535


class Flags(argparse.ArgumentParser):
    """A parser whose flags have variables: --keep-days and TASKSVC_KEEP_DAYS."""

    def __init__(self, command: str, description: str, environment: Mapping[str, str]) -> None:
        super().__init__(prog=f"tasksvc {command}", description=description)
        self._environment = environment

    def add(self, flag: str, kind: Callable[[str], object], default: object, text: str) -> None:
        """A flag with a value, which an empty variable does not set."""
        variable = variable_of(flag)
        shown = "" if default is None else f"; default {default}"
        self.add_argument(
            flag,
            type=kind,
            default=self._environment.get(variable) or default,
            metavar="X",
            help=f"{text} [{variable}{shown}]",
        )

    def add_list(self, flag: str, text: str) -> None:
        """A flag that may be repeated; its variable takes commas."""
        variable = variable_of(flag)
        given = [value.strip() for value in self._environment.get(variable, "").split(",") if value.strip()]
        self.add_argument(flag, action=_Replacing, default=given, metavar="X", help=f"{text}; repeatable [{variable}]")


class _Replacing(argparse.Action):
    """Appends, but not to what the variable said: flags win."""

    def __call__(self, parser: object, namespace: argparse.Namespace, values: Any, option: object = None) -> None:
        seen = getattr(namespace, f"_{self.dest}", [])
        setattr(namespace, f"_{self.dest}", [*seen, values])
        setattr(namespace, self.dest, [*seen, values])


def variable_of(flag: str) -> str:
    """The environment variable that says the same as a flag."""
    return PREFIX + flag.removeprefix("--").upper().replace("-", "_")


def port(text: str) -> int:
    """A port; 0 for a free one."""
    if not text.isdecimal() or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; a port is a number from 0 to {PORT_MAX}")
    return int(text)


def days(text: str) -> float:
    """A number of days."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value <= 36_500:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days, from above 0 to 36500")
    return value


def rate(text: str) -> float:
    """A number a second."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate, from above 0 to 1000000 a second")
    return value


def count(text: str) -> int:
    """A count from 1 up."""
    if not text.isdecimal() or not 1 <= int(text) <= 10**12:
        raise argparse.ArgumentTypeError(f"{text!r} is no count from 1 up")
    return int(text)
