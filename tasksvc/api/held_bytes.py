"""A bound on the bytes that clients make the service hold, over all connections.

One client that reads nothing, or that never finishes what it sends, holds little.  A thousand of
them would hold whatever memory there is.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import Protocol


class Holder(Protocol):
    """A connection that holds bytes."""

    @property
    def peer(self) -> str:
        """Whose it is, as peer_of() names them."""

    def abort(self) -> None:
        """Closes it at once, and frees what it holds."""


class CountingConnection:
    """A connection that counts what it holds for its client."""

    unsent = 0
    """Bytes of the answer under way that the transport wasn't given yet."""
    body_has_room = False
    """Whether the body that is being received is counted elsewhere."""


class HeldBytes:
    """Counts bytes by connection, and closes connections while there are too many bytes.

    The peer that holds the most bytes loses its connections first, beginning with the one that has
    waited longest.  So a peer that holds little keeps its connections, whatever others do.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: bytes, over all connections."""
        self._limit = limit
        self._sizes: dict[Holder, int] = {}
        """By connection, the one that has waited longest first."""
        self.total = 0

    def hold(self, holder: Holder, size: int) -> None:
        """`holder` holds `size` bytes from now on, in place of those of before.

        Closes connections, `holder` maybe among them, until the limit is kept.
        """
        self.total += size - self._sizes.get(holder, 0)
        self._sizes[holder] = size
        while self.total > self._limit:
            victim = self._victim()
            self.release(victim)
            victim.abort()

    def release(self, holder: Holder) -> None:
        """`holder` holds nothing any more."""
        self.total -= self._sizes.pop(holder, 0)

    def _victim(self) -> Holder:
        by_peer: Counter[str] = Counter()
        for holder, size in self._sizes.items():
            by_peer[holder.peer] += size
        ((greediest, _),) = by_peer.most_common(1)
        return next(holder for holder in self._sizes if holder.peer == greediest)


def peer_of(address: str | None) -> str:
    """Whom an address counts for: an IPv6 address counts for its /64 network, which one host can have to itself."""
    if address is None or ":" not in address:
        return address or ""
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
