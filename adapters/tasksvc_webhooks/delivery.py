"""The turn of a lane: it sends the next changes of its workspace, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from tasksvc import PositionGone, RepositoryError
from tasksvc.plugin import Service
from tasksvc_webhooks.addresses import host_of
from tasksvc_webhooks.counters import Counters
from tasksvc_webhooks.lane_set import Lane, LaneSet
from tasksvc_webhooks.lanes import Place, failed, in_round, must_begin, passed, place_in
from tasksvc_webhooks.pace import Pace
from tasksvc_webhooks.pages import LogPages, Sendable
from tasksvc_webhooks.places import position_after_gone, position_of_start
from tasksvc_webhooks.queues import Turns
from tasksvc_webhooks.registry import Registry
from tasksvc_webhooks.rotation import Secret, signing
from tasksvc_webhooks.saving import Saver
from tasksvc_webhooks.sending import Attempt, Message, Outcome, Target
from tasksvc_webhooks.settings import WebhookSettings
from tasksvc_webhooks.signing import message_id
from tasksvc_webhooks.statuses import Statuses
from tasksvc_webhooks.storing import WebhookStore
from tasksvc_webhooks.subscriptions import Pause, Webhook, paused

SENT_MAX: Final = 10
"""Changes that a lane sends before it's the turn of others."""
RETRY_SECONDS: Final = 1.0
"""After this a lane is tried again for which the store failed."""
ENDS: Final = "The last of {} attempts to deliver a change failed. Resume the webhook when its target works again."
GONE: Final = "The target answered 410, which says that it wants no more messages. Resume the webhook if it does."
UNSIGNED: Final = "The webhook has no secret, since exports hold none. Rotate its secret, then resume it."


class Sends(Protocol):
    """Sends messages to their targets."""

    async def send(self, target: Target, message: Message) -> Attempt:
        """Returns the result, and raises nothing."""


