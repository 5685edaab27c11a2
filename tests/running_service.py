"""A real service, as a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

READY_SECONDS = 30.0
STOP_SECONDS = 30.0


class RunningService:
    """`tasksvc` on a free port of 127.0.0.1, from the start of the `with` block to its end."""

    def __init__(self, *arguments: str, folder: Path) -> None:
        """`arguments` come after `tasksvc`; `folder` is the working directory."""
        self._arguments, self._folder = arguments, folder
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """What it has printed since its last start, on both streams."""
        return "".join(self._lines)

    def start(self) -> None:
        """Returns when it is ready.  A second start takes the same port."""
        self._lines.clear()
        command = [sys.executable, "-m", "tasksvc", "--port", str(self.port), *self._arguments]
        self._process = subprocess.Popen(
            command, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._read, args=[self._process], daemon=True).start()
        end = time.monotonic() + READY_SECONDS
        while not (found := re.search(r"http://[^:]+:(\d+)/tasks/\n(.*\n){2}", self.output)):
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise AssertionError(f"The service did not get ready. It said:\n{self.output}")
            time.sleep(0.02)
        self.port = int(found[1])

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            self._lines.extend(lines)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it in order, and gives its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """Ends it with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> RunningService:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            try:
                self.stop()
            finally:
                self.kill()
