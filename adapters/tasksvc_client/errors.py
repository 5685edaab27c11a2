"""What can go wrong, as exceptions: TasksvcError is above all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasksvc_client.models import Task, Token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TYPE_PREFIX = "urn:tasksvc:problem:"
"""What the type of every problem of the service begins with."""


class TasksvcError(Exception):
    """Above all errors of this library, except those of wrong arguments."""


class Unreachable(TasksvcError):
    """The service couldn't be reached until the deadline, and nothing was written."""


class OutcomeUnknown(TasksvcError):
    """No answer says whether a write was done. The same call with `key` finds out, and does it if it wasn't done."""

    def __init__(self, detail: str, key: str | None) -> None:
        """Takes the idempotency key of the write, None if its operation takes none."""
        super().__init__(detail)
        self.key = key


class NotTasksvc(TasksvcError):
    """Something else than the service answered, for instance a proxy that doesn't know the path."""


class Problem(TasksvcError):
    """The service refused a request with a problem document (RFC 9457). Each type that it has is a subclass."""

    name: str = ""
    """The type of the problem, without TYPE_PREFIX."""

    def __init__(self, status: int, document: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Reads a problem document. `headers` are those of its answer, with names in lower case."""
        self.status, self.document = status, document
        self.type = str(document.get("type", "about:blank"))
        self.name = self.type.removeprefix(TYPE_PREFIX)
        self.title = str(document.get("title", ""))
        self.detail = str(document.get("detail", ""))
        self._etag = headers.get("etag")
        self.request_id = headers.get("x-request-id")
        """What to quote to those who run the service."""
        super().__init__(self.detail or self.title or f"The service answered with status {status}.")

    @property
    def errors(self) -> Sequence[Mapping[str, str]]:
        """What is wrong with each field of an invalid request: `in`, `field` and `message`."""
        return tuple(self.document.get("errors", ()))

    @property
    def current(self) -> Task | None:
        """The task as it is, for VersionConflict, and the one that has the uid, for UidTaken."""
        task = self.document.get("current")
        return None if task is None else Task.from_json(task, self._etag)

    @property
    def index(self) -> int | None:
        """The operation of a batch that was refused, counted from 0."""
        return self.document.get("index")

    @property
    def limit(self) -> int | None:
        """How many tasks there may be, for WorkspaceFull and TooManyRelated."""
        return self.document.get("limit")

    @staticmethod
    def read(status: int, document: Mapping[str, Any], headers: Mapping[str, str], *, retry_after: float) -> Problem:
        """Returns the problem of the type that a document names; Problem itself if the type isn't known.

        `retry_after` are the seconds after which a repetition may succeed, 0 if the service didn't say.
        """
        kind = _KINDS.get(str(document.get("type", "")).removeprefix(TYPE_PREFIX), Problem)
        problem = kind(status, document, headers)
        problem.retry_after = retry_after
        return problem

    retry_after: float = 0.0
    """Seconds after which a repetition may succeed; 0 if the service didn't say."""
    may_be_done: bool = False
    """Whether an earlier attempt of the same write may have been done, so that this refusal may be its consequence."""


class MalformedRequest(Problem):
    """The service couldn't read the request."""

    name = "malformed-request"


class Unauthorized(Problem):
    """A valid token is required."""

    name = "unauthorized"


class Forbidden(Problem):
    """The token lacks the scope."""

    name = "forbidden"


class WorkspaceForbidden(Problem):
    """The caller may not enter the workspace, whether it exists or not."""

    name = "workspace-forbidden"


class ForeignOrigin(Problem):
    """The request came from a page of another origin."""

    name = "foreign-origin"


class NotFound(Problem):
    """The service doesn't have the path: its version is older, or it runs without a plugin."""

    name = "not-found"


class TaskNotFound(Problem):
    """The task doesn't exist."""

    name = "task-not-found"


class VersionNotFound(Problem):
    """The task never had the version that is to be restored."""

    name = "version-not-found"


class ListNotFound(Problem):
    """Neither the list that is to be renamed nor the one with the new name has a task."""

    name = "list-not-found"


class TokenNotFound(Problem):
    """The token doesn't exist."""

    name = "token-not-found"


class WebhookNotFound(Problem):
    """The webhook doesn't exist, or the caller may not see it."""

    name = "webhook-not-found"


class MethodNotAllowed(Problem):
    """The service is too old for the operation."""

    name = "method-not-allowed"


class BodyTooSlow(Problem):
    """The request wasn't complete in time."""

    name = "body-too-slow"


class TokenAlreadyMade(Problem):
    """The token was created by an earlier attempt, and its secret can't be shown again: revoke it."""

    name = "token-already-made"

    @property
    def token(self) -> Token:
        """The token that exists, without its secret."""
        return Token.from_json(self.document["token"])


class WorkspaceFull(Problem):
    """The workspace has as many tasks as it may have; `limit` says how many."""

    name = "workspace-full"


class UidTaken(Problem):
    """Another task of the workspace has the uid; `current` is that task."""

    name = "uid-taken"


class TooManyRelated(Problem):
    """More tasks would change than one request changes; `limit` says how many."""

    name = "too-many-related"


class TooManyWebhooks(Problem):
    """The workspace or the store has as many webhooks as it may have."""

    name = "too-many-webhooks"


class WebhookWithoutSecret(Problem):
    """The webhook has no secret, since it was imported. Rotate it."""

    name = "webhook-without-secret"


class VersionGone(Problem):
    """The change log no longer has the version that is to be restored."""

    name = "version-gone"


class PositionGone(Problem):
    """The change log no longer has the position: read the list again, and follow from its position."""

    name = "position-gone"


class VersionConflict(Problem):
    """The task has another version than the one that was to be changed; `current` is the task."""

    name = "version-conflict"


class ConditionFailed(Problem):
    """Another condition of the request doesn't hold."""

    name = "condition-failed"


class BodyTooLarge(Problem):
    """The request, or an operation of a batch, is too large."""

    name = "body-too-large"


class CommitTooLarge(Problem):
    """The tasks that a batch changes are too large together."""

    name = "commit-too-large"


class TargetTooLong(Problem):
    """The URL is too long."""

    name = "target-too-long"


class UnsupportedMediaType(Problem):
    """The service doesn't take this type of body."""

    name = "unsupported-media-type"


class ForeignHost(Problem):
    """The service doesn't answer to the name in the URL."""

    name = "foreign-host"


class InvalidRequest(Problem):
    """A field or a parameter isn't valid; `errors` says what is wrong with each."""

    name = "invalid-request"


class IdempotencyKeyReused(Problem):
    """The key was used with another request."""

    name = "idempotency-key-reused"


class TooManyRequests(Problem):
    """The caller exceeds its rate or its streams, for `retry_after` seconds more."""

    name = "too-many-requests"


class HeaderTooLong(Problem):
    """The head of the request is too long, for instance because of the token."""

    name = "header-too-long"


class InternalError(Problem):
    """The service has a bug. Quote `request_id` when you report it."""

    name = "internal-error"


class NotSupported(Problem):
    """The store of the service has no workspaces except `default`."""

    name = "not-supported"


class IssuerUnavailable(Problem):
    """The identity provider can't be reached, so that no token can be verified."""

    name = "issuer-unavailable"


class StoreUnavailable(Problem):
    """Nothing was done, since the store is unavailable or too busy."""

    name = "store-unavailable"


class StoreFull(Problem):
    """Nothing was written, since the disk of the service is full."""

    name = "store-full"


_KINDS = {kind.name: kind for kind in Problem.__subclasses__()}
