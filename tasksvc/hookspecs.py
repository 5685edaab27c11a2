"""The hooks that an adapter may implement."""

from __future__ import annotations

from collections.abc import Awaitable

import pluggy

from tasksvc.ports import TaskRepository
from tasksvc.store_url import StoreURL

GROUP = "tasksvc.repositories"
"""The entry-point group of adapters.  The entry point's name is the scheme of the store URLs that it serves."""

hookspec = pluggy.HookspecMarker("tasksvc")
hookimpl = pluggy.HookimplMarker("tasksvc")


@hookspec(firstresult=True)
def tasksvc_open(url: StoreURL, scratch: bool) -> Awaitable[TaskRepository]:  # type: ignore[empty-body]
    """Opens the store that `url` names, and gives an awaitable of its repository.

    Only the adapter whose entry point is named like the URL's scheme is asked.  With `scratch` the
    store is for trying things out: it is emptied when it is opened and when it is closed, and need
    not be on disk.  An adapter that keeps nothing anyway may ignore it; one whose stores are worth
    keeping must refuse a scratch store that holds what was kept.

    Raises StoreRefused, with one clear sentence, where the store cannot be opened, and InvalidStoreURL.
    """
