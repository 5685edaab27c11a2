"""A careful user's service without a framework for APIs: aiohttp and aiosqlite, one statement a request, WAL.

The environment variables are PORT, STORE_FILE and SYNCHRONOUS. FULL keeps acknowledged writes through a power cut, as
tasksvc does; NORMAL doesn't.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import aiosqlite
import orjson
import uvloop
from aiohttp import web

JSON = {"Content-Type": "application/json"}
DATABASE: web.AppKey[aiosqlite.Connection] = web.AppKey("database", aiosqlite.Connection)


def answer(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, headers=JSON)


async def create(request: web.Request) -> web.Response:
    description = orjson.loads(await request.read())["description"]
    insert = "INSERT INTO tasks (description) VALUES (?) RETURNING id"
    ((task_id,),) = await request.app[DATABASE].execute_fetchall(insert, (description,))
    return answer({"id": task_id, "description": description}, 201)


async def show(request: web.Request) -> web.Response:
    select = "SELECT id, description FROM tasks WHERE id = ?"
    rows = list(await request.app[DATABASE].execute_fetchall(select, (int(request.match_info["id"]),)))
    if not rows:
        return answer({"detail": "not found"}, 404)
    return answer({"id": rows[0][0], "description": rows[0][1]})


async def show_all(request: web.Request) -> web.Response:
    rows = await request.app[DATABASE].execute_fetchall("SELECT id, description FROM tasks ORDER BY id")
    return answer([{"id": task_id, "description": description} for task_id, description in rows])


async def database(app: web.Application) -> AsyncIterator[None]:
    async with aiosqlite.connect(os.environ["STORE_FILE"], isolation_level=None) as connection:
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute(f"PRAGMA synchronous = {os.environ.get('SYNCHRONOUS', 'FULL')}")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY AUTOINCREMENT, description TEXT NOT NULL)"
        )
        app[DATABASE] = connection
        yield


app = web.Application()
app.cleanup_ctx.append(database)
app.router.add_post("/tasks/", create)
app.router.add_get("/tasks/", show_all)
app.router.add_get(r"/tasks/{id:\d+}", show)
web.run_app(
    app,
    host="127.0.0.1",
    port=int(os.environ["PORT"]),
    access_log=None,
    print=None,
    loop=uvloop.new_event_loop(),
)
