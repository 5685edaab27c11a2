"""A statement that would never end is interrupted, even one that hasn't begun."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from patience import PATIENCE_SECONDS
from tasksvc_sqlite.connection import connect, interrupt

ENDLESS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT count(*) FROM numbers"


async def test_a_statement_that_waits_for_its_thread_is_ended(tmp_path: Path) -> None:
    reached, gate = threading.Event(), threading.Event()

    def hold() -> bool:
        reached.set()
        return gate.wait(PATIENCE_SECONDS)

    connection = await connect(str(tmp_path / "file.db"))
    await connection.create_function("hold", 0, hold)
    before = asyncio.ensure_future(connection.execute_fetchall("SELECT hold()"))
    await asyncio.to_thread(reached.wait, PATIENCE_SECONDS)
    endless = asyncio.ensure_future(connection.execute_fetchall(ENDLESS))
    ending = asyncio.ensure_future(interrupt(connection, endless))
    await asyncio.sleep(0)  # the first attempt to end it, which comes too early

    try:
        gate.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait([ending])

        assert endless.done()
        assert str(endless.exception()) == "interrupted"
    finally:
        await asyncio.wait([before])
        before.exception()  # retrieved, since it may have been ended too
        await connection.interrupt()
        await asyncio.wait([endless])
        await connection.close()


async def test_what_is_done_already_is_let_be(tmp_path: Path) -> None:
    connection = await connect(str(tmp_path / "file.db"))
    done = asyncio.ensure_future(connection.execute_fetchall("SELECT 1"))
    await done

    await interrupt(connection, done)

    assert list(await connection.execute_fetchall("SELECT 2")) == [(2,)]
    await connection.close()
