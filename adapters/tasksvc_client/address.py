"""The address of a service, as a URL names it."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit


class Address(NamedTuple):
    """Where the service is."""

    host: str
    """The name or address of the host; "localhost" for a socket."""
    port: int
    secure: bool
    prefix: str = ""
    """The path of the service behind a proxy, without / at its end."""
    socket: str | None = None
    """The path of a Unix socket."""
    url: str = ""
    """The URL without / at its end."""

    @property
    def name(self) -> str:
        """The URL that distinguishes the service from others, without / at its end."""
        return self.url if self.socket is None else f"unix:{self.socket}"

    @classmethod
    def of(cls, url: str) -> Address:
        """Reads http://HOST:PORT/PATH, https://... or unix:/PATH. Raises ValueError for anything else."""
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{_shown(url)} isn't the URL of a service: {error}.") from None
        if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
            return cls("localhost", 80, secure=False, socket=unquote(parts.path), url="http://localhost")
        host = _ascii(parts.hostname or "")
        if parts.scheme not in ("http", "https") or host is None:
            raise ValueError(f"{_shown(url)} isn't the URL of a service, such as http://127.0.0.1:8000.")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("The URL of a service has no user name, no query and no fragment. Pass a token apart.")
        secure = parts.scheme == "https"
        prefix = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        netloc = (f"[{host}]" if ":" in host else host) + ("" if port is None else f":{port}")
        url = f"{parts.scheme}://{netloc}{prefix}"
        return cls(host, port if port is not None else 443 if secure else 80, secure, prefix, url=url)


def _ascii(host: str) -> str | None:
    """Returns the name or address of a host as it is looked up (RFC 5890); None if it can't be one."""
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return None
    labels = name.removesuffix(".").split(".")
    fits = all(0 < len(label) < 64 for label in labels) and name.isprintable() and " " not in name
    return name if fits else None


def _shown(url: str) -> str:
    """Returns a URL for a message, without a password."""
    shown = re.sub("//.*@", "//...@", url)
    return repr(shown if len(shown) <= 100 else shown[:100] + "...")
