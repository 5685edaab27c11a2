"""The classes that commands are made of: click's, with help in sections and usage errors of one line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from tasksvc.cli.output import say
from tasksvc.cli.variables import closest, unknown_variable

WIDTH_MAX = 100
"""Columns of help text at most; longer lines are hard to read."""
NARROW = 52
"""Columns below which click would write wider help than the terminal is."""
NARROWEST = 40
"""Columns below which help text is as for this width, and wrapped by the terminal."""
COLUMN_MAX = 30
"""Columns of the names of options at most; longer ones stand on a line of their own."""


class Command(click.Command):
    """A command whose arguments are explained, and which refuses mistyped variables."""

    def __init__(
        self,
        *args: Any,
        arguments: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        checks_variables: bool = True,
        **options: Any,
    ) -> None:
        """Takes explanations by name of arguments, and of variables that have no option."""
        super().__init__(*args, **options)
        self._arguments, self._variables = arguments or {}, variables or {}
        self._checks_variables = checks_variables

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raises click.UsageError, for an unknown variable too."""
        try:
            rest = super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # which click leaves out of some
            raise
        if self._checks_variables and not ctx.resilient_parsing and (problem := self.unknown_variable(ctx)):
            raise click.UsageError(problem, ctx)
        return rest

    def unknown_variable(self, ctx: click.Context) -> str | None:
        """Returns a sentence about a variable that was probably mistyped; None if there is none."""
        return unknown_variable(os.environ)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _show_help
            option.help = "Show this help."
        return option

    def get_help(self, ctx: click.Context) -> str:
        """Returns the help, as wide as the terminal but for very wide ones."""
        import shutil  # which only help needs

        columns = shutil.get_terminal_size().columns
        ctx.max_content_width = WIDTH_MAX
        if columns < NARROW:
            ctx.terminal_width = max(columns, NARROWEST) - 2
        return super().get_help(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_section(formatter, "Arguments", list(self._arguments.items()))
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        for heading, records in sections.items():
            _write_section(formatter, heading, records)
        _write_section(formatter, "Variables without an option", list(self._variables.items()))


class Group(Command, click.Group):
    """A command that has commands."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, checks_variables=False, **options)  # its commands do

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            raise no_such_command(ctx, args[0])
        return (None if command is None else args[0]), command, args[1:]


def no_such_command(ctx: click.Context, name: str) -> click.UsageError:
    """Returns the error about a command that isn't there, with the one that was probably meant."""
    names = ctx.command.list_commands(ctx) if isinstance(ctx.command, click.Group) else []
    similar = closest(name, names)
    remedy = f" Did you mean {similar}?" if similar else ""
    return click.UsageError(f"There is no command {name!r}.{remedy}", ctx)


def describe(error: click.UsageError) -> str:
    """Returns one line: what is wrong with which value, and which help to read."""
    match error:
        case click.NoSuchOption(option_name=name):
            message = f"There is no option {name}.{_similar_option(error, name)}"
        case click.MissingParameter():
            message = error.format_message()
        case click.BadParameter():
            message = f"{_origin(error)}: {error.message}"
        case _:
            message = error.format_message()
    message = " ".join(message.split())
    if not message.endswith((".", "?")):
        message += "."
    path = "tasksvc" if error.ctx is None else error.ctx.command_path
    return f"{message} See '{path} --help'."


def print_and_exit(ctx: click.Context, text: str) -> NoReturn:
    """Prints `text` and ends the command.  Raises OutputFailed."""
    say(text + "\n")
    ctx.exit()


def _similar_option(error: click.UsageError, name: str) -> str:
    parameters = [] if error.ctx is None else error.ctx.command.get_params(error.ctx)
    names = [option for parameter in parameters for option in parameter.opts if option.startswith("--")]
    similar = next((option for option in names if option.startswith(name)), None)
    similar = similar or closest(name.lstrip("-"), [option.lstrip("-") for option in names])
    return f" Did you mean --{similar.lstrip('-')}?" if similar else ""


def _origin(error: click.BadParameter) -> str:
    """Returns where a wrong value was given: the option, its variable, or the argument."""
    parameter = error.param
    if parameter is None or parameter.name is None or error.ctx is None:
        return "An argument"
    source = error.ctx.get_parameter_source(parameter.name)
    if source is ParameterSource.ENVIRONMENT and isinstance(parameter.envvar, str):
        return parameter.envvar
    return parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name


def _show_help(ctx: click.Context, _: click.Parameter, given: bool) -> None:
    if given and not ctx.resilient_parsing:
        print_and_exit(ctx, ctx.get_help())


def _write_section(formatter: click.HelpFormatter, heading: str, records: Sequence[tuple[str, str]]) -> None:
    if records:
        with formatter.section(heading):
            formatter.write_dl(records, col_max=min(COLUMN_MAX, formatter.width // 2))
