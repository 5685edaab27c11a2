"""An application that requires tokens, with a token of each scope."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from tasksvc.api.app import RUNTIME, create_app
from tasksvc.api.options import Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.application.callers import Scope
from tasksvc.application.clock import now
from tasksvc.application.tokens import create_token, new_secret

Client = TestClient[web.Request, web.Application]


class AuthClients(NamedTuple):
    """A test client, and a token of each scope."""

    client: Client
    secrets: dict[str, str]

    def headers(self, caller: str) -> dict[str, str]:
        """Returns the headers of a caller: read, write, admin, or nobody."""
        return {"Authorization": f"Bearer {self.secrets[caller]}"} if caller in self.secrets else {}


@pytest.fixture
async def clients(aiohttp_client: AiohttpClient, options: Options) -> AuthClients:
    root = new_secret()
    app = create_app("memory://", replace(options, tokens=TokenPolicy.ALWAYS, admin_token=root))
    client = await aiohttp_client(app)
    secrets = {"admin": root}
    for scope in (Scope.READ, Scope.WRITE):
        secrets[str(scope)], _ = await create_token(app[RUNTIME].repository, str(scope), scope, at=now())
    return AuthClients(client, secrets)
