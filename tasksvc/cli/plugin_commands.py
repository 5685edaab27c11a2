"""Commands of installed distributions: entry points of the group `tasksvc.commands`, each of which is a click command.

Those of tasksvc's own distribution are for people.  They are found without a look at the others, which takes long where
many are installed.
"""

from __future__ import annotations

import importlib.metadata

import click

from tasksvc.domain.errors import PluginError
from tasksvc.entry_points import Registration, load_problem, registrations

GROUP = "tasksvc.commands"
OWN = "tasksvc"
"""The distribution that tasksvc is."""


def own_command(name: str) -> Registration:
    """Returns where a command of tasksvc's own distribution comes from.  Raises PluginError if it isn't there."""
    try:
        distribution = importlib.metadata.distribution(OWN)
        (found,) = distribution.entry_points.select(group=GROUP, name=name)
    except (importlib.metadata.PackageNotFoundError, ValueError) as error:
        raise PluginError(f"The command {name} is not installed. Reinstall tasksvc.") from error
    return Registration(found, distribution)


def installed_commands() -> dict[str, Registration]:
    """Returns where the commands of plugins come from, by their names.  Nothing is imported for that.

    Raises PluginError if two distributions have the same command.
    """
    found: dict[str, Registration] = {}
    for registration in sorted(registrations(GROUP), key=lambda registration: registration.entry_point.name):
        name = registration.entry_point.name
        if registration.distribution.name == OWN:
            continue
        if name in found:
            both = sorted(each.distribution.name for each in (found[name], registration))
            raise PluginError(f"More than one distribution has a command {name}: {' and '.join(both)}. Uninstall one.")
        found[name] = registration
    return found


def load_command(registration: Registration) -> click.Command:
    """Imports the command of a plugin.  Raises PluginError."""
    entry_point, distribution = registration
    command = f"The command {entry_point.name} from {distribution.name}"
    try:
        loaded = entry_point.load()
    except Exception as error:
        raise PluginError(f"{command} {load_problem(error, entry_point, distribution)}") from error
    if not isinstance(loaded, click.Command):
        raise PluginError(f"{command} is a {type(loaded).__name__} and no command of click. Ask its author.")
    return loaded
