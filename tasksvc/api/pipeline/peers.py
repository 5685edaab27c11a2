"""Peers: the addresses by which clients without a token are distinguished."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from tasksvc.api.pipeline.trusted_proxies import Headers, TrustedProxies, address_in

KNOWN_MAX = 1_024
"""Addresses whose peers are cached: the network of an IPv6 address takes longer to find than a small answer."""


class Peers:
    """Tells clients apart by their addresses, also behind trusted proxies."""

    def __init__(self, proxies: TrustedProxies | None = None) -> None:
        self._proxies = proxies

    def of(self, address: str | None, headers: Headers | None) -> str:
        """Returns the peer at the other end of a connection.

        `address` is that end's, None for a Unix socket; `headers` are those of the request that came
        last, None where none came yet: then a proxy counts for itself.
        """
        if self._proxies is not None and headers is not None:
            address = self._proxies.client_address(address, headers)
        return peer_at(address)


@lru_cache(KNOWN_MAX)
def peer_at(address: str | None) -> str:
    """Returns the peer of an address: for IPv6 its /64 network, which one host can have to itself.

    IPv4 that was mapped into IPv6, as a socket for both shows it, counts as IPv4.
    """
    if address is None or ":" not in address:
        return address or ""
    address = address_in(address) or address
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address, 64), strict=False))
    except ValueError:
        return address
