"""Commands that run as another user of the machine, which only root can start."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import tasksvc_sqlite

import tasksvc

_SHOW = """
set -e
umask 022
IFS='
'
staging=/mnt  # a folder that each Linux has; what is mounted over it is seen by this command alone
mount -t tmpfs tmpfs "$staging"
i=0
for folder in $FOLDERS; do i=$((i + 1)); mkdir -p "$staging/$i"; mount --bind "$folder" "$staging/$i"; done
for folder in $CLOSED; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
i=0
for folder in $FOLDERS; do i=$((i + 1)); mkdir -p "$folder"; mount --bind "$staging/$i" "$folder"; done
exec "$@"
"""


def as_user(uid: int, *, group: int) -> tuple[str, ...]:
    """Returns what to put before a command so that it runs as this user, in no other group.

    Where the user may not enter the folders that Python and tasksvc are in, the command runs in a mount namespace that
    shows them.
    """
    return (*_showing(), "setpriv", f"--reuid={uid}", f"--regid={group}", "--clear-groups")


@cache
def _showing() -> tuple[str, ...]:
    installed = {Path(name).resolve() for name in (sys.prefix, sys.base_prefix)}
    sources = {Path(str(module.__file__)).resolve().parents[1] for module in (tasksvc, tasksvc_sqlite)}
    beside = {folder for folder in sources if not any(folder.is_relative_to(other) for other in installed)}
    hidden = {folder: closed for folder in sorted(installed | beside) for closed in _closed(folder)}
    if not hidden:
        return ()
    shown, closed = "\n".join(map(str, hidden)), "\n".join({str(folder) for folder in hidden.values()})
    variables = (f"FOLDERS={shown}", f"CLOSED={closed}")
    return ("env", *variables, "unshare", "--mount", "--propagation", "private", "sh", "-c", _SHOW, "sh")


def _closed(folder: Path) -> Iterator[Path]:
    """Returns the outermost parent of `folder` that other users may not enter, or None."""
    for parent in reversed(folder.parents):
        if not parent.stat().st_mode & stat.S_IXOTH:
            yield parent
            return
