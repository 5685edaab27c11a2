"""The results of the last deliveries of each webhook, and which changes were lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from tasksvc import Position
from tasksvc.plugin import Put, Service, format_position
from tasksvc_webhooks.keys import STATUS
from tasksvc_webhooks.sending import Attempt
from tasksvc_webhooks.storing import WebhookStore
from tasksvc_webhooks.times import format_time

ANSWERS_MAX: Final = 10
LOST_MAX: Final = 10
"""Newest losses of a webhook that are kept, beside the number of all changes that were lost."""
WRITES_MAX: Final = 100
"""Webhooks whose records are written in one commit."""


class _Status:
    """What is new of a webhook."""

    def __init__(self) -> None:
        self.answers: deque[Mapping[str, Any]] = deque(maxlen=ANSWERS_MAX)
        self.lost: list[Mapping[str, Any]] = []


class Statuses:
    """Collects what happens, and writes it now and then."""

    def __init__(self, service: Service, store: WebhookStore) -> None:
        self._service, self._store = service, store
        self._new: dict[str, _Status] = {}

    def answered(self, webhook_id: str, workspace: str, position: Position, at: datetime, attempt: Attempt) -> None:
        """Notes the result of an attempt to deliver the change before a position."""
        self._new.setdefault(webhook_id, _Status()).answers.append(
            {
                "at": format_time(at),
                "workspace": workspace,
                "position": format_position(position),
                **attempt_to_json(attempt),
            }
        )

    def lost(self, webhook_id: str, workspace: str, until: Position, changes: int, at: datetime) -> None:
        """Notes that changes were pruned before they were delivered, the last one of them before a position."""
        self._new.setdefault(webhook_id, _Status()).lost.append(
            {
                "at": format_time(at),
                "workspace": workspace,
                "changes": changes,
                "until": format_position(until),
            }
        )

    def forget(self, webhook_id: str) -> None:
        """Forgets a webhook that was deleted."""
        self._new.pop(webhook_id, None)

    @property
    def has_losses(self) -> bool:
        """Whether a loss isn't written yet.  It has to be, before a place is that leaves it behind."""
        return any(status.lost for status in self._new.values())

    async def save(self) -> None:
        """Writes what is new.  Raises StoreUnavailable, and keeps it then."""
        while self._new:
            taken = {webhook_id: self._new.pop(webhook_id) for webhook_id in list(self._new)[:WRITES_MAX]}
            try:
                await self._service.records.write([await self._put(*item) for item in taken.items()])
            except BaseException:
                self._put_back(taken)
                raise

    async def _put(self, webhook_id: str, new: _Status) -> Put:
        before = await self._store.status(webhook_id)
        return Put(
            STATUS + webhook_id,
            {
                "answers": [*before["answers"], *new.answers][-ANSWERS_MAX:],
                "lost": [*before["lost"], *new.lost][-LOST_MAX:],
                "lost_changes": before["lost_changes"] + sum(each["changes"] for each in new.lost),
            },
        )

    def _put_back(self, taken: Mapping[str, _Status]) -> None:
        for webhook_id, status in taken.items():
            if (newer := self._new.get(webhook_id)) is not None:
                status.answers.extend(newer.answers)
                status.lost.extend(newer.lost)
            self._new[webhook_id] = status


def attempt_to_json(attempt: Attempt) -> dict[str, Any]:
    """Returns an attempt as clients see it."""
    return {
        "outcome": attempt.outcome.value,
        "status": attempt.status,
        "detail": attempt.detail,
        "seconds": round(attempt.seconds, 3),
    }
