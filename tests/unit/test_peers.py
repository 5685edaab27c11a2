"""The client that a connection's work is counted for."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from tasksvc.api.pipeline.peers import Peers, peer_at
from tasksvc.api.pipeline.trusted_proxies import TrustedProxies


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not:an:address", "not:an:address"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_peer_is_an_ipv4_address_or_an_ipv6_network(address: str | None, peer: str) -> None:
    assert peer_at(address) == peer


@pytest.mark.parametrize(
    ("address", "headers", "peer"),
    [
        ("10.0.0.1", {"X-Forwarded-For": "203.0.113.7"}, "203.0.113.7"),
        ("10.0.0.1", {"X-Forwarded-For": "2001:db8:1:2::3"}, "2001:db8:1:2::/64"),
        ("10.0.0.1", {"Forwarded": "for=203.0.113.7"}, "203.0.113.7"),
        ("10.0.0.1", {}, "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.2", {"X-Forwarded-For": "203.0.113.7"}, "10.0.0.2"),
        (None, {"X-Forwarded-For": "203.0.113.7"}, ""),
    ],
)
def test_behind_a_trusted_proxy_the_peer_is_its_client(
    address: str | None, headers: dict[str, str] | None, peer: str
) -> None:
    peers = Peers(TrustedProxies(["10.0.0.1"]))

    assert peers.of(address, None if headers is None else CIMultiDict(headers)) == peer
