"""The example examples/embedded_users.py, as a process to which two users sign in."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import aiohttp
from patience import PATIENCE_SECONDS

from clients.conftest import start_example


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


async def signed_in(url: str, name: str) -> aiohttp.ClientSession:
    """Returns a session of a user, which waits until the application listens."""
    session = aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                async with session.post("/login", data={"name": name}) as answer:
                    assert answer.status == 200
                return session
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)


async def test_users_see_their_own_tasks_and_those_of_the_family(tmp_path: Path) -> None:
    port = free_port()
    process = await start_example("embedded_users.py", "--port", str(port), folder=tmp_path)
    url = f"http://127.0.0.1:{port}"
    try:
        async with (
            await signed_in(url, "ann") as ann,
            await signed_in(url, "bob") as bob,
            aiohttp.ClientSession(url) as nobody,
        ):
            await ann.post("/todo/tasks/", json={"description": "of ann"})
            await bob.post("/todo/workspaces/family/tasks/", json={"description": "of both"})

            of_ann = await (await ann.get("/todo/tasks/")).json()
            of_bob = await (await bob.get("/todo/tasks/")).json()
            shared = await (await ann.get("/todo/workspaces/family/tasks/")).json()
            foreign = await bob.get("/todo/workspaces/u_ann/tasks/")
            stranger = await nobody.get("/todo/tasks/")
    finally:
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)

    assert [task["description"] for task in of_ann] == ["of ann"]
    assert of_bob == []
    assert [task["description"] for task in shared] == ["of both"]
    assert (foreign.status, stranger.status) == (403, 401)
