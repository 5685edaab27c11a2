"""Looks names up in threads of its own.

The event loop's own threads are few (four with uvloop), so some names whose servers don't answer would hold up all
other lookups of the process.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

Lookup: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the addresses that a name leads to, or raises OSError."""

ADDRESSES_MAX: Final = 16
"""Addresses of a name that count.  A name may have thousands, which would be tried one after the other."""


class Lookups:
    """Looks names up with getaddrinfo(), each in a thread that ends with it and that no exit of the process awaits."""

    def __init__(self, limit: int, getaddrinfo: Callable[..., Sequence[Any]] = socket.getaddrinfo) -> None:
        """Takes how many threads may run at once."""
        self._free, self._getaddrinfo = threading.Semaphore(limit), getaddrinfo

    async def __call__(self, host: str) -> Sequence[str]:
        """Returns up to ADDRESSES_MAX addresses of `host`, in the order in which they should be tried.

        Raises OSError if there are none, or if too many lookups are running.  A lookup that is cancelled goes on in its
        thread, and counts until it has ended.
        """
        if not self._free.acquire(blocking=False):
            raise OSError(errno.EAGAIN, "Too many names are being looked up.")
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[str]] = loop.create_future()

        def settle(addresses: Sequence[str], error: Exception | None) -> None:
            if not found.done():
                found.set_exception(error) if error else found.set_result(addresses)

        def run() -> None:
            addresses: Sequence[str] = ()
            failed: Exception | None = None
            try:
                infos = self._getaddrinfo(host, None, type=socket.SOCK_STREAM)
                addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))[:ADDRESSES_MAX]
            except OSError as error:
                failed = error
            except Exception as error:  # UnicodeError, for a label that is too long
                failed = OSError(errno.EINVAL, f"The name can't be looked up ({type(error).__name__}).")
            finally:
                self._free.release()
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(settle, addresses, failed)

        try:
            threading.Thread(target=run, name="tasksvc-webhooks-lookup", daemon=True).start()
        except RuntimeError as error:
            self._free.release()
            raise OSError(errno.EAGAIN, "No thread can be started.") from error
        return await found
