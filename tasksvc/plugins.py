"""How a store URL becomes a repository."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

import pluggy

from tasksvc.domain.errors import BackupsUnsupported, PluginError, TasksvcError
from tasksvc.ports import hookspecs
from tasksvc.ports.store import StoreReader, TaskRepository
from tasksvc.ports.store_url import StoreURL


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

    Raises InvalidStoreURL, PluginError, StoreRefused and StoreUnavailable, each with one clear sentence.
    """
    url = StoreURL(url) if isinstance(url, str) else url
    hook = _load(url.scheme, _registrations()).hook
    given: TaskRepository = await _call_hook(
        url, "open", lambda: hook.tasksvc_open_store(url=url, scratch=scratch), TaskRepository
    )
    return given


async def open_reader(url: str | StoreURL) -> StoreReader:
    """Opens the store that `url` names to be read only: beside the process that serves it, where the adapter can.

    Raises what open_repository() raises.
    """
    url = StoreURL(url) if isinstance(url, str) else url
    hook = _load(url.scheme, _registrations()).hook
    if not hook.tasksvc_open_reader.get_hookimpls():
        return await open_repository(url)
    given: StoreReader = await _call_hook(url, "read", lambda: hook.tasksvc_open_reader(url=url), StoreReader)
    return given


def has_reader(scheme: str) -> bool:
    """Returns whether the adapter of `scheme` has the hook tasksvc_open_reader.  Raises PluginError."""
    return bool(_load(scheme, _registrations()).hook.tasksvc_open_reader.get_hookimpls())


async def backup(url: str | StoreURL, file: Path) -> None:
    """Copies the store that `url` names to `file`, which is there and empty, and not yet on disk when this returns.

    Raises BackupsUnsupported where the adapter makes no backups, and what open_repository() raises.
    """
    url = StoreURL(url) if isinstance(url, str) else url
    hook = _load(url.scheme, _registrations()).hook
    if not hook.tasksvc_backup.get_hookimpls():
        raise BackupsUnsupported(f"The adapter for {url.scheme}: makes no backups. Use the means of its database.")
    await _call_hook(url, "back up", lambda: hook.tasksvc_backup(url=url, file=file), NoneType)


def admin_socket(url: StoreURL) -> Path | None:
    """Returns the path of the Unix socket at which the process that serves `url` can be asked; None if it has none.

    Raises InvalidStoreURL and PluginError.
    """
    hook = _load(url.scheme, _registrations()).hook
    try:
        path: Path | None = hook.tasksvc_admin_socket(url=url)
    except TasksvcError:
        raise
    except Exception as error:
        raise PluginError(
            f"The adapter for {url.scheme}: failed to name the socket of {url} with {type(error).__name__}."
            " Ask its author."
        ) from error
    return path


class Recognized(NamedTuple):
    """The adapter that made a backup."""

    scheme: str | None
    """The scheme of the adapter that made it; None if no adapter recognizes it."""
    problems: Sequence[str]
    """A sentence for each adapter that could not be asked."""


def recognize_backup(head: bytes, *, first: str) -> Recognized:
    """Finds the adapter whose backups begin with `head`, as long as hookspecs.BACKUP_HEAD_BYTES.

    The adapters are asked one by one, that of the scheme `first` before all others, so that none is
    imported after one has said yes.  One that cannot be imported, or fails, is skipped.
    """
    registrations = _registrations()
    asked: set[str] = set()
    problems: list[str] = []
    for registration in sorted(
        registrations, key=lambda registration: (registration.entry_point.name != first, registration.entry_point.name)
    ):
        if registration.entry_point.value in asked:  # one adapter may have several schemes
            continue
        asked.add(registration.entry_point.value)
        scheme = registration.entry_point.name
        try:
            if _recognizes(scheme, head, registrations):
                return Recognized(scheme, problems)
        except PluginError as error:
            problems.append(str(error))
    return Recognized(None, problems)


def recognizes_backup(scheme: str, head: bytes) -> bool:
    """Returns whether the adapter of `scheme` takes a file that begins with `head` for a backup of its own.

    Raises PluginError.
    """
    return _recognizes(scheme, head, _registrations())


