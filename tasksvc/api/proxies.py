"""Where a request comes from, when it came through proxies that can be trusted."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from aiohttp import web

from tasksvc.errors import TasksvcError


class InvalidProxy(TasksvcError):
    """A proxy is named by its address, or by a network."""


class Proxies:
    """Proxies whose X-Forwarded-For is believed."""

    def __init__(self, networks: Iterable[str]) -> None:
        """`networks`: addresses, or networks such as 10.0.0.0/8.  Raises InvalidProxy."""
        try:
            self._networks = [ipaddress.ip_network(network) for network in networks]
        except ValueError as error:
            raise InvalidProxy(f"A trusted proxy is an address or a network: {error}.") from None

    def client_of(self, request: web.BaseRequest) -> str | None:
        """The address nearest to the service that is none of these proxies'."""
        client = request.remote
        if client is None or not self._trusts(client):
            return client
        hops = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        for hop in reversed([hop.strip() for hop in hops]):
            if not self._is_address(hop):
                break
            client = hop
            if not self._trusts(hop):
                break
        return client

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)

    @staticmethod
    def _is_address(text: str) -> bool:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return False
        return True
