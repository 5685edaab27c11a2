"""What a process counts of its deliveries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

from tasksvc.plugin import Metric
from tasksvc_webhooks.registry import Registry
from tasksvc_webhooks.sending import Outcome


class Counters:
    """Counts attempts, and knows the oldest change that waits to be delivered."""

    def __init__(self) -> None:
        self.attempts = Counter(dict.fromkeys(Outcome, 0))
        self.lost = 0
        """Changes that were pruned before they were delivered."""
        self.oldest: Callable[[], datetime | None] = lambda: None
        """Returns the time of the oldest change that waits; None if none does, or if another process delivers."""

    def metrics(self, registry: Registry, now: datetime) -> Iterable[Metric]:
        """Returns the metrics as they are now."""
        oldest = self.oldest()
        webhooks = registry.webhooks.values()
        yield Metric(
            "webhook_deliveries",
            "Attempts to deliver a change, by what came of them.",
            {(outcome.value,): float(count) for outcome, count in self.attempts.items()},
            ("outcome",),
            "counter",
        )
        yield Metric(
            "webhook_lost_changes",
            "Changes that were pruned before they were delivered.",
            {(): float(self.lost)},
            kind="counter",
        )
        yield Metric(
            "webhook_lag_seconds",
            "The age of the oldest change that an active webhook has yet to get.",
            {(): 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())},
        )
        yield Metric("webhooks", "Webhooks.", {(): float(len(webhooks))})
        yield Metric(
            "webhooks_paused",
            "Webhooks that are paused.",
            {(): float(sum(each.pause is not None for each in webhooks))},
        )
