"""Fixtures for tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.cli_runner import CommandLine


@pytest.fixture
def tasksvc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
    """Runs `tasksvc` with the given arguments."""
    return CommandLine(monkeypatch, tmp_path)
