"""How much webhooks may take, and how often their deliveries look and write, which tests change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class WebhookSettings(NamedTuple):
    """What whoever embeds or tests webhooks can change."""

    delays: Sequence[float] = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
    """Seconds between a failed attempt and the next one: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.  If the
    attempt after the last of them fails too, the webhook is paused."""
    workspace_webhooks: int = 1_000
    """Webhooks that may name a workspace."""
    all_webhooks: int = 100
    """Webhooks of all workspaces."""
    webhooks: int = 10_000
    """Webhooks of a store."""
    lanes: int = 1_000
    """Lanes of a webhook of all workspaces in memory.  Further ones are looked for when there are few again."""
    save: float = 0.2
    """Seconds between two commits of places, or longer if a commit takes long, up to `checkpoint`.  A process that is
    killed sends again what it sent in this time."""
    save_skipped: float = 5.0
    """Seconds until a place is written that only changes have moved which the filter leaves out."""
    checkpoint: float = 2.0
    """Seconds between two writes that say which changes a start need not look for."""
    save_answers: float = 6.0
    """Seconds between two writes of the last answers of targets."""
    idle: float = 30.0
    """Seconds until a lane that has nothing to deliver leaves the memory."""


DEFAULT_SETTINGS = WebhookSettings()
