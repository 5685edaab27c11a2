"""How a store URL becomes a repository."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

import pluggy

from tasksvc.domain.errors import BackupsUnsupported, PluginError, TasksvcError
from tasksvc.entry_points import Registration, load_problem, registrations
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
    hook = _load(url.scheme, registrations(hookspecs.GROUP)).hook
    given: TaskRepository = await _call_hook(
        url, "open", lambda: hook.tasksvc_open_store(url=url, scratch=scratch), TaskRepository
    )
    return given


async def open_reader(url: str | StoreURL) -> StoreReader:
    """Opens the store that `url` names to be read only: beside the process that serves it, where the adapter can.

    Raises what open_repository() raises.
    """
    url = StoreURL(url) if isinstance(url, str) else url
    hook = _load(url.scheme, registrations(hookspecs.GROUP)).hook
    if not hook.tasksvc_open_reader.get_hookimpls():
        return await open_repository(url)
    given: StoreReader = await _call_hook(url, "read", lambda: hook.tasksvc_open_reader(url=url), StoreReader)
    return given


def has_reader(scheme: str) -> bool:
    """Returns whether the adapter of `scheme` has the hook tasksvc_open_reader.  Raises PluginError."""
    return bool(_load(scheme, registrations(hookspecs.GROUP)).hook.tasksvc_open_reader.get_hookimpls())


async def backup(url: str | StoreURL, file: Path) -> None:
    """Copies the store that `url` names to `file`, which is there and empty, and not yet on disk when this returns.

    Raises BackupsUnsupported where the adapter makes no backups, and what open_repository() raises.
    """
    url = StoreURL(url) if isinstance(url, str) else url
    hook = _load(url.scheme, registrations(hookspecs.GROUP)).hook
    if not hook.tasksvc_backup.get_hookimpls():
        raise BackupsUnsupported(f"The adapter for {url.scheme}: makes no backups. Use the means of its database.")
    await _call_hook(url, "back up", lambda: hook.tasksvc_backup(url=url, file=file), NoneType)


def admin_socket(url: StoreURL) -> Path | None:
    """Returns the path of the Unix socket at which the process that serves `url` can be asked; None if it has none.

    Raises InvalidStoreURL and PluginError.
    """
    hook = _load(url.scheme, registrations(hookspecs.GROUP)).hook
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
    installed = registrations(hookspecs.GROUP)
    asked: set[str] = set()
    problems: list[str] = []
    for registration in sorted(
        installed, key=lambda registration: (registration.entry_point.name != first, registration.entry_point.name)
    ):
        if registration.entry_point.value in asked:  # one adapter may have several schemes
            continue
        asked.add(registration.entry_point.value)
        scheme = registration.entry_point.name
        try:
            if _recognizes(scheme, head, installed):
                return Recognized(scheme, problems)
        except PluginError as error:
            problems.append(str(error))
    return Recognized(None, problems)


def recognizes_backup(scheme: str, head: bytes) -> bool:
    """Returns whether the adapter of `scheme` takes a file that begins with `head` for a backup of its own.

    Raises PluginError.
    """
    return _recognizes(scheme, head, registrations(hookspecs.GROUP))


def _recognizes(scheme: str, head: bytes, installed: Sequence[Registration]) -> bool:
    hook = _load(scheme, installed).hook
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
    installed = registrations(hookspecs.GROUP)
    found = []
    for entry_point, distribution in sorted(
        installed, key=lambda registration: (registration.entry_point.name, registration.distribution.name)
    ):
        try:
            _load(entry_point.name, installed)
            problem = None
        except PluginError as error:
            problem = str(error)
        found.append(
            InstalledStore(entry_point.name, distribution.name, distribution.version, entry_point.value, problem)
        )
    return found


def _load(scheme: str, installed: Sequence[Registration]) -> pluggy.PluginManager:
    """Returns a manager with the one plugin of `scheme` in it."""
    fitting = [registration for registration in installed if registration.entry_point.name == scheme]
    if not fitting:
        schemes = ", ".join(sorted({registration.entry_point.name for registration in installed})) or "none"
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
        raise PluginError(f"{adapter} {load_problem(error, entry_point, distribution)}") from error
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
