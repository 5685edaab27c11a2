"""What the service answers, with Python's types."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


def time_of(text: str | None) -> datetime | None:
    """Returns a date and time of RFC 3339 in UTC, or None for None."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the service has it. Times are in UTC."""

    id: int
    description: str
    notes: str
    done: bool
    completed_at: datetime | None
    due_at: datetime | None
    due_on: date | None
    priority: int
    labels: tuple[str, ...]
    list: str
    parent_id: int | None
    position: str | None
    metadata: Mapping[str, Any] = field(hash=False)
    repeat: Mapping[str, Any] | None = field(hash=False)
    series_id: int | None
    next_id: int | None
    uid: str | None
    created_at: datetime
    updated_at: datetime
    version: int
    workspace: str | None = None
    """The workspace, in lists and streams of several workspaces."""
    etag: str | None = field(default=None, compare=False)
    """The entity tag, for `if_version`; None in lists and changes, which have none."""
    json: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The task as the service sent it, also with fields that this library doesn't know."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any], etag: str | None = None) -> Task:
        """Reads a task. Raises KeyError, TypeError, AttributeError or ValueError if it isn't one."""
        due_on = document["due_on"]
        return cls(
            id=document["id"],
            description=document["description"],
            notes=document["notes"],
            done=document["done"],
            completed_at=time_of(document["completed_at"]),
            due_at=time_of(document["due_at"]),
            due_on=None if due_on is None else date.fromisoformat(due_on),
            priority=document["priority"],
            labels=tuple(document["labels"]),
            list=document["list"],
            parent_id=document["parent_id"],
            position=document["position"],
            metadata=document["metadata"],
            repeat=document["repeat"],
            series_id=document["series_id"],
            next_id=document["next_id"],
            uid=document["uid"],
            created_at=_time(document["created_at"]),
            updated_at=_time(document["updated_at"]),
            version=document["version"],
            workspace=document.get("workspace"),
            etag=etag,
            json=document,
        )


class Page(NamedTuple):
    """A page of a list."""

    tasks: tuple[Task, ...]
    position: str
    """The position in the change log that the page shows. Follow from that of the first page."""
    next: str | None = None
    """What to pass as `after` for the page that follows; None after the last one."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a task."""

    seq: int
    """The number in the log of the workspace: 1, 2, 3, ... without gaps."""
    position: str
    """The position in the log after this change."""
    type: str
    """One of `created`, `updated` and `deleted`."""
    task_id: int
    task: Task | None
    """The task after the change; None for a deletion."""
    at: datetime
    by: str | None
    """The name of the caller who made it; None where callers have no names."""
    workspace: str | None = None
    """The workspace, in streams of several workspaces."""
    resume: str = field(default="", compare=False)
    """What to pass as `since` to go on after this change: the position, and in streams of several workspaces theirs."""
    json: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The change as the service sent it."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any], resume: str | None = None) -> Change:
        """Reads a change. Raises KeyError, TypeError, AttributeError or ValueError if it isn't one."""
        task, position = document["task"], document["position"]
        return cls(
            seq=document["seq"],
            position=position,
            type=document["type"],
            task_id=document["task_id"],
            task=None if task is None else Task.from_json(task),
            at=_time(document["at"]),
            by=document["by"],
            workspace=document.get("workspace"),
            resume=position if resume is None else resume,
            json=document,
        )


class WorkspaceLeft(NamedTuple):
    """A workspace has left a stream of several; the others go on."""

    workspace: str
    type: str
    """Why: `position-gone`, so read its list again, or `workspace-forbidden`, since the caller may not enter it."""
    detail: str


class TaskList(NamedTuple):
    """A list and the numbers of its tasks."""

    name: str
    open: int
    total: int

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TaskList:
        return cls(document["name"], document["open"], document["total"])


class Me(NamedTuple):
    """Who the caller is."""

    name: str | None
    scope: str
    """One of `read`, `write` and `admin`."""
    workspaces: tuple[str, ...] | None
    """The workspaces that the caller may enter; None for all."""
    home: str
    """The workspace that is used where none is named."""
    expires_at: datetime | None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Me:
        return cls(
            document["name"],
            document["scope"],
            _names(document["workspaces"]),
            document["home"],
            time_of(document["expires_at"]),
        )


class Workspace(NamedTuple):
    """A workspace that somebody has written to."""

    name: str
    tasks: int
    open: int
    updated_at: datetime | None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Workspace:
        return cls(document["name"], document["tasks"], document["open"], time_of(document["updated_at"]))


class Token(NamedTuple):
    """A token of the service."""

    name: str
    scope: str
    workspaces: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    secret: str | None = None
    """What callers send; only create_token() gives it."""

    def __repr__(self) -> str:
        return f"<Token {self.name!r}, {self.scope}>"

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Token:
        return cls(
            document["name"],
            document["scope"],
            _names(document["workspaces"]),
            _time(document["created_at"]),
            time_of(document["expires_at"]),
            document.get("token"),
        )


class Webhook(NamedTuple):
    """A webhook and what it sends."""

    id: str
    url: str
    workspaces: tuple[str, ...] | None
    """The workspaces whose changes are sent; None for all."""
    types: tuple[str, ...] | None
    """The types of changes that are sent; None for all."""
    labels: tuple[str, ...] | None
    list: str | None
    description: str
    state: str
    """One of `active` and `paused`."""
    created_at: datetime
    updated_at: datetime
    json: Mapping[str, Any]
    """The webhook as the service sent it; that of get_webhook() also says how far its deliveries have come."""
    secret: str | None = None
    """What signs its messages; only create_webhook() gives it."""

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Webhook:
        """Reads a webhook, whose `json` doesn't have the secret."""
        return cls(
            document["id"],
            document["url"],
            _names(document["workspaces"]),
            _names(document["types"]),
            _names(document["labels"]),
            document["list"],
            document["description"],
            document["state"],
            _time(document["created_at"]),
            _time(document["updated_at"]),
            {name: value for name, value in document.items() if name != "secret"},
            document.get("secret"),
        )

    def __repr__(self) -> str:
        return f"<Webhook {self.id} to {self.url}, {self.state}>"


class WebhookAttempt(NamedTuple):
    """The result of a message that a webhook sent."""

    at: datetime
    outcome: str
    """Either `delivered` or why it wasn't."""
    status: int | None
    """The status of the answer, if there was one."""
    detail: str
    seconds: float

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> WebhookAttempt:
        return cls(
            _time(document["at"]), document["outcome"], document["status"], document["detail"], document["seconds"]
        )


def _names(names: Any) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)
