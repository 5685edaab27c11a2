"""Puts tasks behind those that they are a part of, while the tasks wait in a temporary file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, NamedTuple, Self

from tasksvc_formats.drafts import Item
from tasksvc_formats.report import Fate, Report

LEVELS_MAX: Final = 8
"""Levels that tasks may be deep."""


class _Place(NamedTuple):
    """Where a task is in the file, and what it is a part of."""

    offset: int
    parent: str | None


class Ordering:
    """The tasks of a source, each once, parents first and otherwise in the order of the source.

    Memory holds the uids alone.
    """

    def __init__(self, items: Iterable[Item], report: Report) -> None:
        """Takes all `items`, which raise InvalidFile before anything else is done with the first ones."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._places: dict[str, _Place] = {}
        self._levels: dict[str, int] = {}
        try:
            for item in items:
                if item.uid in self._places:
                    report.add(Fate.LEFT_OUT, "second task with the same uid", item.fields["description"])
                    continue
                self._places[item.uid] = _Place(self._file.tell(), item.parent)
                self._file.write(json.dumps(item).encode() + b"\n")
            self._settle(report)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def uids(self) -> Iterator[str]:
        """Yields the uids of all tasks, in the order of the source."""
        return iter(self._places)

    def __iter__(self) -> Iterator[Item]:
        """Yields the tasks, each after the one that it is a part of."""
        given = set[str]()
        for uid in self._places:
            chain = []
            above: str | None = uid
            while above is not None and above not in given:
                chain.append(above)
                above = self._places[above].parent
            for name in reversed(chain):
                given.add(name)
                yield self._read(name)

    def _read(self, uid: str) -> Item:
        place = self._places[uid]
        self._file.seek(place.offset)
        uid, _, fields = json.loads(self._file.readline())
        return Item(uid, place.parent, fields)

    def _settle(self, report: Report) -> None:
        """Drops parents that are missing or below their own task, and moves up tasks that are nested too deeply."""
        for uid in self._places:
            chain, above = [uid], self._places[uid].parent
            seen = {uid}
            while above is not None and above in self._places and above not in self._levels and above not in seen:
                chain.append(above)
                seen.add(above)
                above = self._places[above].parent
            if above is not None and (above in seen or above not in self._places):
                name = "parent that is below its own part" if above in seen else "parent that isn't in the file"
                report.add(Fate.LEFT_OUT, name, above)
                self._move(chain[-1], None)
            for name in reversed(chain):
                self._settle_one(name, report)

    def _settle_one(self, uid: str, report: Report) -> None:
        parent = self._places[uid].parent
        level = 1 if parent is None else self._levels[parent] + 1
        if level > LEVELS_MAX:
            assert parent is not None, "the first level isn't too deep"
            report.add(
                Fate.CHANGED,
                f"subtasks below level {LEVELS_MAX}, which move up to it",
                self._read(uid)[2]["description"],
            )
            self._move(uid, self._places[parent].parent)
            level = LEVELS_MAX
        self._levels[uid] = level

    def _move(self, uid: str, parent: str | None) -> None:
        self._places[uid] = _Place(self._places[uid].offset, parent)
