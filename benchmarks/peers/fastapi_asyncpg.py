"""A careful user's service on PostgreSQL: FastAPI and an asyncpg pool, one statement a request.

The environment variables are PORT and PG_DSN.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel


class TaskIn(BaseModel):
    description: str


class Task(TaskIn):
    id: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["PG_DSN"], min_size=8, max_size=8) as pool:
        await pool.execute("DROP TABLE IF EXISTS peer_tasks")
        await pool.execute(
            "CREATE TABLE peer_tasks (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, description text NOT NULL)"
        )
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/tasks/", status_code=201)
async def create(task: TaskIn, request: Request) -> Task:
    insert = "INSERT INTO peer_tasks (description) VALUES ($1) RETURNING id, description"
    return Task(**await request.app.state.pool.fetchrow(insert, task.description))


@app.get("/tasks/")
async def show_all(request: Request) -> list[Task]:
    rows = await request.app.state.pool.fetch("SELECT id, description FROM peer_tasks ORDER BY id")
    return [Task(**row) for row in rows]


@app.get("/tasks/{task_id}")
async def show(task_id: int, request: Request) -> Task:
    row = await request.app.state.pool.fetchrow("SELECT id, description FROM peer_tasks WHERE id = $1", task_id)
    if row is None:
        raise HTTPException(404, "not found")
    return Task(**row)


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=False, log_level="warning")
