"""The work of the process that delivers: it finds the lanes that have something to deliver, and gives them their turns.

It follows the workspaces that change.  A webhook of all workspaces may have more lanes behind than there is room for;
those, and what changed while a webhook was paused, are looked for by a scan: with a token of its own, from which it
catches up with what is followed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from tasksvc import RepositoryError
from tasksvc.plugin import Service
from tasksvc_webhooks.counters import Counters
from tasksvc_webhooks.delivery import Delivery, Sends
from tasksvc_webhooks.keys import MARK
from tasksvc_webhooks.lane_set import Lane, LaneSet
from tasksvc_webhooks.registry import Registry
from tasksvc_webhooks.saving import Saver
from tasksvc_webhooks.settings import WebhookSettings
from tasksvc_webhooks.statuses import Statuses
from tasksvc_webhooks.storing import WORKSPACES_READ, WebhookStore
from tasksvc_webhooks.subscriptions import Webhook
from tasksvc_webhooks.sweeping import Sweeper, drop_lanes

FOLLOW_SECONDS: Final = 1.0
"""The longest time between two looks for changed workspaces."""
IDLE_FOLLOW_SECONDS: Final = 60.0
"""The same while there is no webhook."""
SCANNED: Final = 200
"""Workspaces that a scan looks at in one step."""
SCAN_PAUSE: Final = 0.05
"""Seconds between two steps, so that requests come first."""
FAILED_SECONDS: Final = 1.0
"""After this work is tried again for which the store failed."""
LAST_SAVE_SECONDS: Final = 1.5
"""The end waits this long for the last places to be written."""


@dataclass
class _Scan:
    """A search for the lanes of a webhook of all workspaces."""

    token: str
    is_full: bool = False
    """Whether it waits until the webhook has fewer lanes in memory."""


class Dispatcher:
    """Delivers the changes of all webhooks, for as long as run() runs."""

    def __init__(
        self,
        service: Service,
        store: WebhookStore,
        registry: Registry,
        sender: Sends,
        counters: Counters,
        settings: WebhookSettings,
    ) -> None:
        self._service, self._store, self._registry, self._counters = service, store, registry, counters
        self._lanes, self._statuses = LaneSet(), Statuses(service, store)
        self._settings = settings
        self._delivery = Delivery(service, store, registry, sender, counters, self._lanes, self._statuses, settings)
        self._saver: Saver
        self._token: str | None = None
        """The token up to which all workspaces that changed were looked at; None while there was never a webhook."""
        self._changed: dict[str, Webhook | None] = {}
        """Webhooks that were changed, as they were before."""
        self._news = asyncio.Event()
        self._scans: dict[str, _Scan] = {}
        self._scanned: dict[str, _Scanned] = {}
        self._checked = 0.0
        """When the token was written last."""
        self._answers_saved = 0.0

    async def run(self) -> None:
        """Delivers until it is cancelled.  Raises StoreUnavailable at the start."""
        self._registry.listener = self._note
        self._counters.oldest = self._oldest
        try:
            await self._begin()
            try:
                async with asyncio.TaskGroup() as group:
                    for work in (self._look, self._save, Sweeper(self._service, self._registry).sweep):
                        group.create_task(self._repeat(work))
            finally:
                await self._end()
        finally:
            self._registry.listener = None
            self._counters.oldest = lambda: None

    async def _begin(self) -> None:
        """Finds what the process before left."""
        await self._registry.refresh()
        followed = await self._store.known_followed()
        self._token = followed
        self._saver = self._delivery.saver = Saver(
            self._service,
            self._store,
            self._lanes,
            self._statuses,
            self._settings,
            self._delivery.reload,
            self._is_paused,
            followed,
        )
        await self._wake_marked()
        for webhook in self._registry.webhooks.values():
            await self._begin_scan(webhook)

    async def _end(self) -> None:
        """Ends all requests, those under way soon, and writes what they have come to."""
        await self._delivery.turns.close()
        for lane in self._lanes:
            lane.stop_waiting()
        with contextlib.suppress(RepositoryError, TimeoutError):
            async with asyncio.timeout(LAST_SAVE_SECONDS):
                await self._saver.save(everything=True)
                await self._statuses.save()

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does some work again and again.  The log says if the store fails."""
        failed = False
        while True:
            try:
                await work()
                failed = False
                continue
            except RepositoryError as error:
                if not failed:
                    self._service.log.warning("The deliveries of webhooks are held up: %s", error)
                failed = True
            except Exception as error:
                self._service.log.error("The deliveries of webhooks are held up.", exc_info=error)
            await asyncio.sleep(FAILED_SECONDS)

    def _oldest(self) -> datetime | None:
        """Returns the time of the oldest change that an active webhook has yet to get, of those that were tried."""
        times = (lane.oldest for lane in self._lanes if lane.oldest is not None and not self._is_paused(lane))
        return min(times, default=None)

    def _is_paused(self, lane: Lane) -> bool:
        webhook = self._registry.get(lane.webhook_id)
        return webhook is not None and webhook.pause is not None

    # ------------------------------------------------------------ finding lanes

    async def _look(self) -> None:
        """Finds the lanes of workspaces that have changed, and waits for the next change."""
        noticed = self._service.changes_noticed
        self._news.clear()
        while self._changed:
            webhook_id = next(iter(self._changed))
            await self._apply(webhook_id, self._changed.pop(webhook_id))
        more = await self._follow()
        scans = await self._scan()
        if scans:
            await asyncio.sleep(SCAN_PAUSE)
        elif not more:
            await self._wait(noticed)

    async def _wait(self, noticed: int) -> None:
        """Returns when a workspace may have changed, or a webhook, or after a while."""
        waiting: list[asyncio.Task[object]] = [asyncio.create_task(self._news.wait())]
        is_idle = not self._registry.webhooks
        if not is_idle:
            waiting.append(asyncio.create_task(self._service.wait_for_changes(noticed, timeout=FOLLOW_SECONDS)))
        try:
            await asyncio.wait(
                waiting,
                timeout=IDLE_FOLLOW_SECONDS if is_idle else FOLLOW_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)

    async def _follow(self) -> bool:
        """Wakes the lanes of some workspaces that have changed; returns whether there are more of them."""
        before = self._token
        if before is None:
            if not self._registry.webhooks:
                return False
            before = await self._store.followed()
        page = await self._service.changed_workspaces(before, limit=WORKSPACES_READ)
        for workspace in page.names:
            self._delivery.pages.forget_ends(workspace)
            for webhook_id in self._registry.wanting(workspace):
                if (webhook := self._registry.get(webhook_id)) is not None and webhook.pause is None:
                    self._wake(webhook, workspace, before)
        self._token = page.next
        return page.more

    def _wake(self, webhook: Webhook, workspace: str, token: str) -> bool:
        """Wakes a lane.  If there is no room for it, returns False, and a scan from `token` finds it later."""
        if (
            webhook.workspaces is None
            and self._lanes.get(webhook.id, workspace) is None
            and self._lanes.count_of(webhook.id) >= self._settings.lanes
        ):
            self._scans.setdefault(webhook.id, _Scan(token)).is_full = True
            return False
        self._delivery.wake(self._lanes.make(webhook.id, workspace))
        return True

    async def _wake_marked(self, webhook_id: str = "") -> None:
        """Wakes the lanes that have marks, of one webhook or of all."""
        async for record in self._service.records.all(MARK + webhook_id):
            of = record.key.removeprefix(MARK).rpartition(":")[0]
            webhook, workspace = self._registry.get(of), record.value.get("workspace")
            if webhook is None or webhook.pause is not None or workspace is None:
                continue
            if self._wake(webhook, workspace, ""):
                lane = self._lanes.make(of, workspace)
                lane.marked = True

    # ------------------------------------------------------------ webhooks that change

    def _note(self, old: Webhook | None, new: Webhook | None) -> None:
        if (webhook := new or old) is not None:
            self._changed.setdefault(webhook.id, old)
            self._news.set()

    async def _apply(self, webhook_id: str, old: Webhook | None) -> None:
        """Does what a change of a webhook means for its lanes."""
        new = self._registry.get(webhook_id)
        if old is not None and new is not None and _is_same(old, new):
            return
        for lane in self._lanes.of(webhook_id):
            if new is None or not new.wants(lane.workspace):
                self._lanes.drop(lane)
                self._saver.delete(lane)
            else:
                self._delivery.wake_now(lane)
        self._scans.pop(webhook_id, None)
        self._scanned.pop(webhook_id, None)
        if new is None:
            self._statuses.forget(webhook_id)
            self._delivery.forget(webhook_id)
        if old is not None and (new is None or old.workspaces != new.workspaces):
            await drop_lanes(self._service, old, new)
        if new is not None:
            await self._begin_scan(new)

    async def _begin_scan(self, webhook: Webhook) -> None:
        """Begins to look for the lanes of a webhook, if that is asked for."""
        if webhook.scan is None or webhook.pause is not None:
            return
        if webhook.workspaces is None:
            self._scans[webhook.id] = _Scan(webhook.scan)
            await self._wake_marked(f"{webhook.id}:")
            return
        for workspace in webhook.workspaces:
            self._wake(webhook, workspace, "")
        self._scanned[webhook.id] = _Scanned(webhook, asyncio.get_running_loop().time())

    async def _scan(self) -> bool:
        """Does a step of each scan; returns whether any has more to look at now."""
        has_more = False
        for webhook_id, scan in list(self._scans.items()):
            webhook = self._registry.get(webhook_id)
            if webhook is None or webhook.pause is not None:
                del self._scans[webhook_id]
                continue
            if scan.is_full and self._lanes.count_of(webhook_id) > self._settings.lanes // 2:
                continue
            room = max(1, self._settings.lanes // 2)  # so that a page always fits
            page = await self._service.changed_workspaces(scan.token, limit=min(SCANNED, room))
            scan.is_full = False
            for workspace in page.names:
                self._wake(webhook, workspace, scan.token)
            if scan.is_full:
                continue
            scan.token = page.next
            has_more |= page.more
            if not page.more:  # and what comes later is followed, since that was read before this page
                del self._scans[webhook_id]
                self._scanned[webhook_id] = _Scanned(webhook, asyncio.get_running_loop().time())
        return has_more

    # ------------------------------------------------------------ writing

    async def _save(self) -> None:
        """Writes what is due."""
        await asyncio.sleep(self._settings.save)
        now = asyncio.get_running_loop().time()
        is_checkpoint = now - self._checked >= self._settings.checkpoint
        if is_checkpoint or now >= self._saver.due_at:
            await self._saver.save()
        if is_checkpoint:
            self._checked = now
            await self._keep_scans()
            safe = await self._saver.checkpoint(self._token)
            if safe is not None:
                await self._clear_scans(safe)
        if now - self._answers_saved >= self._settings.save_answers:
            self._answers_saved = now
            await self._statuses.save()

    async def _keep_scans(self) -> None:
        """Writes which scans must be begun again after a start, before the token that they began with is replaced."""
        followed = self._saver.followed
        for webhook_id in self._scans:
            webhook = self._registry.get(webhook_id)
            if webhook is not None and webhook.scan is None:
                update = partial(_with_scan, followed or "")
                self._registry.put(webhook_id, await self._store.update(webhook_id, update))

    async def _clear_scans(self, safe: float) -> None:
        """Writes that lanes were found, whose places or marks have been written since `safe`."""
        done = [webhook_id for webhook_id, (webhook, at) in self._scanned.items() if at <= safe]
        for webhook_id in done:
            webhook, _ = self._scanned.pop(webhook_id)
            if webhook.scan is None or webhook_id in self._changed:
                continue
            cleared = await self._store.clear_scan(webhook)
            if cleared is None:
                await self._registry.reread(webhook_id)
            else:
                self._registry.put(webhook_id, cleared)


class _Scanned(NamedTuple):
    """A webhook whose lanes were found."""

    webhook: Webhook
    at: float
    """By the clock of the event loop."""


def _with_scan(token: str, webhook: Webhook) -> Webhook:
    return webhook._replace(scan=token) if webhook.scan is None else webhook


def _is_same(old: Webhook, new: Webhook) -> bool:
    """Returns whether two states of a webhook mean the same for its lanes, as far as these know already."""
    return old._replace(version=0, scan=None) == new._replace(version=0, scan=None)
