"""The arguments of operations, for type checkers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Literal, TypedDict


class TaskFields(TypedDict, total=False):
    """What a task may be changed to. None resets a field; those that aren't given stay as they are."""

    notes: str | None
    done: bool | None
    due_at: datetime | str | None
    due_on: date | str | None
    priority: int | None
    labels: Iterable[str] | None
    list: str | None
    parent_id: int | None
    position: str | None
    metadata: Mapping[str, Any] | None
    repeat: Mapping[str, Any] | None


class NewTaskFields(TaskFields, total=False):
    """What a new task may have besides its description."""

    uid: str | None
    created_at: datetime | str | None
    completed_at: datetime | str | None


class ChangedFields(TaskFields, total=False):
    """What may be changed."""

    description: str


class Filters(TypedDict, total=False):
    """Which tasks are meant. A filter that is None isn't one."""

    done: bool | None
    labels: Iterable[str] | None
    """All of them must match."""
    list: str | None
    q: str | None
    """A part of the description or of the notes, in any case."""
    priority: int | None
    priority_min: int | None
    priority_max: int | None
    due_before: datetime | date | str | None
    due_after: datetime | date | str | None
    created_after: datetime | str | None
    updated_after: datetime | str | None
    parent_id: int | Literal["none"] | None
    uid: str | None
    metadata: Mapping[str, Any] | None
    """The value at each path."""


class CountFilters(Filters, total=False):
    """The filters of counts and lists."""

    workspaces: Iterable[str] | None
    """Several workspaces together, instead of the one of the client."""


class FindFilters(CountFilters, total=False):
    """The filters of lists, and their order."""

    sort: str | None
    """One of `id`, `created_at`, `updated_at`, `due_at`, `priority` or `position`, with `-` in front for descending."""
    after: str | None
    """The `next` of a page, with the same filters and order: what follows it is listed."""


class TokenFields(TypedDict, total=False):
    """What a token may be changed to."""

    scope: str
    workspaces: Iterable[str] | None
    expires_at: datetime | str | None


class WebhookFields(TypedDict, total=False):
    """What a webhook may have besides its URL."""

    workspaces: Iterable[str] | None
    """None for all, which needs the scope admin."""
    types: Iterable[str] | None
    labels: Iterable[str] | None
    list: str | None
    description: str
