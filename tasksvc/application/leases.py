"""Leases: work that one process at a time does, among all that share a store.

A lease is a record that its holder renews.  Another process takes it when it has seen the same version of the record
for `timeouts.lease` seconds.  The holder stops its work a little earlier, counted from the start of its last renewal.
Each process measures that by its own monotonic clock, so no clocks are compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum, auto
from typing import Any, Final, cast

from tasksvc.application.limits import Timeouts
from tasksvc.application.plugin_records import Delete, Put, Records
from tasksvc.domain.errors import NotSupported, RecordConflict, StoreUnavailable, TasksvcError
from tasksvc.domain.record import Record
from tasksvc.ports.store import Capability

HOLDER_SHARE: Final = 5 / 6
"""The part of `timeouts.lease` after which a holder that couldn't renew it stops.  The rest is for the work to end."""
RETRY_SHARE: Final = 1 / 8
"""The part of `timeouts.lease_renewal` after which a renewal that failed is tried again."""
LEAST_CHECK_SECONDS: Final = 0.01
"""Seconds between two looks at a lease at least."""
RELEASE_SECONDS: Final = 1.0
"""Seconds that the end of a holder waits for the store to take the lease back."""
SLOW_END_SECONDS: Final = 5.0
"""Seconds between two log lines about cancelled work that doesn't end."""

Work = Callable[[], Coroutine[Any, Any, None]]

log = logging.getLogger("tasksvc")


class LeaseLost(TasksvcError):
    """This process doesn't hold the lease any more, so its work must stop."""


def backoff(failures: int, timeouts: Timeouts) -> float:
    """Returns the seconds to wait after `failures` in a row, of which there is one at least."""
    return min(timeouts.consumer_retry * 2.0 ** min(failures - 1, 30), timeouts.consumer_retry_max)


class _Ending(Enum):
    """How the work under a lease has ended."""

    DONE = auto()
    LOST = auto()
    FAILED = auto()


class _Term:
    """The time for which a process holds a lease."""

    def __init__(self, record: Record, renewed: float, seconds: float) -> None:
        """Takes the record as this process wrote it, when it began to do so, and for how long that is good."""
        self.record, self.renewed, self._seconds = record, renewed, seconds
        self.is_taken = False
        """Whether another process has taken the lease."""
        self.writing = asyncio.Lock()
        """Held while the record is written."""

    @property
    def left(self) -> float:
        """The seconds that are left of the term, by the monotonic clock of the event loop."""
        return 0.0 if self.is_taken else self.renewed + self._seconds - asyncio.get_running_loop().time()


