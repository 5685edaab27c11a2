"""The programs on docs/replica.md print what the page says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pages import Page
from patience import PATIENCE_SECONDS
from service_process import RunningService, environment_with

PAGE = Page.named("docs/replica.md")


def test_the_programs_print_what_the_page_says(tmp_path: Path) -> None:
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        programs = [text.replace("http://127.0.0.1:8000", service.url) for text in PAGE.blocks("python")]

        printed = [
            subprocess.run(
                [sys.executable, "-c", program],
                cwd=tmp_path,
                env=environment_with(),
                stdout=subprocess.PIPE,
                text=True,
                timeout=PATIENCE_SECONDS,
                check=True,
            ).stdout
            for program in programs
        ]

    assert printed == PAGE.blocks("text")
