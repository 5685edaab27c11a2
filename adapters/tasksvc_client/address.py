"""The address of a service, as a URL names it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit


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
        if parts.scheme not in ("http", "https") or not _is_host(parts.hostname):
            raise ValueError(f"{_shown(url)} isn't the URL of a service, such as http://127.0.0.1:8000.")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("The URL of a service has no user name, no query and no fragment. Pass a token apart.")
        assert parts.hostname is not None
        secure = parts.scheme == "https"
        port = port if port is not None else 443 if secure else 80
        prefix = parts.path.rstrip("/")
        return cls(parts.hostname, port, secure, prefix, url=f"{parts.scheme}://{parts.netloc}{prefix}")


def _is_host(name: str | None) -> bool:
    """Returns whether a name, or an address, may be that of a host."""
    if not name:
        return False
    try:
        labels = (name if name.isascii() else name.encode("idna").decode()).removesuffix(".").split(".")
    except UnicodeError:
        return False
    return all(0 < len(label) < 64 for label in labels)


def _shown(url: str) -> str:
    return repr(url if len(url) <= 100 else url[:100] + "...")
