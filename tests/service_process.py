"""The program as a separate process: a service that runs, or a command that ends."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from unittest import mock

from patience import PATIENCE_SECONDS

from tasksvc.application.limits import Timeouts
from tasksvc.cli.main import run

PLUGINS = os.environ.get("TASKSVC_TEST_PLUGINS")
"""The plugins that the tests run with, with commas, "" for none; without the variable all that are installed."""

_RUN_WITH_TIMEOUTS = """
import json, sys
from tasksvc.application.limits import Timeouts
from tasksvc.cli.main import main
timeouts = Timeouts(**json.loads(sys.argv[1]))
sys.argv[:] = ["tasksvc", *sys.argv[5:]]  # without python -m tasksvc
main(timeouts)
"""


def with_timeouts(timeouts: Timeouts) -> list[str]:
    """Returns what stands before the command of a service that runs with other timeouts."""
    return [sys.executable, "-c", _RUN_WITH_TIMEOUTS, json.dumps(timeouts._asdict())]


def environment_with(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns this process's environment with `variables` as the only ones of tasksvc.

    PYTHONUNBUFFERED isn't passed on: it hides what happens to output that stays in a buffer. SSL_CERT_FILE is empty:
    aiohttp loads all certificates of the machine when it is imported, and that takes a tenth of a start.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASKSVC_")}
    inherited.pop("PYTHONUNBUFFERED", None)
    plugins = {} if PLUGINS is None else {"TASKSVC_PLUGINS": PLUGINS or "none"}
    return inherited | {"SSL_CERT_FILE": os.devnull} | plugins | dict(variables or {})


def unmeasured(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns `environment` without what starts coverage in a subprocess, which imports modules and writes files."""
    return {name: value for name, value in environment.items() if not name.startswith("COVERAGE_")}


def run_tasksvc(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end and returns its exit status and what it wrote to each stream.

    `arguments` come after `tasksvc`, and `before` before it.
    """
    return subprocess.run(
        [*before, sys.executable, "-m", "tasksvc", *arguments],
        cwd=folder,
        env=environment_with(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def run_here(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command like run_tasksvc(), but within this process, which is faster.

    It's for commands that end by themselves and write text: not for `serve`, nor for `migrate`, which sets up the log,
    nor for `export -`, which writes to the descriptor.
    """
    printed, said = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environment_with(environment), clear=True),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(said),
    ):
        status = run(arguments)
    texts = [stream.buffer.getvalue().decode() for stream in (printed, said)]
    return subprocess.CompletedProcess(arguments, status, *texts)


class RunningService:
    """A `tasksvc` on a free port of 127.0.0.1, from the start of the `with` block to its end."""

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        """Prepares `before` tasksvc `arguments`, with `folder` as the working directory.

        `environment` has the variables of tasksvc.
        """
        self._arguments, self.folder, self._before = arguments, folder, before
        self._environment = environment_with(environment)
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """Returns what it has printed on both streams since its last start."""
        return "".join(self._lines)

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process of the last start."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Starts it and returns when it is ready. A second start uses the same port."""
        self.begin()
        self.wait_until_ready()

    def begin(self) -> None:
        """Starts it without waiting until it is ready."""
        self._lines = []
        command = [*self._before, sys.executable, "-m", "tasksvc", "--port", str(self.port), *self._arguments]
        self._process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=[self._process, self._lines], daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> None:
        """Waits until it is ready. Fails if it ends instead, or takes too long."""
        if not self.gets_ready():
            self.kill()
            raise AssertionError(f"The service did not get ready. It said:\n{self.output}")

    def gets_ready(self) -> bool:
        """Waits until it is ready or has ended, and returns whether it is ready."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not (found := re.search(r"http://[^:]+:(\d+)/tasks/(\n(.*\n){2}|\".*\n)", self.output)):
            if self.process.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(0.02)
        self.port = int(found[1])
        return True

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: list[str]) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            lines.extend(stream)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stops it with SIGTERM and returns its exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Waits until it has ended and returns its exit status; its output is then complete."""
        status = self.process.wait(PATIENCE_SECONDS)
        if self._reader is not None:
            self._reader.join(PATIENCE_SECONDS)
        return status

    def kill(self) -> None:
        """Kills it with SIGKILL and waits."""
        self.process.kill()
        self.wait()

    def __enter__(self) -> RunningService:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            try:
                self.stop()
            finally:
                self.kill()
