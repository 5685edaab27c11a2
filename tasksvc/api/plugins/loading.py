"""How installed plugins are found and loaded, and how their hooks are called.

Each plugin has a plugin manager of its own, so that an error has the name of the plugin that is at fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any, NamedTuple, cast

import pluggy

from tasksvc.api.pipeline.clients import RequestLogin
from tasksvc.api.plugins import hookspecs
from tasksvc.api.plugins.extensions import Metric, Setting
from tasksvc.api.plugins.service import Service
from tasksvc.api.routes import RouteGroup
from tasksvc.domain.errors import PluginError, PluginRefused, TasksvcError
from tasksvc.domain.record import Record
from tasksvc.entry_points import PLUGINS, Registration, load_problem, registrations

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII).fullmatch


class Plugin:
    """A plugin that is loaded."""

    def __init__(self, name: str, implementation: object, distribution: str = "", version: str = "") -> None:
        """Takes the module or object that implements the hooks, and where it comes from.  Raises PluginRefused."""
        self.name, self.distribution, self.version = name, distribution, version
        if _NAME(name) is None:
            raise PluginRefused(
                f"{self} has a name that isn't valid: up to 32 lower-case letters, digits and hyphens, a letter first."
            )
        manager = pluggy.PluginManager("tasksvc")
        manager.add_hookspecs(hookspecs)
        manager.register(implementation, name)
        self._check_version(implementation)
        manager.check_pending()
        self._hook = manager.hook
        self.settings: Sequence[Setting] = self._list("tasksvc_settings", Setting)
        """The flags that it takes."""

    def __str__(self) -> str:
        return f"The plugin {self.name}" + (f" from {self.distribution}" if self.distribution else "")

    def _check_version(self, implementation: object) -> None:
        written_for = getattr(implementation, "PLUGIN", 1)
        if written_for != hookspecs.VERSION:
            advice = f"Install a later version of it than {self.version}."
            raise PluginRefused(
                f"{self} was written for version {written_for} of tasksvc.plugin, and this tasksvc has version"
                f" {hookspecs.VERSION}. {advice if written_for < hookspecs.VERSION else 'Upgrade tasksvc.'}"
            )

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values of its settings by their flags: those that are `given`, and defaults."""
        return {
            setting.flag: given[setting.flag] if setting.flag in given else setting.default_value()
            for setting in self.settings
        }

    def routes(self, service: Service) -> Sequence[RouteGroup]:
        """Returns its routes.  Raises PluginRefused, as all hooks do that fail or give what they shouldn't."""
        return self._list("tasksvc_routes", RouteGroup, service=service)

    def lifespan(self, service: Service) -> AbstractAsyncContextManager[None] | None:
        """Returns what it does beside the routes; None for nothing."""
        given: AbstractAsyncContextManager[None] | None = self._one(
            "tasksvc_lifespan", AbstractAsyncContextManager, service=service
        )
        return given

    def login(self, service: Service) -> RequestLogin | None:
        """Returns its way to know callers; None if it has none."""
        return cast("RequestLogin | None", self._one("tasksvc_authenticate", RequestLogin, service=service))

    def metrics(self, service: Service) -> Sequence[Metric]:
        """Returns its metrics as they are now."""
        return self._list("tasksvc_metrics", Metric, service=service)

    def check(self, records: Sequence[Record]) -> Sequence[str]:
        """Returns what is wrong in its records."""
        return self._list("tasksvc_check", str, records=records)

    def _list(self, hook: str, kind: type, **arguments: Any) -> list[Any]:
        if not getattr(self._hook, hook).get_hookimpls():
            return []
        given: list[Any] = self._call(hook, lambda: list(getattr(self._hook, hook)(**arguments) or ()))
        for item in given:
            self._check_kind(hook, item, kind)
        return given

    def _one(self, hook: str, kind: type, **arguments: Any) -> Any:
        if not getattr(self._hook, hook).get_hookimpls():
            return None
        given = self._call(hook, lambda: getattr(self._hook, hook)(**arguments))
        if given is not None:
            self._check_kind(hook, given, kind)
        return given

    def _call(self, hook: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except TasksvcError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())
            raise PluginRefused(f"{self} failed in {hook} with {type(error).__name__}: {reason}") from error

    def _check_kind(self, hook: str, given: object, kind: type) -> None:
        if not isinstance(given, kind):
            raise PluginRefused(f"{self} gave {type(given).__name__} in {hook} instead of {kind.__name__}.")


class InstalledPlugin(NamedTuple):
    """A plugin that some installed distribution offers."""

    name: str
    distribution: str
    version: str
    problem: str | None
    """Why it cannot be loaded; None if it can."""


def installed_plugins() -> list[InstalledPlugin]:
    """Returns all plugins that are installed, by name.  Imports each of them to see whether it loads."""
    found = []
    for registration in registrations(PLUGINS):
        try:
            _load(registration)
            problem = None
        except PluginError as error:
            problem = str(error)
        name, distribution = registration.entry_point.name, registration.distribution
        found.append(InstalledPlugin(name, distribution.name, distribution.version, problem))
    return sorted(found)


def load_plugins(names: Collection[str] | None = None) -> list[Plugin]:
    """Loads the plugins of these names, or all that are installed, by name.

    Raises PluginError, with one sentence that has the name of the distribution at fault.
    """
    installed: dict[str, Registration] = {}
    for registration in registrations(PLUGINS):
        name = registration.entry_point.name
        if name in installed:
            both = sorted(found.distribution.name for found in (installed[name], registration))
            raise PluginRefused(f"More than one distribution has a plugin {name}: {' and '.join(both)}. Uninstall one.")
        installed[name] = registration
    for name in names or ():
        if name not in installed:
            raise PluginError(f"No plugin {name} is installed. Installed: {', '.join(sorted(installed)) or 'none'}.")
    return [_load(installed[name]) for name in sorted(installed) if names is None or name in names]


@lru_cache(maxsize=16)
def _load(registration: Registration) -> Plugin:
    """Loads a plugin.  Applications of one process share it, since it has no state.  Raises PluginError."""
    entry_point, distribution = registration
    try:
        metadata = distribution.metadata  # parsed each time that something of it is asked for
        return Plugin(entry_point.name, entry_point.load(), metadata["Name"], metadata["Version"])
    except TasksvcError:
        raise
    except Exception as error:
        raise PluginRefused(
            f"The plugin {entry_point.name} from {distribution.name} {load_problem(error, entry_point, distribution)}"
        ) from error
