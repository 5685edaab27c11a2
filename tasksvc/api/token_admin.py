"""What the service answers to those who administer tokens."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tasksvc import tokens, usecases
from tasksvc.api.answers import Answer, json_answer
from tasksvc.api.documentation import Refusal, answers, operation
from tasksvc.api.problems import FieldError, InvalidRequest, NoSuchToken
from tasksvc.api.schemas import TokenIn, TokenMade, TokenOut
from tasksvc.api.service import Service
from tasksvc.api.validation import BODY
from tasksvc.tokens import Token, TokenRefused

NO_ADMIN = Refusal(403, "forbidden", "The token hasn't the scope admin, or the service is open to everybody.")
NO_SUCH_TOKEN = Refusal(404, "token-not-found", "There is no such token.")
NAME_TAKEN = Refusal(
    422,
    "invalid-request",
    "Another token has the name, or a field isn't what is expected; `errors` lists each.",
    {"errors": [{"in": "body", "field": "name", "message": "There is a token of this name."}]},
)


class TokenHandlers:
    """Everything below /admin/tokens."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @operation(
        "Make a token",
        tag="admin",
        description="The answer holds its secret, which is not kept: this is the only time that it is shown.",
        responses=answers({201: ("The token.", TokenMade, [])}, NO_ADMIN, NAME_TAKEN),
        body=TokenIn(),
    )
    async def create_token(self, request: web.Request) -> Answer:
        asked = request[BODY]
        try:
            secret, token = await tokens.create_token(
                self._service.repository,
                asked["name"],
                tokens.Scope.named(asked["scope"]),
                at=usecases.now(),
                expires_at=asked["expires_at"],
            )
        except TokenRefused as error:
            raise InvalidRequest([FieldError("body", error.field, str(error))]) from None
        return json_answer({**token_to_json(token), "token": secret}, status=201)

    @operation("List the tokens", tag="admin", responses=answers({200: ("The tokens.", [TokenOut], [])}, NO_ADMIN))
    async def list_tokens(self, request: web.Request) -> Answer:
        found = [token_to_json(token) async for token in tokens.all_tokens(self._service.repository)]
        return json_answer(sorted(found, key=lambda token: str(token["name"])))

    @operation(
        "Revoke a token",
        tag="admin",
        description="It is refused within a second, and streams that it opened end.",
        responses=answers({204: "It is revoked."}, NO_ADMIN, NO_SUCH_TOKEN),
    )
    async def revoke_token(self, request: web.Request) -> web.Response:
        try:
            await tokens.revoke_token(self._service.repository, request.match_info["name"], at=usecases.now())
        except TokenRefused as error:
            raise NoSuchToken(str(error)) from None
        return web.Response(status=204)


def token_to_json(token: Token) -> dict[str, Any]:
    """A token as it is listed, without its hash."""
    return {
        "name": token.name,
        "scope": str(token.scope),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
