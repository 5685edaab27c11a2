"""An identity provider on loopback, which signs tokens, publishes its keys, and changes them."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from jwt.algorithms import get_default_algorithms

AUDIENCE = "tasks"

_MAKERS: dict[str, Any] = {
    "RS256": lambda: generate_rsa_key(65_537, 2_048),
    "ES256": lambda: generate_private_key(SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate,
}


class SigningKey:
    """A key pair with a name."""

    def __init__(self, kid: str, algorithm: str = "ES256") -> None:
        self.kid, self.algorithm, self.private = kid, algorithm, _MAKERS[algorithm]()

    @property
    def public(self) -> dict[str, Any]:
        """The public key, as a member of a set."""
        jwk = json.loads(get_default_algorithms()[self.algorithm].to_jwk(self.private.public_key()))
        return {**jwk, "kid": self.kid, "use": "sig", "alg": self.algorithm}


def sign(key: SigningKey, issuer: str, *, head: dict[str, Any] | None = None, **claims: Any) -> str:
    """Returns a token that is good, but for what `claims` replace; a claim of None is left out."""
    moment = int(time.time())
    whole = {"iss": issuer, "aud": AUDIENCE, "sub": "ann", "iat": moment, "exp": moment + 300, **claims}
    given = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(given, key.private, key.algorithm, headers={"kid": key.kid, **(head or {})})


class Issuer:
    """The service of an identity provider; it stops answering if `answers` is false."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys)
        self.answers = True
        self.asked = 0
        """How often its keys were asked for."""
        self.url = ""
        self._runner = web.AppRunner(self._app())

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/keys", self._published)
        return app

    async def _configuration(self, request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})

    async def _published(self, request: web.Request) -> web.Response:
        self.asked += 1
        if not self.answers:
            raise web.HTTPServiceUnavailable
        return web.json_response({"keys": [key.public for key in self.keys]})

    async def __aenter__(self) -> Issuer:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def token(self, **claims: Any) -> str:
        """Returns a token signed with the newest key."""
        return sign(self.keys[-1], self.url, **claims)
