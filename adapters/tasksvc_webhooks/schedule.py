"""When a change is sent again that wasn't delivered."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

JITTER: Final = 0.1
"""The part of a delay by which it varies, so that targets that failed together aren't asked together again."""

_dice = random.Random()


def next_attempt(
    attempts: int,
    failed_at: datetime,
    *,
    delays: Sequence[float],
    retry_after: float | None = None,
    dice: random.Random = _dice,
) -> datetime | None:
    """Returns when to try again after `attempts` (1 or more) that failed, the last one at `failed_at`.

    `delays` are the seconds after each of them but the last.  It's not before `retry_after` seconds have passed.  None
    if there are no attempts left.
    """
    if attempts > len(delays):
        return None
    delay = delays[attempts - 1] * dice.uniform(1 - JITTER, 1 + JITTER)
    if retry_after is not None:
        delay = max(delay, retry_after)
    return failed_at + timedelta(seconds=delay)
