"""When a change is sent again."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from tasksvc_webhooks.schedule import JITTER, next_attempt
from tasksvc_webhooks.settings import WebhookSettings

from tasksvc.testing.samples import NOW

DELAYS = WebhookSettings().delays
SECONDS = 5, 5 * 60, 30 * 60, 2 * 3_600, 5 * 3_600, 10 * 3_600, 14 * 3_600, 20 * 3_600, 24 * 3_600


@pytest.mark.parametrize(("attempts", "seconds"), [*enumerate(SECONDS, 1)])
def test_the_next_attempt_comes_after_the_time_of_the_schedule_give_or_take_a_tenth(
    attempts: int, seconds: int
) -> None:
    found = [next_attempt(attempts, NOW, delays=DELAYS, dice=random.Random(seed)) for seed in range(200)]

    delays = [(at - NOW).total_seconds() for at in found if at is not None]
    assert len(delays) == 200
    assert seconds * (1 - JITTER) <= min(delays) < seconds < max(delays) <= seconds * (1 + JITTER)


def test_ten_attempts_are_made() -> None:
    assert next_attempt(9, NOW, delays=DELAYS) is not None
    assert next_attempt(10, NOW, delays=DELAYS) is None


@pytest.mark.parametrize(("asked", "at_least", "at_most"), [(3_600.0, 3_600, 3_600), (0.5, 4.5, 5.5), (None, 4.5, 5.5)])
def test_the_later_of_the_schedule_and_retry_after_counts(asked: float | None, at_least: float, at_most: float) -> None:
    at = next_attempt(1, NOW, delays=DELAYS, retry_after=asked)

    assert at is not None
    assert timedelta(seconds=at_least) <= at - NOW <= timedelta(seconds=at_most)
