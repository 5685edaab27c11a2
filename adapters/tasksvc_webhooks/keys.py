"""The keys of the records of webhooks."""

from __future__ import annotations

import hashlib
from typing import Final

WEBHOOK: Final = "webhook:"
"""What the key of a webhook begins with, and among the secrets that of its secrets; the id follows."""
LANE: Final = "lane:"
"""What the keys of lanes begin with; lane_name() follows."""
MARK: Final = "behind:"
"""What the keys begin with of the marks of lanes that are looked at after a start."""
STATUS: Final = "status:"
"""What the keys begin with of the last answers to webhooks and of their lost changes; the id follows."""
FOLLOWED: Final = "followed"
"""The record with the token of changed_workspaces() from which deliveries go on after a start."""
REVISION: Final = "revision"
"""The record that counts changes of webhooks and names the newest ones."""


def lane_name(webhook_id: str, workspace: str) -> str:
    """Returns what the keys of a lane end with.

    Its length doesn't depend on the workspace's name, which it doesn't tell.
    """
    return f"{webhook_id}:{hashlib.sha256(workspace.encode()).hexdigest()[:32]}"
