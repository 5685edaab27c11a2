"""The limit of the framework: aiohttp on uvloop answers fixed bytes, of the size of a real response.

The environment variable is PORT.
"""

from __future__ import annotations

import json
import os

import uvloop
from aiohttp import web

JSON = {"Content-Type": "application/json"}
ONE = b'{"id":500,"description":"task number 000500"}'
HUNDRED = json.dumps([{"id": number, "description": f"task number {number:06d}"} for number in range(1, 101)]).encode()


async def one(request: web.Request) -> web.Response:
    return web.Response(body=ONE, headers=JSON)


async def hundred(request: web.Request) -> web.Response:
    return web.Response(body=HUNDRED, headers=JSON)


async def create(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=ONE, status=201, headers=JSON)


app = web.Application()
app.router.add_get("/one", one)
app.router.add_get("/tasks/", hundred)
app.router.add_post("/tasks/", create)
app.router.add_get("/tasks/{id}", one)
web.run_app(
    app,
    host="127.0.0.1",
    port=int(os.environ["PORT"]),
    access_log=None,
    print=None,
    loop=uvloop.new_event_loop(),
)
