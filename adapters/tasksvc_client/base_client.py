"""What both clients share: the address, the token, the workspace and the limits on time."""

from __future__ import annotations

from typing import Self

from tasksvc_client.address import Address
from tasksvc_client.headers import headers_of
from tasksvc_client.scope import Scope


class BaseClient:
    """A client without its methods for the API and its connections."""

    def __init__(self, url: str, token: str | None, scope: Scope) -> None:
        """Raises ValueError for a URL that isn't one of a service, and for a token that can't be sent."""
        self._address, self._headers, self._scope = Address.of(url), headers_of(token), scope

    @property
    def url(self) -> str:
        """The URL of the service, without / at its end."""
        return self._address.name

    @property
    def workspace(self) -> str | None:
        """The workspace; None for the home of the caller."""
        return self._scope.workspace

    def in_workspace(self, name: str | None) -> Self:
        """Returns a client of another workspace on the same connections; None is the home of the caller."""
        return self._with(self._scope._replace(workspace=name))

    def within(self, deadline: float) -> Self:
        """Returns a client on the same connections whose requests may take that many seconds."""
        return self._with(self._scope._replace(deadline=deadline))

    def _with(self, scope: Scope) -> Self:
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other._scope = scope
        return other