class Lease:
    """A lease, as one of the processes sees it that want it."""

    def __init__(self, records: Records, name: str, timeouts: Timeouts) -> None:
        """Takes the records in which it's kept under the key `lease:NAME`."""
        self._records, self._key, self._timeouts = records, f"lease:{name}", timeouts
        self._label = f"{name} of {records.namespace}"
        self._is_held = False
        self._term: _Term | None = None
        self._late: set[asyncio.Task[None]] = set()
        """Writes of the lease that were cancelled, and that the store may answer later."""

    @property
    def is_held(self) -> bool:
        """Whether this process holds the lease, and runs the work."""
        return self._is_held and (self._term is None or self._term.left > 0)

    async def hold(self, work: Work) -> None:
        """Runs `work()` whenever this process holds the lease, until the work returns or this is cancelled.

        It waits for the lease.  If the lease is lost it cancels the work, and waits for its end and for the lease
        again.  If the work raises, the log says so, the lease is given back, and the work starts again later, here or
        in another process.  When this ends, the work has ended, and the lease is given back at once.

        The work must end soon after it's cancelled, since another process may begin it a second later.  A store that
        one process serves needs no lease: there the work starts at once, and nothing is written.

        Raises NotSupported if several processes may serve the store and it keeps no records.
        """
        failures, loop = 0, asyncio.get_running_loop()
        while True:
            self._term = await self._take() if Capability.SHARED in self._records.capabilities else None
            began, self._is_held = loop.time(), True
            try:
                ending = await self._run(work, self._term)
            finally:
                self._is_held = False
            if ending is _Ending.DONE:
                return
            if ending is _Ending.LOST:
                await asyncio.sleep(self._timeouts.lease_check)
                continue
            ran_well = loop.time() - began > self._timeouts.consumer_retry_max
            failures = 1 if ran_well else failures + 1
            await asyncio.sleep(backoff(failures, self._timeouts))

    async def write(self, writes: Sequence[Put | Delete]) -> Sequence[Record | None]:
        """Does what Records.write() does, in a commit that renews the lease too: a former holder writes nothing.

        It's for the work.  Raises LeaseLost if this process doesn't hold the lease, and what Records.write() raises.
        """
        if not self.is_held:
            raise self._lost()
        if self._term is None:
            return await self._records.write(writes)
        return await self._write(self._term, self._term.record.value["holder"], writes)

    # ------------------------------------------------------------ taking it

    async def _take(self) -> _Term:
        """Returns when this process holds the lease."""
        loop, timeouts = asyncio.get_running_loop(), self._timeouts
        holder = secrets.token_hex(8)  # another one for each term, so that no record looks like an earlier one
        seen, seen_since = None, loop.time()
        while True:
            asked = loop.time()
            try:
                record = await self._records.get(self._key)
                if record is None or record != seen:
                    seen, seen_since = record, loop.time()
                if _is_free(record, holder) or asked - seen_since >= timeouts.lease:
                    return await self._begin(record, holder)
            except RecordConflict:
                pass  # another process was faster
            except NotSupported:
                raise
            except StoreUnavailable as error:
                log.warning("The lease %s cannot be taken yet: %s", self._label, error)
            except Exception as error:
                log.error("The lease %s cannot be taken yet.", self._label, exc_info=error)
            left = seen_since + timeouts.lease - loop.time()
            await asyncio.sleep(min(timeouts.lease_check, max(left, LEAST_CHECK_SECONDS)))

    async def _begin(self, record: Record | None, holder: str) -> _Term:
        """Takes the lease, whose record is this one, by compare-and-set."""
        began, seconds = asyncio.get_running_loop().time(), self._timeouts.lease * HOLDER_SHARE
        version = 0 if record is None else record.version
        own = Record(self._records.namespace, self._key, {"holder": holder}, version + 1)
        try:
            own = await self._records.put(self._key, own.value, expected=version)
        except asyncio.CancelledError:
            await self._release(_Term(own, began, seconds))  # which may have been taken
            raise
        log.info("This process has taken the lease %s.", self._label)
        return _Term(own, began, seconds)

    # ------------------------------------------------------------ holding it

    async def _run(self, work: Work, term: _Term | None) -> _Ending:
        """Runs the work until it ends, or the term does."""
        working = asyncio.create_task(work())
        renewing = None if term is None else asyncio.create_task(self._renew(term))
        was_lost = False
        try:
            try:
                await _wait(working, renewing, term)
            finally:
                was_lost = not working.done()
                working.cancel()
                await self._wait_for_end(working)
        finally:
            if term is not None and renewing is not None:
                self._leave(renewing)
                if working.done():
                    await self._release(term)
        return self._judge(working, was_lost)

    async def _wait_for_end(self, working: asyncio.Task[None]) -> None:
        while not working.done():
            await asyncio.wait([working], timeout=SLOW_END_SECONDS)
            if not working.done():
                log.error("The work of the lease %s was cancelled, and does not end.", self._label)

    def _judge(self, working: asyncio.Task[None], was_lost: bool) -> _Ending:
        """Returns how the work ended, which the log says too."""
        error = None if working.cancelled() else working.exception()
        if isinstance(error, StoreUnavailable):
            log.warning("The work of the lease %s failed: %s", self._label, error)
        elif error is not None and not isinstance(error, LeaseLost):
            log.error("The work of the lease %s failed.", self._label, exc_info=error)
        elif was_lost or error is not None:
            log.warning("This process has lost the lease %s, and stopped its work.", self._label)
            return _Ending.LOST
        elif working.cancelled():
            log.error("The work of the lease %s was cancelled from within.", self._label)
        else:
            return _Ending.DONE
        return _Ending.FAILED

    # ------------------------------------------------------------ writing it

    async def _renew(self, term: _Term) -> None:
        """Renews the lease until another process has taken it."""
        loop, every = asyncio.get_running_loop(), self._timeouts.lease_renewal
        while not term.is_taken:
            await asyncio.sleep(max(term.renewed + every - loop.time(), every * RETRY_SHARE))
            if loop.time() < term.renewed + every:
                continue  # since a write of the work has renewed it
            try:
                await self._write(term, term.record.value["holder"])
            except LeaseLost:
                return
            except StoreUnavailable as error:
                log.warning("The lease %s cannot be renewed: %s", self._label, error)
            except Exception as error:
                log.error("The lease %s cannot be renewed.", self._label, exc_info=error)

    async def _release(self, term: _Term) -> None:
        """Gives the lease back.  If the store doesn't answer, the others wait until it has expired."""

        async def release() -> None:
            with contextlib.suppress(LeaseLost, StoreUnavailable):
                await self._write(term, None)

        releasing = asyncio.create_task(release())
        await asyncio.wait([releasing], timeout=RELEASE_SECONDS)
        self._leave(releasing)

    async def _write(
        self, term: _Term, holder: str | None, writes: Sequence[Put | Delete] = ()
    ) -> Sequence[Record | None]:
        """Writes the record after `writes`, all or nothing, and returns the results of `writes`."""
        async with term.writing:
            while not term.is_taken:
                began = asyncio.get_running_loop().time()
                own = Put(self._key, {"holder": holder}, term.record.version)
                try:
                    *results, record = await self._records.write([*writes, own])
                except RecordConflict as conflict:
                    if conflict.index < len(writes):
                        raise
                    if conflict.current is None or conflict.current.value["holder"] != term.record.value["holder"]:
                        term.is_taken = True
                    else:  # an earlier write was done although it failed
                        term.record = conflict.current
                else:
                    term.record, term.renewed = cast(Record, record), began
                    return results
        raise self._lost()

    def _lost(self) -> LeaseLost:
        return LeaseLost(f"This process doesn't hold the lease {self._label} any more.")

    def _leave(self, writing: asyncio.Task[None]) -> None:
        """Cancels a write of the lease, and doesn't wait for its end, which the store may put off."""
        writing.cancel()
        self._late.add(writing)
        writing.add_done_callback(self._late.discard)


async def _wait(working: asyncio.Task[None], renewing: asyncio.Task[None] | None, term: _Term | None) -> None:
    """Returns when the work has ended, or the term has, whatever a renewal waits for."""
    if term is None or renewing is None:
        await asyncio.wait([working])
        return
    while not working.done() and (left := term.left) > 0:
        await asyncio.wait([working, renewing], timeout=left, return_when=asyncio.FIRST_COMPLETED)


def _is_free(record: Record | None, holder: str) -> bool:
    """Returns whether nobody holds the lease, or this `holder`, whose last write was done although it failed."""
    return record is None or record.value["holder"] in (None, holder)
