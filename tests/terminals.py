"""Programs that run on a pseudo-terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Mapping

from patience import PATIENCE_SECONDS
from service_process import environment_with


def read_to_end(ours: int) -> bytes:
    """Returns what is written to a terminal until its other side is closed, and closes our side, `ours`."""
    written = b""
    with contextlib.suppress(OSError):  # the other side is closed
        while part := os.read(ours, 10_000):
            written += part
    os.close(ours)
    return written


def read_until(ours: int, text: str) -> str:
    """Returns what is shown until `text` is.  Fails after PATIENCE_SECONDS without anything more."""
    shown = b""
    while text.encode() not in shown:
        assert select.select([ours], [], [], PATIENCE_SECONDS)[0], shown
        shown += os.read(ours, 10_000)
    return shown.decode()


def on_terminal(*words: str, columns: int, environment: Mapping[str, str] | None = None) -> str:
    """Returns what a program writes to a terminal of that width, which all of its streams are."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    variables = environment_with(environment)
    variables.pop("COLUMNS", None)
    with subprocess.Popen(words, env=variables, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = read_to_end(ours)
    assert process.returncode == 0, written
    return written.decode().replace("\r\n", "\n")
