"""A reader of the documentation, which runs what a page says and compares the output with the page."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pages import Page
from patience import PATIENCE_SECONDS
from service_process import RunningService

BIN = Path(sys.executable).parent
BASH = shutil.which("bash") or "bash"
BLOCK = re.compile(r"^```(sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"^([A-Z_]+)=(.*)$", re.MULTILINE)
SERVE = re.compile(r"^((?:[A-Z_]+=\S+ )*)tasksvc serve (.*)$")
CURL_MAX_TIME = 28
"""The exit status of curl when it reached its --max-time, which ends a stream."""

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="Debian: apt-get install curl")


def run_shell(command: str, folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """Runs `command` in bash and returns its output.  It has to succeed, or be a curl that reached its time."""
    done = subprocess.run(
        [BASH, "-c", command],
        cwd=folder,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, CURL_MAX_TIME), f"{command}\n{done.stderr}"
    return done.stdout


def normalized(text: str) -> str:
    """Returns `text` without what differs each time: times, generations, and the phrase beside a status."""
    text = re.sub(r"^(HTTP/1.1 \d{3}) .*", r"\1", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "TIME", text.replace("\r", ""))
    return re.sub(r"\b[0-9a-f]{16}-(\d)", r"GENERATION-\1", text)


def assert_shows(shown: str, documented: str, command: str) -> None:
    """Fails unless `shown` is what is `documented`, in which a line of dots stands for omitted lines."""
    parts = [re.escape(part) for part in normalized(documented).split("...\n")]
    if not re.fullmatch(r"(?:.*\n)*?".join(parts), normalized(shown).rstrip("\n") + "\n"):
        pytest.fail(f"$ {command}\nshows\n{shown}\nand not, as documented,\n{documented}")


class Reader:
    """Runs the commands of pages in a folder.  A service that a page starts runs until the next one."""

    def __init__(self, folder: Path, replacing: Mapping[str, str] | None = None) -> None:
        """Prepares a reader that replaces the keys of `replacing` in commands by their values."""
        self._folder, self._replacing = folder, replacing or {}
        self._variables = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        self._service: RunningService | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._service is not None:
            self._service.stop()

    @property
    def url(self) -> str:
        """The URL of the service that runs."""
        assert self._service is not None
        return self._service.url

    def serve(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Starts a service in place of the one that runs, on the same port."""
        if self._service is not None:
            self._service.stop()
        port = 0 if self._service is None else self._service.port
        self._service = RunningService(*arguments, folder=self._folder, environment=environment)
        self._service.port = port
        self._service.start()

    def follow(self, page: Page) -> int:
        """Runs the blocks of a page, compares what they show, and returns the number of commands."""
        count = 0
        for language, text in BLOCK.findall(page.text):
            if language == "console":
                for entry in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                    command, _, documented = entry.partition("\n")
                    shown = self.run(command)
                    if documented:
                        assert_shows(shown, documented, command)
                    count += 1
            else:
                for command in text.replace("\\\n", "").splitlines():
                    self.run(command)
                    count += 1
        return count

    def run(self, command: str) -> str:
        """Runs one command, which talks to the service that runs, and returns its output."""
        for old, new in self._replacing.items():
            command = command.replace(old, new)
        if serving := SERVE.match(command):
            self.serve(*shlex.split(serving[2]), environment=dict(VARIABLE.findall(serving[1].replace(" ", "\n"))))
            return ""
        if self._service is not None:
            command = command.replace("127.0.0.1:8000", urlsplit(self._service.url).netloc)
        if assignment := re.match(r"(?:export )?[A-Z_]+=", command):
            names = re.findall(r"\b([A-Z_]+)=", command) if command.startswith("export ") else [assignment[0][:-1]]
            shown = f"export {' '.join(names)}; env | grep -E '^({'|'.join(names)})='"
            found = run_shell(f"{command}; {shown}", self._folder, self._variables)
            self._variables |= dict(VARIABLE.findall(found))
            return ""
        return run_shell(f"set -e -o pipefail; {command}", self._folder, self._variables)


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Waits until something listens on a port of 127.0.0.1.  Fails if `process` ends before."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            assert process.poll() is None, "The process has ended."
            assert time.monotonic() < end, "Nothing listens."
            time.sleep(0.05)
