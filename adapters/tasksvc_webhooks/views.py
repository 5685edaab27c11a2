"""How clients see webhooks and their lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tasksvc import Position, PositionGone
from tasksvc.plugin import Service, format_position
from tasksvc_webhooks.keys import LANE, MARK, lane_name
from tasksvc_webhooks.lanes import Place, must_begin, place_in
from tasksvc_webhooks.places import position_after_gone, position_of_start
from tasksvc_webhooks.storing import WebhookStore
from tasksvc_webhooks.subscriptions import Webhook
from tasksvc_webhooks.times import format_time

PLACES_MAX: Final = 100
"""Lanes of a webhook of all workspaces that are shown."""
READ_AT_ONCE: Final = 8


def webhook_view(webhook: Webhook) -> dict[str, Any]:
    """Returns a webhook as it is listed."""
    pause = webhook.pause
    return {
        "id": webhook.id,
        "url": webhook.url,
        "workspaces": webhook.workspaces,
        **webhook.filter._asdict(),
        "description": webhook.description,
        "state": "active" if pause is None else "paused",
        "pause": None if pause is None else {"at": format_time(pause.at), "by": pause.by, "reason": pause.reason},
        "created_at": format_time(webhook.created_at),
        "created_by": webhook.created_by,
        "updated_at": format_time(webhook.updated_at),
    }


async def detailed_view(service: Service, store: WebhookStore, webhook: Webhook) -> dict[str, Any]:
    """Returns a webhook with what became of its deliveries.  Raises StoreUnavailable."""
    room = asyncio.Semaphore(READ_AT_ONCE)

    async def view(workspace: str) -> Mapping[str, Any] | None:
        async with room:
            return await _place_view(service, webhook, workspace)

    views = await asyncio.gather(*map(view, await _workspaces(service, webhook)))
    places = [place for place in views if place is not None]
    status = await store.status(webhook.id)
    lag = {
        "changes": sum(place["changes"] for place in places),
        "seconds": max((place["seconds"] for place in places), default=0.0),
    }
    return {**webhook_view(webhook), "lag": lag, "places": places, **status}


async def _workspaces(service: Service, webhook: Webhook) -> Sequence[str]:
    """Returns the workspaces of a webhook; if it has all, some of those in which it is behind."""
    if webhook.workspaces is not None:
        return webhook.workspaces
    prefix = f"{MARK}{webhook.id}:"
    records = await service.records.list(after=prefix, limit=PLACES_MAX)
    marked = [record.value for record in records if record.key.startswith(prefix)]
    return [value["workspace"] for value in marked if "workspace" in value]


async def _place_view(service: Service, webhook: Webhook, workspace: str) -> Mapping[str, Any] | None:
    """Returns how far the deliveries of a workspace have come; None if it is erased."""
    record = await service.records.get(LANE + lane_name(webhook.id, workspace))
    place = place_in(record)
    if place is None or must_begin(place, webhook, workspace):
        start = webhook.start_in(workspace)
        place = Place(await position_of_start(service, workspace, start), start.at, start.number, webhook.round)
    lag = await _lag(service, workspace, place)
    if lag is None:
        return None
    position, changes, seconds = lag
    is_waiting = changes > 0 and place.round == webhook.round
    return {
        "workspace": workspace,
        "position": format_position(position),
        "changes": changes,
        "seconds": seconds,
        "attempts": place.attempts if is_waiting else 0,
        "next_attempt_at": format_time(place.due) if is_waiting and place.due and webhook.pause is None else None,
    }


async def _lag(service: Service, workspace: str, place: Place) -> tuple[Position, int, float] | None:
    """Returns a position, the changes after it, and the seconds since the first of them."""
    position = place.position
    try:
        page = await service.read_changes(workspace, position, limit=1)
    except PositionGone:
        found = await position_after_gone(service, workspace, place)
        if found is None:
            return None
        position = found.position
        page = await service.read_changes(workspace, position, limit=1)
    if not page.changes:
        return position, 0, 0.0
    end = await service.end_of_log(workspace)
    seconds = (service.now() - page.changes[0].at).total_seconds()
    return position, max(1, end.seq - position.seq), round(max(0.0, seconds), 3)
