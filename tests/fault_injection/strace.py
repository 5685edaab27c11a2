"""Runs a service under strace, which shows its calls of the operating system, and makes one of them fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from patience import PATIENCE_SECONDS

STRACE = shutil.which("strace") or ""
STORE_CALLS = ("pwrite64", "fdatasync", "fsync", "ftruncate")
"""The calls with which SQLite changes files and syncs them."""


def why_not() -> str | None:
    """Returns why nothing can be traced here, or None if it can."""
    if not STRACE:
        return "strace is not installed"
    done = subprocess.run(
        [STRACE, "-f", "-o", os.devnull, sys.executable, "--version"], capture_output=True, text=True, check=False
    )
    return f"strace may not trace: {done.stderr.strip()}" if done.returncode else None


class Call(NamedTuple):
    """A call of the operating system that has ended; of `write`, one that begins."""

    name: str
    file: str
    """The name of the file, without its folder; empty if there is none."""
    arguments: str
    succeeded: bool


class Trace:
    """What strace writes about one run of a service, whose command follows `command`."""

    def __init__(self, log: Path, *calls: str, failing: str | None = None) -> None:
        """Prepares a trace; `failing` is what to make fail, in strace's form, such as fdatasync:error=EIO:when=3."""
        self._log = log
        self.command = [STRACE, "-D", "-f", "-y", "--seccomp-bpf", "-o", str(log), "-e", f"trace={','.join(calls)}"]
        self.command += ["-E", "COVERAGE_PROCESS_CONFIG"]  # which would make calls of its own
        if failing is not None:
            self.command += ["-e", f"inject={failing}"]

    def text(self) -> str:
        """Returns the whole text, once the service has ended."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            text = self._log.read_text(errors="replace")
            ended = text.count("+++ exited with") + text.count("+++ killed by")
            if ended == len({line.split()[0] for line in text.splitlines()}):
                return text
            assert time.monotonic() < end, f"strace did not finish:\n{text[-1000:]}"
            time.sleep(0.01)

    def calls(self) -> Iterator[Call]:
        """Returns the calls in the order in which they end; those of `write`, in which they begin."""
        begun: dict[str, re.Match[str]] = {}
        for line in self.text().splitlines():
            thread, _, text = line.partition(" ")
            if (whole := _BEGIN.match(text.lstrip())) is not None:
                begun[thread] = whole
                if "<unfinished ...>" in text and whole["name"] != "write":
                    continue
            elif "resumed>" in text and begun[thread]["name"] != "write":
                whole = begun[thread]
            else:
                continue
            file = (whole["file"] or "").rpartition("/")[2]
            yield Call(whole["name"], file, whole["rest"], " = -1 " not in text)


_BEGIN = re.compile(r"(?P<name>\w+)\(\d+<(?P<file>[^>]*)>(?P<rest>.*)")
