"""How a store URL becomes a repository."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from typing import NamedTuple

import pluggy

from tasksvc import hookspecs
from tasksvc.errors import PluginError, TasksvcError
from tasksvc.ports import TaskRepository
from tasksvc.store_url import StoreURL


class InstalledStore(NamedTuple):
    """An adapter that some installed distribution offers."""

    scheme: str
    distribution: str
    version: str
    module: str
    problem: str | None
    """Why it cannot be loaded; None if it can."""


async def open_repository(url: str | StoreURL, *, scratch: bool = False) -> TaskRepository:
    """Opens the store that `url` names with the adapter of its scheme, which alone is imported.

    Raises InvalidStoreURL, PluginError and StoreRefused, each with one clear sentence.
    """
    url = StoreURL(url) if isinstance(url, str) else url
    manager = _load(url.scheme)
    try:
        opening = manager.hook.tasksvc_open(url=url, scratch=scratch)
        if opening is None:
            raise PluginError(f"The adapter for {url.scheme}: implements no hook tasksvc_open. Ask its author.")
        repository = await opening
    except TasksvcError:
        raise
    except Exception as error:
        raise PluginError(
            f"The adapter for {url.scheme}: failed to open {url} with {type(error).__name__}. Ask its author."
        ) from error
    if not isinstance(repository, TaskRepository):
        raise PluginError(
            f"The adapter for {url.scheme}: gave a {type(repository).__name__} instead of a TaskRepository."
        )
    return repository


def installed_stores() -> list[InstalledStore]:
    """All adapters that are installed, by scheme.  Imports each of them to see whether it loads."""
    found = []
    for entry_point, distribution in sorted(_entry_points(), key=lambda item: item[0].name):
        try:
            _load(entry_point.name)
            problem = None
        except PluginError as error:
            problem = str(error)
        found.append(
            InstalledStore(
                entry_point.name, distribution.metadata["Name"], distribution.version, entry_point.value, problem
            )
        )
    return found


def _load(scheme: str) -> pluggy.PluginManager:
    """A manager with the one plugin of `scheme` in it."""
    claims = {(found.value, dist.metadata["Name"]) for found, dist in _entry_points() if found.name == scheme}
    if not claims:
        schemes = ", ".join(sorted({found.name for found, _ in _entry_points()})) or "none"
        raise PluginError(f"No adapter is installed for {scheme}: stores. Installed: {schemes}.")
    if len(claims) > 1:
        names = " and ".join(sorted(name for _, name in claims))
        raise PluginError(f"Two distributions claim {scheme}: stores, {names}. Uninstall one of them.")
    ((module, distribution),) = claims
    manager = pluggy.PluginManager("tasksvc")
    manager.add_hookspecs(hookspecs)
    try:
        manager.load_setuptools_entrypoints(hookspecs.GROUP, name=scheme)
        manager.check_pending()
    except ModuleNotFoundError as error:
        if error.name == module.partition(":")[0]:
            raise PluginError(
                f"The adapter for {scheme}: names the module {module}, which {distribution} lacks. Reinstall it."
            ) from error
        raise PluginError(
            f"The adapter for {scheme}: needs {error.name}, which is not installed."
            f" Install it, for instance with: pip install '{distribution}[{scheme}]'"
        ) from error
    except pluggy.PluginValidationError as error:
        raise PluginError(f"The adapter for {scheme}: from {distribution} has a wrong hook: {error}") from error
    except Exception as error:
        raise PluginError(
            f"The adapter for {scheme}: from {distribution} fails on import with {type(error).__name__}: {error}"
        ) from error
    return manager


def _entry_points() -> Iterator[tuple[importlib.metadata.EntryPoint, importlib.metadata.Distribution]]:
    """Every adapter's entry point, with the distribution that it came from."""
    for entry_point in importlib.metadata.entry_points(group=hookspecs.GROUP):
        if entry_point.dist is not None:
            yield entry_point, entry_point.dist
