"""Flags with a variable each; flags win."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

PREFIX = "TASKSVC_"
PORT_MAX = 65_535


class Flags(argparse.ArgumentParser):
    """A parser whose flags have variables: --keep-days and TASKSVC_KEEP_DAYS."""

    def __init__(
        self,
        command: str,
        description: str,
        environment: Mapping[str, str],
        refuse: Callable[[str], None] | None = None,
    ) -> None:
        """`refuse` is told what is wrong with the arguments, in place of standard error."""
        super().__init__(prog=f"tasksvc {command}", description=description)
        self._environment, self._refuse = environment, refuse

    def error(self, message: str) -> NoReturn:
        """Ends the process with status 2."""
        if self._refuse is None:
            super().error(message)
        self._refuse(f"{message}. '{self.prog} --help' tells what there is.")
        raise SystemExit(2)

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

    def add_list(self, flag: str, kind: Callable[[str], str], text: str) -> None:
        """A flag that may be repeated; its variable takes commas."""
        variable = variable_of(flag)
        given = [value.strip() for value in self._environment.get(variable, "").split(",") if value.strip()]
        try:
            default = [kind(value) for value in given]
        except argparse.ArgumentTypeError as error:
            self.error(f"argument {flag}: {error}")
        self.add_argument(
            flag, type=kind, action=_Replacing, default=default, metavar="X", help=f"{text}; repeatable [{variable}]"
        )

    def add_store(self, text: str) -> None:
        """--store, whose variable is not taken for absent where it is empty: what it should have kept would be lost."""
        variable = variable_of("--store")
        given = self._environment.get(variable)
        if given is not None and not given.strip():
            self.error(f"{variable} is empty. Set it to the URL of a store, or unset it.")
        self.add_argument("--store", type=_not_empty, default=given, metavar="X", help=f"{text} [{variable}]")


class _Replacing(argparse.Action):
    """Appends, but not to what the variable said: flags win."""

    def __call__(self, parser: object, namespace: argparse.Namespace, values: Any, option: object = None) -> None:
        seen = getattr(namespace, f"_{self.dest}", [])
        setattr(namespace, f"_{self.dest}", [*seen, values])
        setattr(namespace, self.dest, [*seen, values])


def variable_of(flag: str) -> str:
    """The environment variable that says the same as a flag."""
    return PREFIX + flag.removeprefix("--").upper().replace("-", "_")


def _not_empty(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; name a store, as in sqlite:///tasks.db")
    return text


_HOST_NAME = re.compile(r"\[[0-9a-f:.]+\]|[^:@/?#\[\]\s*]+").fullmatch
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[^:@/?#\[\]\s*]+)(?::\d{1,5})?").fullmatch


def host_name(text: str) -> str:
    """A name or an address as a Host header has it, without the port."""
    if not _HOST_NAME(text.lower()):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a host; write it without a port, as in tasks.example")
    return text


def origin(text: str) -> str:
    """An origin as browsers send it (RFC 6454, section 6.2)."""
    if not _ORIGIN(text.lower()):
        raise argparse.ArgumentTypeError(f"{text!r} is no origin; an origin is like https://app.example, and no more")
    return text


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


def seconds(text: str) -> float:
    """A number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 3_600:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a number of seconds from 0 to 3600")
    return value


def count(text: str) -> int:
    """A count from 1 up."""
    if not text.isdecimal() or not 1 <= int(text) <= 10**12:
        raise argparse.ArgumentTypeError(f"{text!r} is no count from 1 up")
    return int(text)
