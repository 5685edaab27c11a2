"""A bound on the bytes that clients make the service hold, over all connections.

One client that reads nothing, or that never finishes what it sends, holds little.  A thousand of
them would hold whatever memory there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Holder(Protocol):
    """A connection that holds bytes."""

    @property
    def peer(self) -> str:
        """Returns whose it is, as Peers names them."""

    def abort(self) -> None:
        """Closes it at once, and frees what it holds."""


class CountingConnection:
    """A connection that counts what it holds for its client."""

    unsent = 0
    """Bytes that are kept for the answer under way, besides those that the transport has."""
    body_has_room = False
    """Whether the body that is being received is counted elsewhere."""

    def let_body_in(self) -> None:
        """Stops counting the body that is being received, which is counted elsewhere from now on."""
        self.body_has_room = True


@contextmanager
def kept_for(connection: object, size: int) -> Iterator[None]:
    """Counts `size` bytes for the response that is being sent, within the block and until the client took them."""
    if not isinstance(connection, CountingConnection):  # of a server that isn't ours
        yield
        return
    connection.unsent = size
    try:
        yield
    finally:
        connection.unsent = 0


class HeldBytes:
    """Counts bytes by connection, and closes connections while there are too many bytes.

    The peer that holds the most bytes loses its connections first, beginning with the one that has
    waited longest.  So a peer that holds little keeps its connections, whatever others do.
    """

    def __init__(self, limit: int) -> None:
        """Allows `limit` bytes over all connections."""
        self._limit = limit
        self._peers: dict[Holder, str] = {}
        self._sizes: dict[str, dict[Holder, int]] = {}
        """Bytes by peer and connection, the one that has waited longest first."""
        self._totals: dict[str, int] = {}
        """Bytes of each peer, over all of its connections."""
        self.total = 0

    def hold(self, holder: Holder, size: int) -> None:
        """Counts that `holder` holds `size` bytes from now on, in place of those before.

        Closes connections, `holder` maybe among them, until the limit is kept.
        """
        peer = holder.peer
        if self._peers.get(holder) != peer:  # a proxy's connections are for one client after the other
            self.release(holder)
            self._peers[holder] = peer
        sizes = self._sizes.setdefault(peer, {})
        growth = size - sizes.get(holder, 0)
        sizes[holder] = size
        self._totals[peer] = self._totals.get(peer, 0) + growth
        self.total += growth
        while self.total > self._limit:
            victim = next(iter(self._sizes[max(self._totals, key=self._totals.__getitem__)]))
            self.release(victim)
            victim.abort()

    def release(self, holder: Holder) -> None:
        """Counts that `holder` holds nothing any more."""
        peer = self._peers.pop(holder, None)
        if peer is None:
            return
        size = self._sizes[peer].pop(holder)
        self.total -= size
        self._totals[peer] -= size
        if not self._sizes[peer]:
            del self._sizes[peer], self._totals[peer]
