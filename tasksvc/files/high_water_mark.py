"""How far the store at a path was served: a note beside it, by which a file that was put back is known.

A copy that is put in the place of the file holds fewer changes than clients have seen, and would give the
same numbers to others in the same generation.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final

from tasksvc import LOG_START, Position

_SIZE: Final = 32 + 1 + 20 + 1
"""Bytes of the note: a generation, a space, the number of a change, and the end of the line."""

if sys.platform == "win32":  # pragma: no cover

    def _read(descriptor: int) -> bytes:
        os.lseek(descriptor, 0, os.SEEK_SET)
        return os.read(descriptor, _SIZE)

    def _write(descriptor: int, data: bytes) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, data)

else:

    def _read(descriptor: int) -> bytes:
        return os.pread(descriptor, _SIZE, 0)

    def _write(descriptor: int, data: bytes) -> None:
        os.pwrite(descriptor, data, 0)


class HighWaterMark:
    """The position of the last commit at a path, in an open file that stays beside the store.

    Its number grows with each change in any workspace, and its generation is one that each restore of the store
    renews.

    It's written after each commit and never before, so it isn't ahead of the store, whenever the process is
    killed.  It isn't brought to the disk each time: after a power failure it may be behind the store, which
    does no harm.  A mark that can't be written is skipped for the same reason.
    """

    def __init__(self, descriptor: int, *, is_new: bool) -> None:
        """Takes `is_new`, which says that the file wasn't there before."""
        self._descriptor = descriptor
        self.due: Position | None = None
        """What is written as soon as the transaction that runs now is committed."""
        if is_new and self.read() is None:
            with contextlib.suppress(OSError):
                os.write(descriptor, _note(LOG_START))

    def read(self) -> Position | None:
        """Returns the mark, or None in an empty file, which tasksvc left there before it kept a mark.

        What isn't a mark is read as LOG_START, which is of no store's generation.
        """
        note = _read(self._descriptor)
        if not note:
            return None
        generation, _, seq = note.decode("ascii", "replace").partition(" ")
        return Position(generation, int(seq)) if len(note) == _SIZE and seq.strip().isdecimal() else LOG_START

    def write(self, position: Position) -> None:
        """Replaces the mark beside the file."""
        with contextlib.suppress(OSError):
            _write(self._descriptor, _note(position))

    def sync(self) -> None:
        """Brings the mark to the disk."""
        with contextlib.suppress(OSError):
            os.fsync(self._descriptor)

    def doubt(self, head: Position) -> str | None:
        """Returns why a store whose log ends at `head` may not be the one that was served here last, as a clause.

        Returns None if it is that store, as far as the mark shows.
        """
        mark = self.read()
        if mark is None:
            return None
        if mark == LOG_START:
            return "was not served at this place before, as far as the .lock file beside it says"
        if mark.generation != head.generation:
            return "is another store than the one that was served here last"
        if mark.seq > head.seq:
            return f"ends with change {head.seq}, and was served here up to change {mark.seq}"
        return None


def _note(position: Position) -> bytes:
    return f"{position.generation} {position.seq}".ljust(_SIZE - 1).encode() + b"\n"
