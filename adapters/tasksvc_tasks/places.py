"""The folders of the user in which the commands keep things, as the XDG Base Directory Specification has them.

On Windows they are those of the user's applications.  They are made when something is written, for the user alone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tasksvc_tasks.failures import Failed

NAME = "tasksvc"


def configuration_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Returns the folder of what the user wants to keep: `$XDG_CONFIG_HOME/tasksvc`."""
    return _folder(environment, "XDG_CONFIG_HOME", "APPDATA", ".config")


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Returns the folder of what the commands keep for themselves: `$XDG_STATE_HOME/tasksvc`."""
    return _folder(environment, "XDG_STATE_HOME", "LOCALAPPDATA", ".local/state")


def write_privately(path: Path, text: str) -> None:
    """Replaces the file at `path` at once by one that only the user can read.  Raises Failed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # with mode 0600
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}.") from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other commands out that lock the same file, which is created beside `path`; waits for them.

    Raises Failed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = open(path.with_name(f"{path.name}.lock"), "a")  # noqa: SIM115
    except OSError as error:
        raise Failed(f"{path.parent} cannot be written: {error.strerror}.") from error
    with file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _folder(environment: Mapping[str, str], variable: str, on_windows: str, at_home: str) -> Path:
    base = environment.get(variable) or (environment.get(on_windows) if sys.platform == "win32" else None)
    if base and Path(base).is_absolute():  # the specification has others ignored
        return Path(base) / NAME
    try:
        return Path.home() / at_home / NAME
    except RuntimeError as error:
        raise Failed(f"There is no home folder. Set {variable} to an absolute path.") from error
