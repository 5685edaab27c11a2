"""The properties that the other modules of this folder test for few examples hold for many."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

EXAMPLES = 100
FOLDER = Path(__file__).parent


@pytest.mark.slow
def test_each_property_holds_for_many_examples() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "hypothesis", str(FOLDER)]
    done = subprocess.run(
        command,
        cwd=FOLDER.parents[1],
        env={**os.environ, "TASKSVC_TEST_EXAMPLES": str(EXAMPLES)},
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
