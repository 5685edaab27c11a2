"""What the replicas of both clients have in common: a round, in which the copy and the service become equal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tasksvc_client.replica_conflicts import OnConflict
from tasksvc_client.replica_local import LocalTasks
from tasksvc_client.replica_reading import Reading, Steps
from tasksvc_client.replica_sending import Sending

if TYPE_CHECKING:
    from tasksvc_client.async_client import Client
    from tasksvc_client.sync_client import SyncClient


class BaseReplica(LocalTasks):
    """The tasks of a workspace in a file, and the client of the service that has them."""

    def __init__(
        self, path: str | os.PathLike[str], client: Client | SyncClient, on_conflict: OnConflict | None = None
    ) -> None:
        """Opens or creates the copy of the workspace of `client` in the file `path`; `:memory:` for no file.

        `on_conflict` decides what becomes of a write whose task others have changed since. Raises UnusableReplica.
        """
        super().__init__(path, client.url, client.workspace)
        self._client: Any = client
        self._reading = Reading(client, self._log, self._queue)
        self._sending = Sending(client, self._file, self._queue, self._reading, on_conflict)

    def _round(self, to: str | None) -> Steps[None]:
        """Reads what has changed, sends the writes that wait, and reads their results."""
        yield from self._reading.catch_up(to=to)
        if (yield from self._sending.send_all()):
            yield from self._reading.catch_up(to=to)
