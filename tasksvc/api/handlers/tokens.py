"""What the service answers to those who administer tokens."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tasksvc.api.openapi.decorators import Refusal, operation, responses
from tasksvc.api.pipeline.auth import Authenticator
from tasksvc.api.requests.body import MERGE_PATCH
from tasksvc.api.requests.idempotency import IDEMPOTENCY_KEY, idempotency_key_of
from tasksvc.api.requests.validation import BODY, QUERY, RAW
from tasksvc.api.responses.problems import AlreadyMade, FieldError, InvalidRequest, NoSuchToken
from tasksvc.api.responses.raw import JSON, REPLAYED, RawResponse, json_response
from tasksvc.api.routes import Route, RouteGroup
from tasksvc.api.schemas.tokens import TOKEN, TokenCreated, TokenIn, TokenOut, TokenPatch, TokenQuery
from tasksvc.application import clock, tokens
from tasksvc.application.callers import Scope
from tasksvc.application.runtime import Runtime
from tasksvc.application.tokens import Token, TokenAlreadyMade, TokenRefused

NO_ADMIN = Refusal(403, "forbidden", "The token doesn't have the scope admin, or the service is open to everybody.")
NO_SUCH_TOKEN = Refusal(404, "token-not-found", "There is no such token.")
ALREADY_MADE = Refusal(
    409,
    "token-already-made",
    "The Idempotency-Key has created this token before; its secret isn't stored.",
    {"token": TOKEN},
)
NAME_TAKEN = Refusal(
    422,
    "invalid-request",
    "Another token has the name, or a field isn't valid; `errors` lists each.",
    {"errors": [{"in": "body", "field": "name", "message": "Another token has this name."}]},
)


WRONG_CHANGE = Refusal(
    422,
    "invalid-request",
    "A field isn't valid; `errors` lists each.",
    {"errors": [{"in": "body", "field": "workspaces", "message": "Must have 1 to 100 names of workspaces."}]},
)


class TokenHandlers:
    """Handles the routes below /admin/tokens."""

    def __init__(self, runtime: Runtime, authenticator: Authenticator) -> None:
        self._runtime, self._authenticator = runtime, authenticator

    @operation(
        "Create a token",
        tag="admin",
        description=(
            "The answer holds its secret, which isn't kept: this is the only time that it is shown. With an"
            " Idempotency-Key a repetition makes no second token, and is answered 409."
        ),
        headers=[IDEMPOTENCY_KEY],
        responses=responses({201: ("The token.", TokenCreated, [])}, NO_ADMIN, ALREADY_MADE, NAME_TAKEN),
        body=TokenIn(),
    )
    async def create_token(self, request: web.Request) -> RawResponse:
        asked = request[BODY]
        try:
            secret, token = await tokens.create_token(
                self._runtime.repository,
                asked["name"],
                Scope.named(asked["scope"]),
                at=clock.now(),
                expires_at=asked["expires_at"],
                workspaces=asked["workspaces"],
                idempotency_key=idempotency_key_of(request, "/admin/tokens", request[RAW]),
            )
        except TokenRefused as error:
            raise InvalidRequest([FieldError("body", error.field, str(error))]) from None
        except TokenAlreadyMade as error:
            raise AlreadyMade(str(error), token_to_json(error.token)) from None
        self._authenticator.token_made()
        return json_response({**token_to_json(token), "token": secret}, status=201)

    @operation(
        "List tokens",
        tag="admin",
        responses=responses({200: ("The tokens.", [TokenOut], [])}, NO_ADMIN),
        query=TokenQuery(),
    )
    async def list_tokens(self, request: web.Request) -> RawResponse:
        workspace = request[QUERY].get("workspace")
        found = [
            token_to_json(token)
            async for token in tokens.list_tokens(self._runtime.repository)
            if workspace is None or token.caller().may_enter(workspace)
        ]
        return json_response(sorted(found, key=lambda token: str(token["name"])))

    @operation(
        "Change a token",
        tag="admin",
        description=(
            "What is sent replaces what the token had. It holds from now on, in other processes and on open streams"
            " within a second."
        ),
        headers=[IDEMPOTENCY_KEY],
        responses=responses({200: ("The token.", TokenOut, [REPLAYED])}, NO_ADMIN, NO_SUCH_TOKEN, WRONG_CHANGE),
        body=TokenPatch(),
    )
    async def update_token(self, request: web.Request) -> RawResponse:
        name, changes = request.match_info["name"], dict(request[BODY])
        if "scope" in changes:
            changes["scope"] = Scope.named(changes["scope"])
        idempotency_key = idempotency_key_of(request, f"/admin/tokens/{name}", request[RAW])
        try:
            token, replayed = await tokens.update_token(
                self._runtime.repository, name, changes, at=clock.now(), idempotency_key=idempotency_key
            )
        except TokenRefused as error:
            if error.field == "name":
                raise NoSuchToken(str(error)) from None
            raise InvalidRequest([FieldError("body", error.field, str(error))]) from None
        self._authenticator.token_changed()
        answer = json_response(token_to_json(token))
        if replayed:
            answer.add_header(REPLAYED, "true")
        return answer

    @operation(
        "Revoke a token",
        tag="admin",
        description="The token is refused from now on, by other processes within a second. Streams that it opened end.",
        headers=[IDEMPOTENCY_KEY],
        responses=responses({204: ("The token is revoked.", None, [REPLAYED])}, NO_ADMIN, NO_SUCH_TOKEN),
    )
    async def revoke_token(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        idempotency_key = idempotency_key_of(request, f"/admin/tokens/{name}")
        try:
            replayed = await tokens.revoke_token(
                self._runtime.repository, name, at=clock.now(), idempotency_key=idempotency_key
            )
        except TokenRefused as error:
            raise NoSuchToken(str(error)) from None
        self._authenticator.token_changed()
        return web.Response(status=204, headers={REPLAYED: "true"} if replayed else {})

    def routes(self) -> RouteGroup:
        """Returns the routes for administrators."""
        return RouteGroup(self._routes(Scope.ADMIN))

    def local_routes(self) -> RouteGroup:
        """Returns the routes that need no token, for a socket that only administrators can open."""
        return RouteGroup(self._routes(None), documented=False, origin_checked=False)

    def _routes(self, scope: Scope | None) -> list[Route]:
        return [
            Route("GET", "/admin/tokens", self.list_tokens, scope),
            Route("POST", "/admin/tokens", self.create_token, scope),
            Route("PATCH", "/admin/tokens/{name}", self.update_token, scope, (JSON, MERGE_PATCH)),
            Route("DELETE", "/admin/tokens/{name}", self.revoke_token, scope),
        ]


def token_to_json(token: Token) -> dict[str, Any]:
    """Returns a token as it is listed, without its hash."""
    return {
        "name": token.name,
        "scope": str(token.scope),
        "workspaces": token.workspaces,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
