"""The operations on callers, tokens and workspaces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tasksvc_client.encoding import query_text
from tasksvc_client.models import Me, Token, Workspace
from tasksvc_client.operations.requests import get, nothing, walk, write
from tasksvc_client.scope import Scope, segment
from tasksvc_client.steps import Answer, Items, Operation, Repeat

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Unpack

    from tasksvc_client.operations.fields import TokenFields


def me(scope: Scope, /) -> Operation[Me]:
    """Returns who the caller is, and which workspaces they may enter."""
    return (yield from get(scope, "/me", lambda answer: Me.from_json(answer.document)))


def workspaces(scope: Scope, /, prefix: str | None = None) -> Items[Workspace]:
    """Yields the workspaces that somebody has written to, by name, for administrators."""
    target = "/workspaces/" + query_text([("prefix", prefix), ("limit", 1_000)])
    yield from walk(scope, target, _workspaces)


def _workspaces(answer: Answer) -> list[Workspace]:
    return list(map(Workspace.from_json, answer.document))


def erase_workspace(scope: Scope, /, name: str) -> Operation[None]:
    """Erases all that a workspace has, for administrators. It can't be undone.

    It isn't repeated once it may have been done, since that would erase what was written in between: then it raises
    OutcomeUnknown.
    """
    return (yield from write(scope, "DELETE", f"/workspaces/{segment(name)}", nothing, repeat=Repeat.NEVER))


# ---------------------------------------------------------------- tokens


def tokens(scope: Scope, /, workspace: str | None = None) -> Operation[tuple[Token, ...]]:
    """Returns all tokens, or those that are valid in a workspace, for administrators."""
    return (yield from get(scope, "/admin/tokens" + query_text([("workspace", workspace)]), _tokens))


def create_token(
    here: Scope,
    /,
    name: str,
    scope: str = "write",
    *,
    workspaces: Iterable[str] | None = None,
    expires_at: datetime | str | None = None,
    key: str | None = None,
) -> Operation[Token]:
    """Creates a token and returns it with its `secret`, which is shown only here.

    Its scope is `read`, `write` or `admin`, and it is valid in all workspaces unless some are named. Raises
    TokenAlreadyMade if an earlier attempt has created it and its answer was lost: revoke it, and create another one.
    """
    body: dict[str, Any] = {"name": name, "scope": scope, "expires_at": expires_at}
    body["workspaces"] = None if workspaces is None else list(workspaces)
    return (yield from write(here, "POST", "/admin/tokens", _token, body=body, key=key))


def change_token(
    here: Scope, /, name: str, *, key: str | None = None, **fields: Unpack[TokenFields]
) -> Operation[Token]:
    """Changes the `scope`, the `workspaces` or the `expires_at` of a token, and returns it. Raises TokenNotFound."""
    body: dict[str, Any] = dict(fields)
    if body.get("workspaces") is not None:
        body["workspaces"] = list(body["workspaces"])
    return (yield from write(here, "PATCH", f"/admin/tokens/{segment(name)}", _token, body=body, key=key))


def revoke_token(scope: Scope, /, name: str, *, key: str | None = None) -> Operation[None]:
    """Revokes a token: a second later it is valid nowhere. Raises TokenNotFound."""
    return (yield from write(scope, "DELETE", f"/admin/tokens/{segment(name)}", nothing, key=key))


def _token(answer: Answer) -> Token:
    return Token.from_json(answer.document)


def _tokens(answer: Answer) -> tuple[Token, ...]:
    return tuple(map(Token.from_json, answer.document))
