"""Running commands within this process, if they end by themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from tasksvc.cli.main import run


class Done(NamedTuple):
    """The result of a command."""

    status: int
    printed: str
    said: str
    """Returns what it wrote to standard error."""


class _Program:
    """The program in the form that click's runner takes, with our own error lines and exit statuses."""

    name = "tasksvc"

    @staticmethod
    def main(args: Sequence[str], **_: Any) -> None:
        sys.exit(run(args))


class CommandLine:
    """Runs commands in a temporary folder, with only the given variables of tasksvc."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.folder = folder
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
        inherited = {name: None for name in os.environ if name.startswith("TASKSVC_")}
        done = CliRunner(env=inherited | dict(environment or {})).invoke(_Program(), arguments)  # type: ignore[arg-type]
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)
