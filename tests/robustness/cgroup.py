"""A limit on the memory of a process, by a control group of Linux."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

_ROOT = Path("/sys/fs/cgroup")
_ENTER = 'echo $$ > "$0" && exec "$@"'


class NoCgroups(Exception):
    """This machine, or this user, can't create control groups."""


class Cgroup:
    """A control group whose processes have `size` bytes together, from the start of the `with` block to its end."""

    def __init__(self, size: int) -> None:
        self._size = size

    @property
    def command(self) -> list[str]:
        """Returns what to put before the command of a process that belongs to it."""
        return ["/bin/sh", "-c", _ENTER, str(self._folder / "cgroup.procs")]

    def __enter__(self) -> Cgroup:
        """Creates the group. Raises NoCgroups."""
        try:
            self._folder = _make()
            v1 = (self._folder / "memory.limit_in_bytes").exists()
            names = (
                ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if v1 else ("memory.max", "memory.swap.max")
            )
            (self._folder / names[0]).write_text(str(self._size))
            if (self._folder / names[1]).exists():
                (self._folder / names[1]).write_text(str(self._size if v1 else 0))
        except OSError as error:
            raise NoCgroups(f"No control group with a limit on memory can be made here: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._folder.rmdir()


def _make() -> Path:
    """Creates a group below that of this process, and returns its folder."""
    names = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    if "memory" in names:  # version 1
        parent = _ROOT / "memory" / names["memory"].lstrip("/")
    else:
        parent = _ROOT / names.get("", "/").lstrip("/")
    if not parent.exists():  # in a container that sees its own group as the root
        parent = _ROOT / "memory" if "memory" in names else _ROOT
    folder = parent / f"tasksvc-test-{os.getpid()}"
    folder.mkdir()
    return folder
