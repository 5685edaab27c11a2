"""When a change is sent again that wasn't delivered."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Final

DELAYS: Final = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds between a failed attempt and the next one: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h."""
ATTEMPTS_MAX: Final = len(DELAYS) + 1
"""Attempts to deliver a change; the first is made at once.  After the last one the webhook is paused."""
JITTER: Final = 0.1
"""The part of a delay by which it varies, so that targets that failed together aren't asked together again."""

_dice = random.Random()


def next_attempt(
    attempts: int, failed_at: datetime, *, retry_after: float | None = None, dice: random.Random = _dice
) -> datetime | None:
    """Returns when to try again after `attempts` (1 or more) that failed, the last one at `failed_at`.

    It's not before `retry_after` seconds have passed.  None if there are no attempts left.
    """
    if attempts >= ATTEMPTS_MAX:
        return None
    delay = DELAYS[attempts - 1] * dice.uniform(1 - JITTER, 1 + JITTER)
    if retry_after is not None:
        delay = max(delay, retry_after)
    return failed_at + timedelta(seconds=delay)
