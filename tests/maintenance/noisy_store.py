"""An adapter for noisy: stores, which makes Python and asyncio write to the log in every possible way."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import warnings
from pathlib import Path

from tasksvc import CommitResult, InMemoryRepository, StoreURL, TaskRepository, hookimpl

NOISES = ("a warning", "a thread that fails", "a finalizer that fails", "a task that fails", "a call that fails",
          "a line that does not fit", "a coroutine that nobody awaits", "two lines")  # fmt: skip
"""Texts that the log must contain."""


class NoisyRepository(InMemoryRepository):
    """Fails at the first commit, with a traceback of many lines."""

    async def commit(self, *args: object, **more: object) -> CommitResult:
        raise LookupError("a commit\nthat fails")


class StuckRepository(InMemoryRepository):
    """Leaves a thread that keeps the process from ending."""

    async def close(self) -> None:
        threading.Thread(target=threading.Event().wait, name="a-thread-that-hangs").start()
        await super().close()


class EndOfTheProcess(BaseException):
    """An exception that isn't caught anywhere."""


class Finalized:
    def __del__(self) -> None:
        raise LookupError("a finalizer that fails")


def fail(what: str) -> None:
    raise LookupError(what)


async def fail_later(what: str) -> None:
    raise LookupError(what)


PORT = 3


@hookimpl
async def tasksvc_open_store(url: StoreURL) -> TaskRepository:
    if url.netloc == "crash":
        raise EndOfTheProcess("nobody catches this\nin one line")
    if url.netloc == "stuck":
        return StuckRepository()
    warnings.warn("a warning", stacklevel=1)
    thread = threading.Thread(target=fail, args=["a thread that fails"])
    thread.start()
    thread.join()
    del thread
    Finalized()
    fail_later("a coroutine that nobody awaits")  # type: ignore[unused-coroutine]  # which is what it shows
    task = asyncio.ensure_future(fail_later("a task that fails"))
    await asyncio.wait([task])
    del task
    asyncio.get_running_loop().call_soon(fail, "a call that fails")
    logging.getLogger("noisy").warning("a line that does not fit: %d", "seven")
    logging.getLogger("noisy").info("two lines\nof text")
    await asyncio.sleep(0)
    return NoisyRepository()


def install(site: Path) -> dict[str, str]:
    """Installs this module as the adapter of noisy: stores, and returns the variables of a Python that finds it."""
    metadata = site / "noisy_store-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: noisy-store\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tasksvc.stores]\nnoisy = noisy_store\n")
    return {"PYTHONPATH": os.pathsep.join([str(site), str(Path(__file__).parent)])}
