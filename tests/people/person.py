"""A user of the commands, with a home folder, a time zone, and a workspace."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

from service_process import run_here, run_tasksvc
from tasksvc_client import SyncClient

BERLIN = "Europe/Berlin"


class Person:
    """Runs commands as a user would; the service is shared, and the workspace isn't."""

    def __init__(self, url: str, home: Path, *, workspace: str, zone: str = BERLIN) -> None:
        self.url, self.home, self.workspace = url, home, workspace
        self.tasks = SyncClient(url, workspace=workspace)
        """A client of the same workspace."""
        self.environment = {
            "TASKSVC_URL": url,
            "TASKSVC_WORKSPACE": workspace,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
            "TZ": zone,
        }

    def __call__(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a command within this process."""
        with _zone(self.environment["TZ"]):
            return run_here(*words, folder=self.home, environment={**self.environment, **variables})

    def says(self, *words: str, **variables: str) -> str:
        """Runs a command that has to succeed, and returns what it prints."""
        done = self(*words, **variables)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def process(self, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command as a process."""
        return run_tasksvc(*words, folder=self.home, environment={**self.environment, **(environment or {})})

    def command(self, *words: str) -> list[str]:
        """Returns the words that run a command in a terminal."""
        return [sys.executable, "-m", "tasksvc", *words]


class _zone:  # noqa: N801
    """Gives this process another time zone within the block."""

    def __init__(self, zone: str) -> None:
        self._variables = mock.patch.dict(os.environ, {"TZ": zone})

    def __enter__(self) -> None:
        self._variables.start()
        time.tzset()

    def __exit__(self, *_: object) -> None:
        self._variables.stop()
        time.tzset()
