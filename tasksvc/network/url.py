"""The parts of a URL that every store on a server has: hosts, ports and parameters."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

from tasksvc.domain.errors import InvalidStoreURL
from tasksvc.ports.store_url import StoreURL

NUMBER_MAX = 1_000_000
"""The largest number that a parameter may have: as seconds, eleven days."""


class Parameters(dict[str, str]):
    """The parameters of a store URL by name, of which an adapter takes those that it knows.

    The rest is the driver's, or unknown.
    """

    def __init__(self, url: StoreURL) -> None:
        """Raises InvalidStoreURL if the parameters can't be read."""
        self._url = url
        try:
            super().__init__(parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query)))
        except ValueError:
            raise InvalidStoreURL(
                f"The parameters of {url} cannot be read; write them as ?name=value&name=value."
            ) from None

    def take_number(self, name: str, default: float, *, at_least: float) -> float:
        """Removes a parameter that is a number, and returns it, or `default`.  Raises InvalidStoreURL."""
        try:
            number = float(self.pop(name, default))
        except ValueError:
            number = float("nan")
        if not at_least <= number <= NUMBER_MAX:
            raise InvalidStoreURL(f"The parameter {name} of {self._url} must be a number of at least {at_least:g}.")
        return number


def hosts_of(url: StoreURL, *, hosts: str = "", ports: str = "") -> list[tuple[str, int | None]]:
    """Returns the hosts of a URL such as scheme://user@host1:1,host2/path, each with its port, if it has one.

    A host may be an IPv6 address in brackets, or the folder of a Unix socket, with %2F for its slashes.  `hosts`
    stand for those that the URL doesn't name, and `ports` for the ports: one for all of them, or one for each.

    Raises InvalidStoreURL, with a message that shows no password.
    """
    if "@" in url.netloc.rpartition("@")[0]:
        raise InvalidStoreURL(f"{url} has more than one @; write one that belongs to a user or password as %40.")
    names = url.netloc.rpartition("@")[2] or hosts
    texts = names.split(",") if names else []
    more_ports = ports.split(",")
    if len(more_ports) == 1:
        more_ports *= len(texts)
    found: list[tuple[str, int | None]] = []
    for index, text in enumerate(texts):
        name, port = _host_and_port(unquote(text))
        port = port or (more_ports[index] if index < len(more_ports) else "?")
        if not name or (port and not (port.isascii() and port.isdecimal())):
            # They are not shown, since a password is among them where the @ is missing.
            raise InvalidStoreURL(
                f"The hosts of this {url.scheme}: URL cannot be read; write user:password@host1:port1,host2:port2."
            )
        found.append((name, int(port) if port else None))
    return found


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("["):  # an IPv6 address
        name, _, rest = text[1:].partition("]")
        return name, rest.removeprefix(":")
    if text.startswith("/"):  # the folder of a Unix socket
        return text, ""
    name, _, port = text.partition(":")
    return name, port