def _recognizes(scheme: str, head: bytes, registrations: Sequence[_Registration]) -> bool:
    hook = _load(scheme, registrations).hook
    try:
        return hook.tasksvc_recognize_backup(head=head) is True
    except Exception as error:
        raise PluginError(
            f"The adapter for {scheme}: failed to look at the file with {type(error).__name__}. Ask its author."
        ) from error


async def _call_hook(url: StoreURL, task: str, call: Callable[[], Any], kind: type) -> Any:
    """Returns what a hook gives an awaitable of, which must be of `kind`."""
    try:
        given = call()
        waited = isinstance(given, Awaitable)
        if waited:
            given = await given
    except TasksvcError:
        raise
    except Exception as error:
        raise PluginError(
            f"The adapter for {url.scheme}: failed to {task} {url} with {type(error).__name__}. Ask its author."
        ) from error
    if not (waited and isinstance(given, kind)):
        raise PluginError(
            f"The adapter for {url.scheme}: gave {type(given).__name__} instead of an awaitable of a {kind.__name__}."
            " Ask its author."
        )
    return given


def installed_stores() -> list[InstalledStore]:
    """Returns all adapters that are installed, by scheme.  Imports each of them to see whether it loads."""
    registrations = _registrations()
    found = []
    for entry_point, distribution in sorted(
        registrations, key=lambda registration: (registration.entry_point.name, registration.distribution.name)
    ):
        try:
            _load(entry_point.name, registrations)
            problem = None
        except PluginError as error:
            problem = str(error)
        found.append(
            InstalledStore(entry_point.name, distribution.name, distribution.version, entry_point.value, problem)
        )
    return found


class _Registration(NamedTuple):
    """A distribution offers the adapter for the scheme that its entry point is named after."""

    entry_point: EntryPoint
    distribution: Distribution


def _registrations() -> list[_Registration]:
    """Returns all that are installed; a distribution that is found twice counts once."""
    entry_points = importlib.metadata.entry_points(group=hookspecs.GROUP)
    return [_Registration(found, found.dist) for found in entry_points if found.dist is not None]


def _load(scheme: str, registrations: Sequence[_Registration]) -> pluggy.PluginManager:
    """Returns a manager with the one plugin of `scheme` in it."""
    fitting = [registration for registration in registrations if registration.entry_point.name == scheme]
    if not fitting:
        schemes = ", ".join(sorted({registration.entry_point.name for registration in registrations})) or "none"
        raise PluginError(f"No adapter is installed for {scheme}: stores. Installed: {schemes}.")
    if len(fitting) > 1:
        names = " and ".join(sorted(registration.distribution.name for registration in fitting))
        raise PluginError(f"More than one distribution claims {scheme}: stores: {names}. Uninstall all but one.")
    ((entry_point, distribution),) = fitting
    adapter = f"The adapter for {scheme}: from {distribution.name}"
    manager = pluggy.PluginManager("tasksvc")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(entry_point.load(), scheme)  # pluggy would look for it in all distributions again
        _check_port(manager, adapter, distribution.version)
        manager.check_pending()
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"{adapter} {_problem(error, entry_point, distribution)}") from error
    if not manager.hook.tasksvc_open_store.get_hookimpls():
        raise PluginError(f"{adapter} implements no hook tasksvc_open_store. Ask its author.")
    return manager


def _check_port(manager: pluggy.PluginManager, adapter: str, version: str) -> None:
    """Raises PluginError if the adapter was written for another port than that of this version."""
    for plugin in manager.get_plugins():
        port = getattr(plugin, "PORT", 1)
        if port != hookspecs.PORT:
            advice = f"Install a later version of it than {version}." if port < hookspecs.PORT else "Upgrade tasksvc."
            raise PluginError(
                f"{adapter} was written for port {port}, and this tasksvc has port {hookspecs.PORT}. {advice}"
            )


def _problem(error: Exception, entry_point: EntryPoint, distribution: Distribution) -> str:
    """Returns why an adapter can't be loaded, as the end of a sentence."""
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
