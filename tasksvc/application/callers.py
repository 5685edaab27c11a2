"""The sender of a request, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from tasksvc.domain.rules import is_storable_text
from tasksvc.domain.workspace import DEFAULT_WORKSPACE, check_workspace_name


class Scope(IntEnum):
    """What a caller may do; each scope includes those before it."""

    READ = 1
    WRITE = 2
    ADMIN = 3

    @classmethod
    def named(cls, name: str) -> Scope:
        """Returns the scope of that name.  Raises KeyError."""
        return cls[name.upper()]

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request, and what they may do, whichever way they showed it.

    Raises InvalidWorkspaceName for a name that no workspace can have, and ValueError if an administrator may not enter
    all workspaces, if `workspaces` is empty or lacks `home`, or if a store can't keep the name.
    """

    name: str | None
    """The name in the log, and in changes; None for everybody, where requests need no token."""
    scope: Scope = Scope.WRITE
    """What the caller may do in each workspace that they may enter."""
    workspaces: tuple[str, ...] | None = None
    """The workspaces that the caller may enter; None for all."""
    home: str = ""
    """The workspace of paths without one.  By default the first of `workspaces`, or the default workspace."""
    expires_at: datetime | None = None
    """When the caller may do nothing any more; None for never."""
    key: str = ""
    """What distinguishes the caller from others, for limits and idempotency keys: at most 64 characters."""

    def __post_init__(self) -> None:
        if not self.home:
            object.__setattr__(self, "home", self.workspaces[0] if self.workspaces else DEFAULT_WORKSPACE)
        if self.name is not None and not is_storable_text(self.name):
            raise ValueError("A caller's name must not hold U+0000 or a lone surrogate.")
        if self.workspaces == ():
            raise ValueError("A caller may enter one of the workspaces at least, or all.")
        for workspace in (*(self.workspaces or ()), self.home):
            check_workspace_name(workspace)
        if not self.may_enter(self.home):
            raise ValueError(f"A caller's home is one of their workspaces, and {self.home!r} isn't.")
        if self.scope is Scope.ADMIN and self.workspaces is not None:
            raise ValueError("An administrator may enter all workspaces.")

    def may_enter(self, workspace: str) -> bool:
        """Returns whether the caller may enter a workspace, which may be any text."""
        return self.workspaces is None or workspace in self.workspaces

    def is_valid(self, at: datetime) -> bool:
        """Returns whether the caller has not expired."""
        return self.expires_at is None or at < self.expires_at


EVERYBODY = Caller(None)
"""The caller of a service that needs no token.  Nobody administers it."""
