"""A client of webhooks and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp


class Client:
    """Sends requests, and expects their statuses."""

    def __init__(self, session: aiohttp.ClientSession, headers: Mapping[str, str] | None = None) -> None:
        self._session, self._headers = session, dict(headers or {})

    async def ask(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Sends a request, and returns the document of the answer, which has `status`; None if it has none."""
        async with self._session.request(
            method, path, json=document, headers={**self._headers, **(headers or {})}
        ) as response:
            body = await response.text()
            assert response.status == status, (response.status, body)
            return await response.json(content_type=None) if body else None

    async def make(self, url: str, **fields: Any) -> dict[str, Any]:
        """Creates a webhook, and returns it."""
        made: dict[str, Any] = await self.ask("POST", "/webhooks/", {"url": url, **fields}, status=201)
        return made

    async def show(self, webhook: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a webhook as it is now."""
        shown: dict[str, Any] = await self.ask("GET", f"/webhooks/{webhook['id']}")
        return shown

    async def do(self, webhook: Mapping[str, Any], what: str, document: object = None, *, status: int = 200) -> Any:
        """Does something with a webhook, such as pause it."""
        return await self.ask("POST", f"/webhooks/{webhook['id']}/{what}", document, status=status)

    async def create(self, count: int = 1, workspace: str | None = None, **fields: Any) -> None:
        """Creates tasks one after the other."""
        path = "/tasks/" if workspace is None else f"/workspaces/{workspace}/tasks/"
        for _ in range(count):
            await self.ask("POST", path, {"description": "water", **fields}, status=201)
