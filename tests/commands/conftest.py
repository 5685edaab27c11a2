"""The command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.cli_runner import CommandLine


@pytest.fixture
def tasksvc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
    """Runs what comes after `tasksvc`."""
    return CommandLine(monkeypatch, tmp_path)
