"""A text stream whose write() never waits, for what a service says of itself.

Standard error may be a pipe that nobody reads or a terminal that is stopped.  A service that writes to
it itself stops with it.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO, cast

PENDING_BYTES = 2**20
"""Bytes that may wait to be written; what comes beyond them is lost, and counted."""
END_SECONDS = 1.0
"""Seconds that the end of the process waits for what is still to be written."""


class BackgroundStream(io.TextIOBase):
    """Hands text to a thread, which writes it to a file descriptor."""

    def __init__(self, stream: TextIO, note: Callable[[int], str] = "{} lines are missing here.\n".format) -> None:
        """Writes where `stream` does, in its encoding.

        `note`: what is written in place of a number of lines that were lost.  Raises OSError where
        `stream` has no descriptor.
        """
        self._stream, self._note = stream, note
        self._descriptor = os.dup(stream.fileno())  # the number of `stream` may be another file's once it is closed
        self._pending: deque[tuple[int, bytes]] = deque()
        """Text, and how many lines are missing before it."""
        self._missing = 0
        """Lines that are missing after all that is pending."""
        self._size = 0
        """Bytes that are pending or just being written."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream below."""
        return self._stream.encoding

    def fileno(self) -> int:
        """Returns the descriptor of the stream below."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Returns whether it is a terminal."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """Returns True, since writing never fails."""
        return True

    def write(self, text: str) -> int:
        """Takes `text`, at once.  It is lost where PENDING_BYTES wait already, or where the system refuses it."""
        data = text.encode(self.encoding, "backslashreplace")
        if not data:
            return 0
        with self._changed:
            if self._size + len(data) > PENDING_BYTES:
                self._missing += _lines(data)
            else:
                self._size += len(data)
                self._pending.append((self._missing, data))
                self._missing = 0
                if self._thread is None:
                    self._start()
                self._changed.notify_all()
        return len(text)

    def drain(self, seconds: float) -> None:
        """Waits up to `seconds` until all that was taken is written."""
        with self._changed:
            self._changed.wait_for(lambda: not self._size, seconds)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._write_pending, name="background-stream", daemon=True)
        self._thread.start()
        atexit.register(self.drain, END_SECONDS)

    def _write_pending(self) -> None:
        missing = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending)
                before, data = self._pending.popleft()
            missing += before
            note = self._note(missing).encode(self.encoding, "backslashreplace") if missing else b""
            try:
                self._write_all(note + data)
            except OSError:  # a full disk, a pipe whose reader has left
                missing += _lines(data)
            else:
                missing = 0
            with self._changed:
                self._size -= len(data)
                self._changed.notify_all()

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:  # another process has set what it shares with this one to non-blocking
                select.select([], [self._descriptor], [])


def _lines(data: bytes) -> int:
    return data.count(b"\n") or 1


def in_background(stream: TextIO, note: Callable[[int], str]) -> TextIO:
    """Returns `stream` as one that never waits, if it has a descriptor to wait for and isn't one already."""
    if isinstance(stream, BackgroundStream):
        return stream
    try:
        return cast(TextIO, BackgroundStream(stream, note))
    except OSError:  # io.UnsupportedOperation: it is in memory
        return stream
