"""Options with a variable each, and what their values may be.  An option wins over its variable."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from tasksvc.cli.variables import variable_of

PORT_MAX = 65_535

F = TypeVar("F", bound=Callable[..., Any])


class Option(click.Option):
    """An option of one section of the help.

    The variable of a repeatable option takes commas.  An empty variable is as none.
    """

    def __init__(self, *args: Any, section: str = "Options", unless: str | None = None, **options: Any) -> None:
        """Takes `unless`: the option that, if it's given, keeps the variable of this one from being read."""
        super().__init__(*args, **options)
        self.section, self._unless = section, unless

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        return None if self._is_overruled(ctx) else super().resolve_envvar_value(ctx)

    def value_from_envvar(self, ctx: click.Context) -> Any:
        text = self.resolve_envvar_value(ctx)
        if text is None or not self.multiple:
            return text
        return [value.strip() for value in text.split(",") if value.strip()]

    def _is_overruled(self, ctx: click.Context) -> bool:
        """Returns whether `unless` is given, which is known since click processes what is given before all else."""
        return self._unless is not None and ctx.get_parameter_source(self._unless) is ParameterSource.COMMANDLINE


class StoreOption(Option):
    """The option --store, which is refused where it's empty: a scratch store would lose what should be kept."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Returns the value of the variable.  Raises click.UsageError if it's empty."""
        given = os.environ.get(str(self.envvar))
        if given is not None and not given.strip() and not ctx.resilient_parsing and not self._is_overruled(ctx):
            raise click.UsageError(f"{self.envvar} is empty. Set it to the URL of a store, or unset it.", ctx)
        return super().resolve_envvar_value(ctx)


def option(
    flag: str, convert: Callable[[str], object] | click.ParamType[Any], metavar: str, text: str, **options: Any
) -> Callable[[F], F]:
    """Adds an option with a value and a variable.  A default is given as it would be typed."""
    return click.option(
        flag,
        cls=Option,
        type=convert,
        metavar=metavar,
        help=text,
        envvar=variable_of(flag),
        show_envvar=True,
        show_default=options.get("default") is not None,
        **options,
    )


def store_option(text: str = "The URL of the store, such as sqlite:///tasks.db.", **options: Any) -> Callable[[F], F]:
    """Adds the option --store."""
    return click.option(
        "--store", cls=StoreOption, type=store, metavar="URL", help=text,
        envvar=variable_of("--store"), show_envvar=True, **options,
    )  # fmt: skip


_HOST_NAME = re.compile(r"\[[0-9a-f:.]+\]|[^:@/?#\[\]\s*]+").fullmatch
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[^:@/?#\[\]\s*]+)(?::\d{1,5})?").fullmatch


def store(text: str) -> str:
    """Returns `text`, which may be anything but empty.  Raises click.BadParameter."""
    if not text.strip():
        raise click.BadParameter("It is empty; name a store, as in sqlite:///tasks.db.")
    return text


def host_name(text: str) -> str:
    """Returns a name or an address as a Host header has it, without the port.  Raises click.BadParameter."""
    if not _HOST_NAME(text.lower()):
        raise click.BadParameter(f"{text!r} isn't the name of a host; write it without a port, as in tasks.example.")
    return text


def origin(text: str) -> str:
    """Returns an origin as browsers send it (RFC 6454, section 6.2).  Raises click.BadParameter."""
    if not _ORIGIN(text.lower()):
        raise click.BadParameter(f"{text!r} isn't an origin; an origin is like https://app.example, without a path.")
    return text


def port(text: str) -> int:
    """Returns the number of a port; 0 stands for a free one.  Raises click.BadParameter."""
    if not text.isdecimal() or int(text) > PORT_MAX:
        link = " Kubernetes sets it for a Service named tasksvc: set enableServiceLinks to false in the pod."
        raise click.BadParameter(
            f"{text!r} isn't a port; a port is a number from 0 to {PORT_MAX}.{link if text.startswith('tcp:') else ''}"
        )
    return int(text)


def days(text: str) -> float:
    """Returns a number of days.  Raises click.BadParameter."""
    return _number(text, 36_500, "a number of days, from above 0 to 36500")


def rate(text: str) -> float:
    """Returns a number a second.  Raises click.BadParameter."""
    return _number(text, 1e6, "a rate, from above 0 to 1000000 a second")


def seconds(text: str) -> float:
    """Returns a number of seconds, which may be 0.  Raises click.BadParameter."""
    return _number(text, 3_600, "a number of seconds from 0 to 3600", zero=True)


def count(text: str) -> int:
    """Returns a whole number from 1 to 10**12.  Raises click.BadParameter."""
    if not text.isdecimal() or not 1 <= int(text) <= 10**12:
        raise click.BadParameter(f"{text!r} isn't a count from 1 to {10**12}.")
    return int(text)


def _number(text: str, most: float, what: str, *, zero: bool = False) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0 < value <= most or (zero and value == 0)):  # NaN is neither
        raise click.BadParameter(f"{text!r} isn't {what}.")
    return value
