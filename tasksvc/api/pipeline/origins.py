"""Origins of pages (RFC 6454) and hosts that requests name (RFC 9110, section 7.2), in a form that can be compared."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

DEFAULT_PORTS = {"http": 80, "https": 443}
"""Default ports by scheme (RFC 9110, sections 4.2.1 and 4.2.2)."""
PORT_MAX = 65_535

# RFC 3986, section 3.2.2, in lower case: an address in brackets, or a name; and a port, which may be empty.
_AUTHORITY = r"(\[[0-9a-f:.]+\]|[a-z0-9._~!$&'()*+,;=%-]{1,255})(?::([0-9]{0,5}))?"
_HOST = re.compile(_AUTHORITY).fullmatch
_ORIGIN = re.compile(rf"([a-z][a-z0-9+.-]*)://{_AUTHORITY}").fullmatch


class Host(NamedTuple):
    """A host that a request names."""

    name: str
    """The host in lower case; an IPv6 address in its shortest form, in brackets."""
    port: int | None
    """The port; None if none is named."""


class Origin(NamedTuple):
    """An origin (RFC 6454, section 4)."""

    scheme: str
    name: str
    """The name of the host, as in Host."""
    port: int | None
    """The port, by default the scheme's; None for a scheme without one."""

    def __str__(self) -> str:
        port = "" if self.port in (None, DEFAULT_PORTS.get(self.scheme)) else f":{self.port}"
        return f"{self.scheme}://{self.name}{port}"


def parse_host(text: str) -> Host | None:
    """Returns the value of a Host header; None if it's malformed."""
    found = _HOST(text.lower()) if text.isascii() else None  # some other letters become ASCII in lower case
    return None if found is None else _host(found[1], found[2])


def parse_origin(text: str) -> Origin | None:
    """Returns the value of an Origin header; None if it's malformed, or the opaque origin `null`."""
    found = _ORIGIN(text.lower()) if text.isascii() else None
    host = None if found is None else _host(found[2], found[3])
    return None if found is None or host is None else origin_of(found[1], host)


def origin_of(scheme: str, host: Host) -> Origin:
    """Returns the origin of pages that are served from `host` by `scheme`."""
    return Origin(scheme, host.name, DEFAULT_PORTS.get(scheme) if host.port is None else host.port)


def _host(name: str, port: str | None) -> Host | None:
    number = int(port) if port else None
    if number is not None and number > PORT_MAX:
        return None
    if name.startswith("["):
        try:
            name = f"[{ipaddress.IPv6Address(name[1:-1])}]"
        except ValueError:
            return None
    return Host(name, number)
