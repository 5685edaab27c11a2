"""Workspaces: their names, and their generations in a store that may be renewed."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from tasksvc.domain.errors import InvalidWorkspaceName

DEFAULT_WORKSPACE: Final = "default"
"""The name of the workspace that every store has from its start."""
WORKSPACE_NAME_MAX: Final = 100
"""Characters that the name of a workspace may have."""

_is_name = re.compile(rf"(?!\.{{1,2}}\Z)[A-Za-z0-9._~-]{{1,{WORKSPACE_NAME_MAX}}}", re.ASCII).fullmatch


def is_workspace_name(name: str) -> bool:
    """Returns whether `name` may be the name of a workspace.

    It has 1 to WORKSPACE_NAME_MAX unreserved characters (RFC 3986, section 2.3), and isn't a dot segment (section
    3.3).  Names are compared exactly.
    """
    return _is_name(name) is not None


def check_workspace_name(name: str) -> None:
    """Raises InvalidWorkspaceName if is_workspace_name() is false for `name`."""
    if not is_workspace_name(name):
        raise InvalidWorkspaceName(name, WORKSPACE_NAME_MAX)


def effective_generation(generation: str, epoch: str, store_epoch: str) -> str:
    """Returns the generation that positions and versions of a workspace carry.

    The workspace holds `generation`, which was written in `epoch` of the store.  A store of another epoch has been
    restored or renewed since, and then the result is a hash of both.  So one new epoch gives all workspaces new
    generations.  A workspace that isn't made has the generation "" in every epoch.
    """
    if epoch == store_epoch or not generation:
        return generation
    return hashlib.sha256(f"{generation} {store_epoch}".encode()).hexdigest()[:16]
