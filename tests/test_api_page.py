"""What docs/api.md shows is what happens."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from running_service import RunningService
from test_readme import assert_shows, run_shell

from tasksvc.usecases import KEY_HOURS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")


def test_the_life_of_a_key_is_told_with_one_figure() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    lines = [line for page in pages for line in page.read_text("utf-8").splitlines()]

    told = [
        figure
        for line in lines
        if re.search("idempotency.key|retry key|A key is good", line, re.IGNORECASE)
        for figure in re.findall(r"\b(\w+ (?:hours|days))\b", line)
    ]

    assert told
    assert set(told) == {f"{KEY_HOURS} hours"}


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
