"""Names are looked up in threads of their own, which hold up neither each other nor the end of the process."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from patience import PATIENCE_SECONDS, until
from tasksvc_webhooks.lookups import Lookups


def info(*addresses: str) -> list[tuple[Any, ...]]:
    """Returns what getaddrinfo() returns for the addresses."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 0)) for address in addresses]


class Hanging:
    """A getaddrinfo() that answers for names that begin with "slow" only when it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_answer = threading.Event()

    def __call__(self, host: str, *_: object, **__: object) -> Sequence[Any]:
        self.begun += 1
        if host.startswith("slow"):
            self.may_answer.wait(PATIENCE_SECONDS)
        return info("192.0.2.1")


async def test_the_system_is_asked_for_a_name() -> None:
    assert set(await Lookups(1)("localhost")) & {"127.0.0.1", "::1"}


async def test_each_address_is_returned_once_in_the_order_of_the_system() -> None:
    look_up = Lookups(1, lambda *_, **__: info("192.0.2.2", "192.0.2.1", "192.0.2.2"))

    assert await look_up("hooks.example.com") == ["192.0.2.2", "192.0.2.1"]


@pytest.mark.parametrize("host", ["a" * 64 + ".example.com", "a..example.com", "\x00", "."])
async def test_a_name_that_cannot_be_one_raises_oserror(host: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011
        await asyncio.wait_for(Lookups(1)(host), PATIENCE_SECONDS)


async def test_names_whose_servers_do_not_answer_hold_up_no_others() -> None:
    system = Hanging()
    look_up = Lookups(100, system)
    slow = [asyncio.create_task(look_up(f"slow{number}.example.com")) for number in range(50)]
    await until(lambda: system.begun == 50)

    assert await look_up("hooks.example.com") == ["192.0.2.1"]

    system.may_answer.set()
    assert await asyncio.gather(*slow) == [["192.0.2.1"]] * 50


async def test_a_lookup_beyond_the_limit_fails_at_once_and_one_that_was_cancelled_counts_until_it_ends() -> None:
    system = Hanging()
    look_up = Lookups(1, system)
    slow = asyncio.create_task(look_up("slow.example.com"))
    await until(lambda: system.begun)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow

    with pytest.raises(OSError, match="Too many names") as raised:
        await look_up("hooks.example.com")
    assert raised.value.errno == errno.EAGAIN

    system.may_answer.set()
    await until(lambda: not [thread for thread in threading.enumerate() if "webhooks-lookup" in thread.name])
    assert await look_up("hooks.example.com") == ["192.0.2.1"]


async def test_a_thread_that_cannot_be_started_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    look_up = Lookups(1, lambda *_, **__: info("192.0.2.1"))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fails)
        with pytest.raises(OSError, match="No thread"):
            await look_up("hooks.example.com")

    assert await look_up("hooks.example.com") == ["192.0.2.1"]


def test_a_lookup_that_hangs_holds_up_neither_the_event_loop_nor_the_end_of_the_process() -> None:
    script = f"""
import asyncio, time
from tasksvc_webhooks.lookups import Lookups

async def main():
    looking = asyncio.create_task(Lookups(1, lambda *_, **__: time.sleep({PATIENCE_SECONDS * 10}))("slow"))
    await asyncio.sleep(0.1)
    looking.cancel()

asyncio.run(main())
"""

    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=PATIENCE_SECONDS)
