"""Reading Server-Sent Events (HTML standard, section 9.2)."""

from __future__ import annotations

import re
from typing import NamedTuple

LINE_MAX = 16 * 1024 * 1024
"""Bytes that a line may have. The largest change of a task has a fiftieth of it."""
_END = re.compile(rb"\r\n|\n|\r")


class Event(NamedTuple):
    """An event, or a block that has only an id."""

    type: str
    """The name of the event, `message` if it has none."""
    data: str | None
    id: str | None
    """The id of the last event that had one, or None."""


class EventStream:
    """The events of one stream, whose bytes come in chunks of any size."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        """The chunks of a line that hasn't ended."""
        self._rest_size = 0
        self._id: str | None = None
        self._begun = False
        self._block: list[tuple[str, str]] = []

    def feed(self, chunk: bytes) -> list[Event]:
        """Returns the events that end in a chunk. Raises ValueError if a line is too large or isn't UTF-8."""
        self._rest.append(chunk)
        self._rest_size += len(chunk)
        if self._rest_size > LINE_MAX:
            raise ValueError(f"A line is larger than {LINE_MAX:,} bytes.")
        if not _END.search(chunk) and not (len(self._rest) > 1 and self._rest[-2].endswith(b"\r")):
            return []
        data = b"".join(self._rest)
        if not self._begun:
            self._begun, data = True, data.removeprefix(b"\xef\xbb\xbf")
        events, at = [], 0
        for end in _END.finditer(data):
            if end.group() == b"\r" and end.end() == len(data):
                break  # a \n may follow
            line, at = data[at : end.start()], end.end()
            if line:
                name, _, value = line.decode().partition(":")
                self._block.append((name, value.removeprefix(" ")))
            elif (event := self._finish()) is not None:
                events.append(event)
        self._rest, self._rest_size = [data[at:]], len(data) - at
        return events

    def _finish(self) -> Event | None:
        block, self._block = self._block, []
        lines = [value for name, value in block if name == "data"]
        names = [value for name, value in block if name == "event"]
        ids = [value for name, value in block if name == "id" and "\0" not in value]
        if ids:
            self._id = ids[-1]
        if not lines and not ids:
            return None
        return Event(names[-1] if names and names[-1] else "message", "\n".join(lines) if lines else None, self._id)
