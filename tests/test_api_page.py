"""What docs/api.md shows is what happens."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from running_service import RunningService
from test_readme import assert_shows, run_shell

PAGE = (Path(__file__).parents[1] / "docs" / "api.md").read_text("utf-8")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed; Debian: apt-get install curl")
def test_every_command_answers_as_documented(tmp_path: Path) -> None:
    sessions = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    commands = [entry for session in sessions for entry in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]]

    with RunningService(folder=tmp_path) as service:
        for entry in commands:
            command, _, documented = entry.partition("\n")
            shown = run_shell(command.replace("127.0.0.1:8000", service.url.removeprefix("http://")), tmp_path)
            if documented:
                assert_shows(shown, documented, command)
