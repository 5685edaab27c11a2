"""Commands within this process, as far as they end by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tasksvc.cli.main import run


class Done(NamedTuple):
    """A command that has ended."""

    status: int
    printed: str
    said: str
    """On standard error."""


class CommandLine:
    """Runs commands in a folder of their own, with no variable of tasksvc but those that are given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], folder: Path) -> None:
        self._monkeypatch, self._capture = monkeypatch, capture
        self.folder = folder
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
        self._monkeypatch.setattr("os.environ", {"COLUMNS": "80", **(environment or {})})
        self._capture.readouterr()
        try:
            status = run(arguments)
        except SystemExit as end:  # argparse ends the process
            status = end.code if isinstance(end.code, int) else 1
        return Done(status, *self._capture.readouterr())
