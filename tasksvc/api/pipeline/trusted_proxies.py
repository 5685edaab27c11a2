"""What trusted proxies say of the requests that they pass on: where they come from, and what the client asked for.

A client can send the same headers itself, so nothing counts that doesn't come from a trusted proxy.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from aiohttp import hdrs, web

from tasksvc.api.pipeline.origins import DEFAULT_PORTS, PORT_MAX
from tasksvc.domain.errors import TasksvcError

KNOWN_MAX = 1_024
"""Addresses whose trust is cached, since finding it out takes as long as a small answer."""

_FOR, _HOST, _PROTO, _PORT = "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port"
_PORT_TEXT = re.compile(r"[0-9]{1,5}").fullmatch
# A pair of RFC 7239, section 4.  Many proxies write an address or a port without the quotes that it asks for.
_PAIR = re.compile(r'[ \t]*(?:([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;\s]*)))?[ \t]*')
_ESCAPED = re.compile(r"\\(.)")


class InvalidProxy(TasksvcError):
    """The text isn't the address of a proxy or a network."""


class Headers(Protocol):
    """The headers of a request, as far as they are read here."""

    def __contains__(self, name: object, /) -> bool: ...

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """Returns the values of a header, whose name may be in any case."""


class Asked(NamedTuple):
    """What a client asked for, as a proxy says.  Each field is None where the proxy says nothing."""

    scheme: str | None = None
    """The scheme, http or https."""
    host: str | None = None
    """The host, as a Host header has it; it isn't checked."""
    port: int | None = None


_NOTHING = Asked()


class TrustedProxies:
    """Proxies whose headers are believed.

    Theirs are X-Forwarded-For, -Proto, -Host and -Port, and Forwarded (RFC 7239) where none of those came:
    a proxy that sets the one kind commonly passes the other on as the client sent it.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        """Trusts `networks`: addresses, or networks such as 10.0.0.0/8.  Raises InvalidProxy."""
        try:
            self._networks = [ipaddress.ip_network(network) for network in networks]
        except ValueError as error:
            raise InvalidProxy(f"A trusted proxy is an address or a network: {error}.") from None
        self._known: dict[str, bool] = {}

    def client_address(self, peer: str | None, headers: Headers) -> str | None:
        """Returns the address of the client: the nearest to the service that isn't a trusted proxy's.

        `peer` is the address at the other end of the connection, and `headers` came over it.  The
        client's is a canonical IP address, whatever came in a header.
        """
        if peer is None or not self._trusts(peer):
            return peer
        if _uses_forwarded(headers):
            return self._outermost(peer, headers)[0]
        client = peer
        for hop in reversed(_listed(headers, _FOR)):
            address = address_in(hop)
            if address is None:
                break
            client = address
            if not self._trusts(address):
                break
        return client

    def asked(self, request: web.BaseRequest) -> Asked:
        """Returns what the client asked for; nothing if the request doesn't come from a trusted proxy."""
        peer, headers = request.remote, request.headers
        if peer is None or not self._trusts(peer):
            return _NOTHING
        if _uses_forwarded(headers):
            pairs = self._outermost(peer, headers)[1]
            return Asked(_scheme(pairs.get("proto")), pairs.get("host") or None)
        # Of a list, only the last is of the proxy itself, and the others are what its client sent.
        scheme, host, port = (next(reversed(_listed(headers, name)), None) for name in (_PROTO, _HOST, _PORT))
        number = int(port) if port is not None and _PORT_TEXT(port) else None
        return Asked(_scheme(scheme), host, number if number is not None and number <= PORT_MAX else None)

    def _outermost(self, peer: str, headers: Headers) -> tuple[str, dict[str, str]]:
        """Returns the client, and the element of Forwarded that the trusted proxy nearest to it wrote."""
        client, pairs = peer, dict[str, str]()
        for pairs in reversed(_elements(", ".join(headers.getall(hdrs.FORWARDED, [])))):
            address = address_in(pairs.get("for", ""))
            if address is None:
                break
            client = address
            if not self._trusts(address):
                break
        return client, pairs

    def _trusts(self, address: str) -> bool:
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            known = self._known[address] = self._is_listed(address)
        return known

    def _is_listed(self, address: str) -> bool:
        canonical = address_in(address)
        if canonical is None:
            return False
        found = ipaddress.ip_address(canonical)
        return any(found in network for network in self._networks)


def address_in(node: str) -> str | None:
    """Returns the IP address in a node such as 203.0.113.7:4711 or [2001:db8::1]:4711 (RFC 7239, section 6).

    In its canonical form, without port and scope; IPv4 that was mapped into IPv6 as IPv4.  None
    where there is none.
    """
    if node.startswith("["):
        node, bracket, port = node[1:].partition("]")
        if not bracket or (port and not _PORT_TEXT(port.removeprefix(":"))):
            return None
    elif node.count(":") == 1:
        node, _, port = node.partition(":")
        if not _PORT_TEXT(port):
            return None
    try:
        found = ipaddress.ip_address(node.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def _uses_forwarded(headers: Headers) -> bool:
    return hdrs.FORWARDED in headers and not any(name in headers for name in (_FOR, _HOST, _PROTO, _PORT))


def _listed(headers: Headers, name: str) -> list[str]:
    """Returns the elements of a list header, without empty ones (RFC 9110, section 5.6.1)."""
    return [text for part in ",".join(headers.getall(name, [])).split(",") if (text := part.strip())]


def _scheme(text: str | None) -> str | None:
    return text.lower() if text is not None and text.isascii() and text.lower() in DEFAULT_PORTS else None


def _elements(text: str) -> list[dict[str, str]]:
    """Returns the elements of a Forwarded header, each by parameter.

    None at all where it's malformed, since a client could hide what a proxy adds to its own part.
    """
    elements: list[dict[str, str]] = [{}]
    at = 0
    while True:
        found = _PAIR.match(text, at)
        assert found is not None  # it matches nothing, too
        name, quoted, bare = found.groups()
        if name is not None:
            elements[-1][name.lower()] = bare if quoted is None else _ESCAPED.sub(r"\1", quoted)
        at = found.end()
        if at == len(text):
            return [element for element in elements if element]
        if text[at] not in ",;":
            return []
        if text[at] == ",":
            elements.append({})
        at += 1
