"""How far a consumer has come, as records: its place in each workspace, and which workspaces it has yet to look at."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from tasksvc.application.leases import Lease
from tasksvc.application.plugin_records import Delete, Put, Records
from tasksvc.domain.change import Position

WRITES_AT_ONCE: Final = 500
"""Records that are written in one commit at most."""


class Place(NamedTuple):
    """How far a consumer has come in a workspace."""

    position: Position
    """The position after the last change that it has handled."""
    version: int
    """The version of the record."""


class State(NamedTuple):
    """How far a consumer has come among all workspaces."""

    token: str
    """The token of changed_workspaces() up to which every workspace was handled, or is one of those behind."""
    begun: datetime | None
    """The time of the first changes that it handles; None if it handles all that the logs have."""


class Places:
    """The records of a consumer.

    All methods raise StoreUnavailable, and those that write LeaseLost if this process doesn't hold the lease.

    The place of a workspace has only a hash of its name, so that the name isn't kept when the workspace is erased.
    """

    def __init__(self, records: Records, lease: Lease, consumer: str) -> None:
        """Takes the name of the consumer, which all keys have in them, and the lease of its work."""
        self._records, self._lease, self._consumer = records, lease, consumer

    # ------------------------------------------------------------ of one workspace

    async def get(self, workspace: str) -> Place | None:
        """Returns the place in a workspace; None if it has none yet."""
        record = await self._records.get(self._key("place", workspace))
        if record is None:
            return None
        return Place(Position(record.value["generation"], record.value["seq"]), record.version)

    async def move(self, workspace: str, place: Place | None, to: Position) -> None:
        """Moves the place in a workspace, or makes it.  Raises RecordConflict if it isn't `place` any more."""
        version = 0 if place is None else place.version
        await self._lease.write([Put(self._key("place", workspace), to._asdict(), version)])

    async def drop(self, workspace: str, place: Place) -> None:
        """Deletes the place in a workspace that doesn't exist any more.  Raises RecordConflict as move() does."""
        await self._lease.write([Delete(self._key("place", workspace), place.version)])

    async def forget(self, workspace: str) -> None:
        """Deletes what is kept of a workspace that was erased, whoever holds the lease."""
        await self._records.write([Delete(self._key(kind, workspace)) for kind in ("place", "behind")])

    # ------------------------------------------------------------ of all workspaces

    async def state(self) -> State | None:
        """Returns how far it has come; None before it has begun."""
        record = await self._records.get(f"consumer:{self._consumer}")
        if record is None:
            return None
        token, begun = record.value["token"], record.value["begun"]
        return State(token, None if begun is None else datetime.fromisoformat(begun))

    async def put_state(self, state: State, *, behind: Sequence[str] = ()) -> None:
        """Writes how far it has come, after the names of workspaces that it has yet to look at."""
        for start in range(0, len(behind), WRITES_AT_ONCE):
            names = behind[start : start + WRITES_AT_ONCE]
            await self._lease.write([Put(self._key("behind", name), {"workspace": name}) for name in names])
        begun = None if state.begun is None else state.begun.isoformat()
        await self._lease.write([Put(f"consumer:{self._consumer}", {"token": state.token, "begun": begun})])

    async def behind(self) -> AsyncIterator[str]:
        """Yields the workspaces that it has yet to look at."""
        async for record in self._records.all(f"behind:{self._consumer}:"):
            yield record.value["workspace"]

    async def catch_up(self, workspace: str) -> None:
        """Takes a workspace away from those that it has yet to look at."""
        await self._lease.write([Delete(self._key("behind", workspace))])

    def _key(self, kind: str, workspace: str) -> str:
        return f"{kind}:{self._consumer}:{hashlib.sha256(workspace.encode()).hexdigest()[:32]}"
