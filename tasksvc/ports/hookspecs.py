"""The hooks that an adapter may implement."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

import pluggy

from tasksvc.ports.store import StoreReader, TaskRepository
from tasksvc.ports.store_url import StoreURL

GROUP = "tasksvc.stores"
"""The entry-point group of adapters.  The entry point's name is the scheme of the store URLs that it serves."""

PORT = 3
"""The version of the port: of the hooks, of TaskRepository, and of what crosses it.

An adapter declares the one that it was written for, as a number, in the module or object that its entry point names:
`PORT = 3`.  tasksvc refuses adapters of another port, since a filter or a field that one doesn't know would be lost.
"""

BACKUP_HEAD_BYTES = 4096
"""Bytes of a file by which an adapter recognizes a backup.  A shorter file is given as it is."""

hookspec = pluggy.HookspecMarker("tasksvc")
hookimpl = pluggy.HookimplMarker("tasksvc")


@hookspec(firstresult=True)
def tasksvc_open_store(url: StoreURL, scratch: bool) -> Awaitable[TaskRepository]:  # type: ignore[empty-body]
    """Opens the store that `url` names, and gives an awaitable of its repository.

    Only the adapter whose entry point is named like the URL's scheme is asked.  With `scratch` the
    store is for trying things out: it is emptied when it is opened and when it is closed, and need
    not be on disk.  An adapter that keeps nothing anyway may ignore it; one whose stores are worth
    keeping must refuse a scratch store that holds what was kept.

    The files that it makes are private, whatever the umask is: 0600, or 0700 for a folder.  A file or
    folder that is there keeps its permissions, and files that are made beside it later have the same.

    Raises StoreRefused, with one clear sentence, where the store cannot be opened, and InvalidStoreURL.
    """


@hookspec(firstresult=True)
def tasksvc_open_reader(url: StoreURL) -> Awaitable[StoreReader]:  # type: ignore[empty-body]
    """Opens the store that `url` names to be read only, and gives an awaitable of its reader.

    Optional: without it the store is opened with tasksvc_open_store.  It makes, migrates and changes
    nothing.  So an adapter implements it if its tasksvc_open_store creates a store that doesn't exist, or if its
    stores are served by one process at a time and are to be exported and checked meanwhile.

    Raises StoreRefused, with one clear sentence, where there is no such store, and InvalidStoreURL.
    """


@hookspec(firstresult=True)
def tasksvc_backup(url: StoreURL, file: Path) -> Awaitable[None]:  # type: ignore[empty-body]
    """Copies the store that `url` names, as it is at one moment, to `file`, and gives an awaitable.

    Optional, for a store that lives in a file.  The store may be served by another process, which
    goes on meanwhile.  `file`, an absolute path, is there and empty; it becomes a store that is
    kept, whole in that one file.  The caller brings it to the disk and gives it its name, or
    removes it where this fails or is cancelled.

    An adapter with this hook has tasksvc_recognize_backup too.  `tasksvc restore` opens the backup
    with the adapter's own scheme and an absolute path, as in sqlite:////backups/tasks.db.

    Raises StoreRefused, with one clear sentence, where there is no such store, StoreUnavailable
    and InvalidStoreURL.
    """


@hookspec(firstresult=True)
def tasksvc_admin_socket(url: StoreURL) -> Path:  # type: ignore[empty-body]
    """Returns the absolute path of a Unix socket at which the process that serves the store `url` can be asked.

    Optional, for stores that one process serves at a time: `tasksvc token` asks that process for what it
    cannot do itself.  The service makes the socket, for its own user alone, while it has the store open,
    and removes what it finds there; so the path belongs to this store, and lies best beside its file.

    Raises InvalidStoreURL.
    """


@hookspec(firstresult=True)
def tasksvc_recognize_backup(head: bytes) -> bool:  # type: ignore[empty-body]
    """Returns whether a file that begins with `head` is what tasksvc_backup of this adapter made.

    Optional, for an adapter with tasksvc_backup.  `head` holds the first BACKUP_HEAD_BYTES bytes of
    the file, or all of a shorter one.  The hook opens nothing and looks at these bytes only; it
    returns False for whatever another program may have written.

    Raises nothing: an adapter that raises is skipped.
    """
