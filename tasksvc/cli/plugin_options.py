"""The options that plugins add to `tasksvc serve`, and those that say which plugins are active."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from tasksvc import entry_points
from tasksvc.cli.arguments import Option, option
from tasksvc.cli.imports import quick_imports
from tasksvc.cli.variables import beginnings, variable_of
from tasksvc.domain.errors import PluginRefused

if TYPE_CHECKING:
    from tasksvc.api.plugins.extensions import Setting
    from tasksvc.api.plugins.loading import Plugin

SECTION = "Plugins"
PLUGINS, NO_PLUGINS = "--plugins", "--no-plugins"
NONE = "none"
"""Stands for no plugin in place of names, also in a variable."""

_NAMES = re.compile(r"[a-z][a-z0-9-]*(?:,[a-z][a-z0-9-]*)*", re.ASCII).fullmatch


def names(text: str) -> tuple[str, ...]:
    """Returns the names of plugins that are given with commas between them; `none` is for no plugin.

    Raises click.BadParameter.
    """
    text = text.replace(" ", "")
    if text == NONE:
        return ()
    if _NAMES(text) is None:
        raise click.BadParameter(f"{text!r} isn't a list of plugins; a list is like stats,webhooks.")
    return tuple(text.split(","))


def plugin_choice(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say which plugins are active."""
    choose = option(
        *(PLUGINS, names, "NAMES", "The active plugins, with commas, or none; without it all that are installed."),
        section=SECTION,
        unless="no_plugins",
    )
    choose_none = click.option(NO_PLUGINS, cls=Option, section=SECTION, is_flag=True, help="Let no plugin be active.")
    return choose(choose_none(command))


_CHOICE: click.Command = click.command(
    "serve", add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)(plugin_choice(lambda **_: None))


def chosen_plugins(arguments: Sequence[str]) -> Sequence[Plugin]:
    """Loads the plugins that are active with these arguments, and the variables that stand for them.

    Raises PluginError.
    """
    given = _CHOICE.make_context("serve", list(arguments), resilient_parsing=True).params
    chosen = () if given["no_plugins"] else given["plugins"]
    if chosen == () or (chosen is None and not entry_points.registrations(entry_points.PLUGINS)):
        return []  # without the imports that plugins need
    with quick_imports():
        from tasksvc.api.plugins.loading import load_plugins

        return load_plugins(chosen)


def setting_options(plugins: Iterable[Plugin], taken: Collection[str]) -> list[click.Option]:
    """Returns an option for each setting of `plugins`.

    Raises PluginRefused for a flag that is among `taken`, that another plugin has, or that doesn't begin with the name
    of its plugin.
    """
    owners = dict.fromkeys(taken, "tasksvc")
    found = []
    for plugin in plugins:
        for setting in plugin.settings:
            if not setting.flag.startswith(beginnings(plugin.name)):
                raise PluginRefused(f"{plugin} has the option {setting.flag}, which doesn't begin with its name.")
            if setting.flag in owners:
                raise PluginRefused(f"{plugin} has the option {setting.flag}, and so does {owners[setting.flag]}.")
            owners[setting.flag] = f"the plugin {plugin.name}"
            found.append(_option_of(setting))
    return found


def _option_of(setting: Setting) -> click.Option:
    def convert(text: str) -> Any:
        try:
            return setting.convert(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return Option(
        [setting.flag],
        section=SECTION,
        type=convert,
        metavar=setting.metavar,
        help=setting.text,
        default=setting.default,
        multiple=setting.multiple,
        envvar=variable_of(setting.flag),
        show_envvar=True,
        show_default=setting.default is not None,
    )
