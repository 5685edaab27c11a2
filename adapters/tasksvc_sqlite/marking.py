"""Writes the high-water mark of a store in the thread that commits."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from tasksvc import Position
from tasksvc.files import HighWaterMark

KEEP_MARK: Final = "SELECT keep_mark(?, ?)"
"""The statement of a MarkingConnection that replaces the mark and brings it to the disk."""


class MarkingConnection(sqlite3.Connection):
    """Writes the mark in the thread that commits; in that of the event loop, a busy disk would hold up everybody."""

    def __init__(self, mark: HighWaterMark, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._mark = mark
        self.create_function("keep_mark", 2, self._keep_mark)

    def _keep_mark(self, generation: str, seq: int) -> None:
        self._mark.write(Position(generation, seq))
        self._mark.sync()

    def close(self) -> None:
        super().close()
        self._mark.sync()

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        cursor = super().execute(sql, parameters)
        if (due := self._mark.due) is not None and not self.in_transaction:
            self._mark.due = None
            self._mark.write(due)
        return cursor
