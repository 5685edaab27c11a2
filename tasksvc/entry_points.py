"""What installed distributions offer by entry points, and why one of them can't be loaded."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, EntryPoints
from typing import Final, NamedTuple

import pluggy

PLUGINS: Final = "tasksvc.plugins"
"""The group of plugins.  The entry point's name is that of the plugin."""


class Registration(NamedTuple):
    """A distribution offers something by an entry point."""

    entry_point: EntryPoint
    distribution: Distribution


def registrations(group: str) -> list[Registration]:
    """Returns all that are installed of a group; a distribution that is found twice counts once."""
    entry_points = _select(tuple(sys.path))(group=group)
    return [Registration(found, found.dist) for found in entry_points if found.dist is not None]


@lru_cache(maxsize=2)
def _select(path: tuple[str, ...]) -> Callable[..., EntryPoints]:
    """Returns what selects from the entry points on `path`, which is sys.path.

    They are read once, since that takes some milliseconds and each start asks for several groups.
    """
    return importlib.metadata.entry_points().select


def load_problem(error: Exception, entry_point: EntryPoint, distribution: Distribution) -> str:
    """Returns why what an entry point names can't be loaded, as the end of a sentence."""
    reason = " ".join(str(error).split())
    match error:
        case ModuleNotFoundError(name=str(missing)) if f"{entry_point.module}.".startswith(f"{missing}."):
            return f"names the module {entry_point.module}, which is not there. Reinstall it."
        case ModuleNotFoundError(name=str(missing)):
            return f"needs {missing}, which is not installed. {_install_hint(distribution, missing)}"
        case pluggy.PluginValidationError():
            return f"has a wrong hook: {reason}. Ask its author."
        case _:
            return f"fails on import with {type(error).__name__}: {reason}"


def _install_hint(distribution: Distribution, module: str) -> str:
    """Returns how to get a module that `distribution` needs, as far as its metadata tells."""
    project = re.escape(module.partition(".")[0]).replace("_", "[-_.]")
    for requirement in distribution.requires or ():
        extra = re.match(rf"{project}(?![\w.-]).*\bextra == ['\"]([^'\"]+)", requirement, re.IGNORECASE)
        if extra is not None:
            return f"Install it with: pip install '{distribution.name}[{extra[1]}]'"
    return "Install it."
