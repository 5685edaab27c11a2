"""Which URLs and addresses a webhook may be sent to.

Callers choose the URLs, and the service may reach what they can't: itself, its neighbours, the metadata service of its
cloud.  So every address is refused that isn't public, unless it is in a network that the operator allows.  A name can
lead to another address at each lookup, so a URL that passes here says little: each socket is checked again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from tasksvc_webhooks.lookups import Lookup, Lookups

Address: TypeAlias = IPv4Address | IPv6Address
Networks: TypeAlias = Sequence[IPv4Network | IPv6Network]

URL_MAX: Final = 2_048
"""Characters that a URL may have."""
LOOKUP_SECONDS: Final = 5.0
"""Seconds after which check_resolves() takes a name for one that can't be resolved now."""

_look_up: Final = Lookups(16)

_REFUSED: Final = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a private address"),  # shared by the customers of a carrier, RFC 6598
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "a metadata address"),  # Azure's, in the midst of public ones
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a 6to4 address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a benchmarking address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "a broadcast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4-compatible address"),
        ("::ffff:0:0/96", "an IPv4-mapped address"),
        ("::ffff:0:0:0/96", "an IPv4-translated address"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("100::/64", "a discard address"),
        ("2001::/32", "a Teredo address"),
        ("2001:2::/48", "a benchmarking address"),
        ("2001:db8::/32", "a documentation address"),
        ("2001::/23", "a reserved address"),  # for protocols: ORCHIDs, AMT, drones
        ("2002::/16", "a 6to4 address"),
        ("3ffe::/16", "a reserved address"),  # once the 6bone's
        ("3fff::/20", "a documentation address"),
        ("5f00::/16", "a reserved address"),  # segments of routes, RFC 9602
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
"""The networks that aren't public, and what their addresses are; the first that matches counts.

IANA's registries of special-purpose addresses, but for the anycast ones, and what they leave out.
"""
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""All IPv6 addresses that are given out today."""

_split = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.ASCII | re.IGNORECASE).fullmatch
_is_port = re.compile(r"[1-9][0-9]{0,4}", re.ASCII).fullmatch
_is_name = re.compile(r"(?=.{1,253}\Z)(?:(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!\Z)|\Z))+", re.ASCII).fullmatch
_is_number = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII).fullmatch
"""Finds a host that a parser may take for an IPv4 address, since it ends with a number (WHATWG URL, section 3.5)."""
_has_bad_escape = re.compile(r"%(?![0-9A-Fa-f]{2})").search
_has_bad_character = re.compile(r"[^!-~]|[\"<>\\^`{|}]").search
_is_private_name = re.compile(r"[^.]*|.*\.(?:internal|local|localdomain|home\.arpa)", re.ASCII).fullmatch
_is_localhost = re.compile(r"(?:.*\.)?localhost", re.ASCII).fullmatch


class InvalidURL(ValueError):
    """The URL can't be that of a webhook.  The message is a sentence for the caller, without parts of the URL."""


def is_allowed(address: Address, allowed: Networks) -> bool:
    """Returns whether an address is in one of the networks, itself or as the IPv4 address that it is mapped from."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any(address in network or (mapped is not None and mapped in network) for network in allowed)


def refusal_of_address(address: Address, allowed: Networks) -> str | None:
    """Returns what an address is that nothing may be sent to, such as "a loopback address"; None if it may."""
    if is_allowed(address, allowed):
        return None
    for network, kind in _REFUSED:
        if address in network:
            return kind
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "a reserved address"
    return None


def host_of(url: str) -> str:
    """Returns the host of a URL that check_url() has returned, without brackets."""
    return _host_and_port(_parts(url)[1])[0]


def check_url(url: str, allowed: Networks) -> str:
    """Returns the URL as it is kept, with scheme and host in lower case.  Raises InvalidURL.

    Only what every parser reads alike passes: RFC 3986 to the letter, ASCII, IPv4 addresses as four decimal numbers.
    An address must be public or allowed.  Plain http is for allowed addresses alone, so without any it is refused;
    otherwise what a name leads to decides, as it does for names that aren't public.
    """
    scheme, authority, rest = _parts(url)
    host, port = _host_and_port(authority)
    address = _literal(host)
    if address is not None:
        if kind := refusal_of_address(address, allowed):
            raise InvalidURL(f"The host is {kind}, to which no webhook may be sent.")
    else:
        _check_name(host, allowed)
    if scheme == "http" and not (allowed if address is None else is_allowed(address, allowed)):
        raise InvalidURL("The scheme must be https.")
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{port}{rest}"


async def check_resolves(
    url: str, allowed: Networks, *, look_up: Lookup = _look_up, timeout: float = LOOKUP_SECONDS
) -> None:
    """Looks the host of a URL up that check_url() has returned; raises InvalidURL if an address of it is refused.

    A name that can't be resolved within `timeout` seconds is accepted, since each attempt looks it up again.
    """
    host = host_of(url)
    if _literal(host) is not None:
        return
    try:
        async with asyncio.timeout(timeout):
            found = await look_up(host)
    except OSError:  # TimeoutError is one
        return
    for text in found:
        address = ip_address(text)
        if kind := refusal_of_address(address, allowed):
            raise InvalidURL(f"The host's name leads to {kind}, to which no webhook may be sent.")
        if url.startswith("http:") and not is_allowed(address, allowed):
            raise InvalidURL("The scheme must be https.")


def _parts(url: str) -> tuple[str, str, str]:
    """Returns the scheme in lower case, the authority, and what follows it."""
    if len(url) > URL_MAX:
        raise InvalidURL(f"A URL may have {URL_MAX:,} characters.")
    if "#" in url:
        raise InvalidURL("A URL of a webhook has no fragment.")
    if _has_bad_character(url) or _has_bad_escape(url):
        raise InvalidURL("Characters that RFC 3986 doesn't allow in a URL must be percent-encoded.")
    found = _split(url)
    if found is None:
        raise InvalidURL("The URL must begin with https://.")
    scheme, authority, rest = found.groups()
    return scheme.lower(), authority, rest


def _host_and_port(authority: str) -> tuple[str, str]:
    """Returns the host in lower case and without brackets, and the port with its colon; "" if there is none."""
    if "@" in authority:
        raise InvalidURL("A URL of a webhook has no user name and no password.")
    if authority.startswith("["):
        host, bracket, tail = authority[1:].partition("]")
        if not bracket or ":" not in host or (tail and not tail.startswith(":")):
            raise InvalidURL("The host isn't valid.")
        colon, port = tail[:1], tail[1:]
    else:
        host, colon, port = authority.partition(":")
    if colon and not (_is_port(port) and int(port) <= 65_535):
        raise InvalidURL("The port must be a number from 1 to 65535.")
    return host.lower(), colon + port


def _literal(host: str) -> Address | None:
    """Returns the address that a host is; None if it is a name.  Raises InvalidURL for one in an unusual notation."""
    if ":" not in host and not _is_number(host):
        return None
    try:
        if "%" in host:  # a zone, which means something only on this machine
            raise ValueError
        return ip_address(host)
    except ValueError:
        raise InvalidURL("The host isn't a valid IP address.") from None


def _check_name(host: str, allowed: Networks) -> None:
    if not _is_name(host):
        raise InvalidURL("The host isn't valid; names that aren't ASCII are written with xn--.")
    if _is_localhost(host):
        if not (is_allowed(IPv4Address("127.0.0.1"), allowed) or is_allowed(IPv6Address("::1"), allowed)):
            raise InvalidURL("The host is this machine, to which no webhook may be sent.")
    elif _is_private_name(host) and not allowed:
        raise InvalidURL("The host's name is private, and no webhook may be sent to it.")
