"""A local copy of a workspace for programs without an event loop."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tasksvc_client.replica_base import BaseReplica

if TYPE_CHECKING:
    import os

    from tasksvc_client.replica_conflicts import OnConflict
    from tasksvc_client.sync_client import SyncClient


class SyncReplica(BaseReplica):
    """A local copy of a workspace that answers without the service and takes writes without it, with a SyncClient."""

    if TYPE_CHECKING:

        def __init__(
            self, path: str | os.PathLike[str], client: SyncClient, on_conflict: OnConflict | None = None
        ) -> None: ...

    def sync(self, *, to: str | None = None) -> None:
        """Reads what has changed, sends the writes that wait, and reads their results.

        With `to`, a later position of the log, it reads up to there. Raises what the client raises: what was done until
        then stays, and the rest is for the next call.
        """
        steps, result = self._round(to), None
        with suppress(StopIteration):
            while True:
                result = steps.send(result)
