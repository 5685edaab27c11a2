"""What the service answers about keys of calendars."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from tasksvc import check_workspace_name
from tasksvc.plugin import (
    RawResponse,
    Route,
    RouteGroup,
    Scope,
    Service,
    body_of,
    in_home,
    in_workspaces,
    json_response,
    name_of,
    operation,
    responses,
    workspace_of,
)
from tasksvc_calendar import schemas
from tasksvc_calendar.keys import ID_PATTERN, Key, digest_of, new_id, new_key
from tasksvc_calendar.refusals import NO_SUCH_KEY, TOO_MANY, NoSuchKey, TooManyKeys
from tasksvc_calendar.storing import KeyStore

KEYS_MAX: Final = 100
"""Keys that a workspace may have.  Requests at the same moment may exceed it by a few."""
PARAMETERS: Final = {
    "id": {"schema": {"type": "string", "pattern": f"^{ID_PATTERN}$"}, "example": schemas.EXAMPLE_ID},
}
"""The description of the id in paths."""


class KeyHandlers:
    """Handles the routes of keys."""

    def __init__(self, service: Service, store: KeyStore) -> None:
        self._service, self._store = service, store

    @operation(
        "Create a calendar key",
        tag="calendar",
        description=(
            "Whoever has the key may read the due tasks of one list, as a calendar, until the key is revoked. The key"
            " isn't kept: this is the only time that it is shown. A repetition of the request creates another one."
        ),
        responses=responses({201: ("The key.", schemas.KeyCreated, [])}, TOO_MANY),
        body=schemas.KeyIn(),
    )
    async def create_calendar_key(self, request: web.Request) -> RawResponse:
        workspace, asked = _workspace_of(request), body_of(request)
        if len(await self._store.of_workspace(workspace)) >= KEYS_MAX:
            raise TooManyKeys(KEYS_MAX)
        key_id = new_id(workspace)
        secret = new_key(key_id)
        key = Key(
            id=key_id,
            workspace=workspace,
            list=asked["list"],
            description=asked["description"],
            created_at=self._service.now(),
            created_by=name_of(request),
            digest=digest_of(secret),
            origin=await self._store.origin(),
        )
        await self._store.create(key)
        path = f"/calendar/{quote(key.list, safe='')}.ics?key={secret}"
        return json_response({**_view(key), "key": secret, "path": path}, status=201)

    @operation(
        "List calendar keys",
        tag="calendar",
        description="By id, without the keys themselves.",
        responses=responses({200: ("The keys.", [schemas.KeyOut], [])}),
    )
    async def list_calendar_keys(self, request: web.Request) -> RawResponse:
        return json_response([_view(key) for key in await self._store.of_workspace(_workspace_of(request))])

    @operation(
        "Show a calendar key",
        tag="calendar",
        responses=responses({200: ("The key.", schemas.KeyOut, [])}, NO_SUCH_KEY),
    )
    async def get_calendar_key(self, request: web.Request) -> RawResponse:
        return json_response(_view(await self._key(request)))

    @operation(
        "Revoke a calendar key",
        tag="calendar",
        description="The calendar can't be read with it from now on.",
        responses=responses({204: "The key is revoked."}, NO_SUCH_KEY),
    )
    async def revoke_calendar_key(self, request: web.Request) -> web.Response:
        key = await self._key(request)
        await self._store.delete(key.id)
        return web.Response(status=204)

    async def _key(self, request: web.Request) -> Key:
        workspace = _workspace_of(request)
        key = await self._store.get(request.match_info["id"][:100])
        if key is None or key.workspace != workspace:
            raise NoSuchKey
        return key

    def routes(self) -> list[RouteGroup]:
        """Returns the routes of keys."""
        all_keys, one = "/calendar/keys/", "/calendar/keys/{id}"
        group = RouteGroup(
            [
                Route("GET", all_keys, self.list_calendar_keys, Scope.WRITE),
                Route("POST", all_keys, self.create_calendar_key, Scope.WRITE),
                Route("GET", one, self.get_calendar_key, Scope.WRITE, parameters=PARAMETERS),
                Route("DELETE", one, self.revoke_calendar_key, Scope.WRITE, parameters=PARAMETERS),
            ],
            tags={"calendar": schemas.TAG},
        )
        short = RouteGroup(
            [
                Route("GET", "/calendar/keys", self.list_calendar_keys, Scope.WRITE),
                Route("POST", "/calendar/keys", self.create_calendar_key, Scope.WRITE),
            ],
            documented=False,
        )
        return [place(each) for each in (group, short) for place in (in_home, in_workspaces)]


def _workspace_of(request: web.Request) -> str:
    """Returns the workspace in the path.  Raises InvalidWorkspaceName for any text that can't be one."""
    workspace = workspace_of(request)
    check_workspace_name(workspace)
    return workspace


def _view(key: Key) -> dict[str, Any]:
    """Returns a key as clients see it."""
    return {
        "id": key.id,
        "list": key.list,
        "description": key.description,
        "created_at": key.created_at,
        "created_by": key.created_by,
    }
