"""Why requests for webhooks are refused."""

from __future__ import annotations

from tasksvc.plugin import Caller, FieldError, Forbidden, InvalidRequest, Refusal, RequestError, Scope, Service
from tasksvc_webhooks.registry import Registry
from tasksvc_webhooks.settings import WebhookSettings
from tasksvc_webhooks.subscriptions import Webhook

NO_SUCH_WEBHOOK = Refusal(404, "webhook-not-found", "There is no such webhook, or the caller may not see it.")
TOO_MANY = Refusal(409, "too-many-webhooks", "The workspace or the service has as many webhooks as it may have.")
WITHOUT_SECRET = Refusal(409, "webhook-without-secret", "The webhook has no secret, since exports hold none.")
WRONG_URL = Refusal(
    422,
    "invalid-request",
    "The URL may not be that of a webhook, or another field isn't valid; `errors` lists each.",
    {"errors": [{"in": "body", "field": "url", "message": "The host is a loopback address."}]},
)
NOT_YOURS = Refusal(
    403, "forbidden", "The caller may not enter a workspace, or isn't an administrator and asks for all."
)


class NoSuchWebhook(RequestError):
    """There is no such webhook, or the caller may not see it, which is answered alike."""

    status, name = 404, "webhook-not-found"

    def __init__(self) -> None:
        super().__init__("There is no such webhook.")


class TooManyWebhooks(RequestError):
    """There is no room for another webhook."""

    status, name = 409, "too-many-webhooks"


class NoSecret(RequestError):
    """The webhook has no secret."""

    status, name = 409, "webhook-without-secret"

    def __init__(self) -> None:
        super().__init__("The webhook has no secret, since exports hold none. Rotate its secret first.")


def may_have_all(service: Service, caller: Caller) -> bool:
    """Returns whether a caller may have the changes of all workspaces, including those that don't exist yet."""
    return caller.scope is Scope.ADMIN or not service.knows_callers


def may_see(service: Service, caller: Caller, webhook: Webhook) -> bool:
    """Returns whether a caller may see and change a webhook."""
    if webhook.workspaces is None:
        return may_have_all(service, caller)
    return all(map(caller.may_enter, webhook.workspaces))


def check_workspaces(service: Service, caller: Caller, workspaces: tuple[str, ...] | None) -> None:
    """Raises Forbidden if a caller may not have the changes of workspaces; None stands for all."""
    if workspaces is None:
        if not may_have_all(service, caller):
            raise Forbidden("A webhook of all workspaces needs the scope admin.")
        return
    for workspace in workspaces:
        if not caller.may_enter(workspace):
            raise Forbidden(f"The caller may not enter the workspace {workspace}.")


def check_room(
    registry: Registry, settings: WebhookSettings, workspaces: tuple[str, ...] | None, there: Webhook | None = None
) -> None:
    """Raises TooManyWebhooks if a webhook has no room; `there` is the webhook as it was, if it isn't new.

    Processes that create webhooks at the same moment may exceed a limit by a few.
    """
    if there is None and len(registry.webhooks) >= settings.webhooks:
        raise TooManyWebhooks(f"There may be {settings.webhooks:,} webhooks. Delete some first.")
    if workspaces is None:
        if (there is None or there.workspaces is not None) and registry.count_of(None) >= settings.all_webhooks:
            raise TooManyWebhooks(f"All workspaces may have {settings.all_webhooks:,} webhooks. Delete some first.")
        return
    most = settings.workspace_webhooks
    for workspace in workspaces:
        is_new = there is None or there.workspaces is None or workspace not in there.workspaces
        if is_new and registry.count_of(workspace) >= most:
            raise TooManyWebhooks(f"The workspace {workspace} may have {most:,} webhooks. Delete some first.")


def invalid(field: str, message: str) -> InvalidRequest:
    """Returns the error that a field of the body isn't valid."""
    return InvalidRequest([FieldError("body", field, message)])