class Delivery:
    """Takes the turns of lanes."""

    def __init__(
        self,
        service: Service,
        store: WebhookStore,
        registry: Registry,
        sender: Sends,
        counters: Counters,
        lanes: LaneSet,
        statuses: Statuses,
        settings: WebhookSettings,
    ) -> None:
        self._service, self._store, self._registry, self._sender = service, store, registry, sender
        self._counters, self._lanes, self._statuses = counters, lanes, statuses
        self._delays = settings.delays
        self._pace = Pace(lambda: service.requests_begun)
        self._secrets: dict[str, tuple[int, Sequence[Secret]]] = {}
        """The secrets of webhooks that were sent to, with the versions of the webhooks."""
        self.pages = LogPages(service)
        self.turns = Turns(self._take_turn)
        self.saver: Saver

    # ------------------------------------------------------------ turns

    def wake(self, lane: Lane) -> None:
        """Lets a lane look for changes, unless it waits for its next attempt."""
        if lane.timer is None:
            if not lane.is_pending:
                lane.pending_since = asyncio.get_running_loop().time()
            self.turns.add(lane)

    def wake_now(self, lane: Lane) -> None:
        """Lets a lane look for changes, and whether its next attempt is still due when it was."""
        was_pending, since = lane.is_pending, lane.pending_since
        lane.stop_waiting()
        self.wake(lane)
        if was_pending:
            lane.pending_since = since

    def reload(self, lane: Lane) -> None:
        """Lets a lane read its record again."""
        lane.version = lane.place = lane.saved = None
        self.wake_now(lane)

    async def _take_turn(self, lane: Lane) -> bool:
        """Returns whether the lane may have more to send."""
        try:
            again = await self._advance(lane)
        except RepositoryError as error:
            self._service.log.warning("A webhook's deliveries are held up: %s", error)
        except Exception as error:
            self._service.log.error("The webhook %s failed.", lane.webhook_id, exc_info=error)
        else:
            if not again and not lane.wants_turn:
                lane.idle_since = asyncio.get_running_loop().time()
            return again
        self._wait(lane, RETRY_SECONDS)
        return False

    def _wait(self, lane: Lane, seconds: float) -> None:
        """Lets a lane have its next turn after some seconds."""
        lane.stop_waiting()
        if not lane.dropped:
            lane.timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self.wake_now, lane)

    async def _advance(self, lane: Lane) -> bool:
        webhook = self._active(lane)
        if webhook is None:
            return False
        place = await self._place(lane, webhook)
        now = self._service.now()
        if place.due is not None and place.due > now:
            self._wait(lane, (place.due - now).total_seconds())
            return False
        try:
            page = await self.pages.read(lane.workspace, place.position)
        except PositionGone:
            return await self._find_again(lane, place)
        sent, skipped = 0, None
        for each in page.changes:
            if not webhook.filter.matches(each.change):
                skipped = each
                continue
            if skipped is not None:
                self._pass(lane, skipped)
                skipped = None
            if sent == SENT_MAX or self._active(lane) is not webhook:
                return True
            lane.oldest = each.change.at
            if not await self._deliver(lane, webhook, each):
                return False
            sent += 1
            self._pass(lane, each)
            self.saver.moved(lane)
        if skipped is not None:
            self._pass(lane, skipped)
            self.saver.skipped(lane)
        lane.oldest = None
        return page.more

    def _pass(self, lane: Lane, what: Sendable) -> None:
        """Moves a lane behind a change that was delivered or left out."""
        lane.place = passed(self._current(lane), what.position, what.change.at)

    def _active(self, lane: Lane) -> Webhook | None:
        """Returns the webhook of a lane; None if the lane has nothing to do."""
        webhook = self._registry.get(lane.webhook_id)
        if webhook is None or lane.dropped or webhook.pause is not None or not webhook.wants(lane.workspace):
            return None
        return webhook

    def _current(self, lane: Lane) -> Place:
        assert lane.place is not None
        return lane.place

    # ------------------------------------------------------------ places

    async def _place(self, lane: Lane, webhook: Webhook) -> Place:
        """Returns how far a lane has come, or where it begins."""
        if lane.version is None:
            record = await self._service.records.get(lane.key)
            lane.place = lane.saved = place_in(record)
            lane.version = 0 if record is None else record.version
            if record is not None and lane.place is None:
                self._service.log.error(
                    "The record %s of a webhook is damaged. All changes since its beginning are sent again.", record.key
                )
        place = lane.place
        if place is None or must_begin(place, webhook, lane.workspace):
            start = webhook.start_in(lane.workspace)
            position = await position_of_start(self._service, lane.workspace, start)
            place = Place(position, start.at, start.number, webhook.round)
            self.saver.moved(lane)
        lane.place = in_round(place, webhook.round)
        return lane.place

    async def _find_again(self, lane: Lane, place: Place) -> bool:
        """Lets a lane go on whose position is gone; returns whether it does."""
        found = await position_after_gone(self._service, lane.workspace, place)
        if found is None:
            self._lanes.drop(lane)
            self.saver.delete(lane)
            return False
        if found.lost:
            self._counters.lost += found.lost
            self._statuses.lost(lane.webhook_id, lane.workspace, found.position, found.lost, self._service.now())
            self._service.log.warning(
                "The webhook %s has lost %d changes of the workspace %s, which were pruned before they were delivered.",
                *(lane.webhook_id, found.lost, lane.workspace),
                extra={"fields": {"webhook": lane.webhook_id, "workspace": lane.workspace, "lost": found.lost}},
            )
        lane.place = place._replace(position=found.position, attempts=0, due=None)
        self.saver.moved(lane)
        return True

    # ------------------------------------------------------------ requests

    async def _deliver(self, lane: Lane, webhook: Webhook, what: Sendable) -> bool:
        """Sends a change once; whether it was delivered."""
        target = await self._target(webhook)
        if target is None:
            await self._pause(webhook, UNSIGNED)
            return False
        await (self._pace.turn_of_repeated() if lane.has_failed else self._pace.turn())
        if self.turns.closing:
            return False
        generation, seq = what.position
        now = self._service.now()
        message = Message(message_id(webhook.id, lane.workspace, generation, seq), now, what.body, lane.workspace)
        with self.turns.sending(lane):
            attempt = await self._sender.send(target, message)
        self._counters.attempts[attempt.outcome] += 1
        self._statuses.answered(webhook.id, lane.workspace, what.position, now, attempt)
        if attempt.outcome is Outcome.DELIVERED:
            return True
        await self._fail(lane, webhook, attempt, self._service.now())
        return False

    async def _fail(self, lane: Lane, webhook: Webhook, attempt: Attempt, at: datetime) -> None:
        place = failed(self._current(lane), at, attempt.retry_after, self._delays)
        number = self._current(lane).attempts + 1
        self._service.log.info(
            "Attempt %d of the webhook %s to reach %s failed: %s",
            *(number, webhook.id, host_of(webhook.url), attempt.detail),
            extra={"fields": {"webhook": webhook.id, "outcome": attempt.outcome.value, "status": attempt.status}},
        )
        if place is not None:
            lane.place = place
            self.saver.moved(lane)
        if attempt.outcome is Outcome.GONE or place is None:
            await self._pause(webhook, GONE if attempt.outcome is Outcome.GONE else ENDS.format(number))
        elif place.due is not None:
            self._wait(lane, (place.due - at).total_seconds())

    async def _target(self, webhook: Webhook) -> Target | None:
        """Returns where messages go and what signs them; None if the webhook has no secret."""
        known = self._secrets.get(webhook.id)
        if known is None or known[0] != webhook.version:
            known = self._secrets[webhook.id] = webhook.version, await self._store.secrets(webhook)
        secrets = signing(known[1], self._service.now())
        return Target(webhook.url, secrets) if secrets else None

    def forget(self, webhook_id: str) -> None:
        """Forgets the secrets of a webhook."""
        self._secrets.pop(webhook_id, None)

    async def _pause(self, webhook: Webhook, reason: str) -> None:
        """Pauses a webhook, unless it was changed meanwhile."""
        pause = Pause(self._service.now(), reason)

        def update(there: Webhook) -> Webhook:
            is_same = there.round == webhook.round  # and wasn't resumed or pointed elsewhere
            return paused(there, pause, followed=self.saver.followed or "") if is_same else there

        self._service.log.warning(
            "The webhook %s is paused. %s", webhook.id, reason, extra={"fields": {"webhook": webhook.id}}
        )
        self._registry.put(webhook.id, await self._store.update(webhook.id, update))
