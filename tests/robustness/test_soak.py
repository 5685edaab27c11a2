"""Mixed load, with a fault each minute."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from robustness.soak import soak, summary_of

MINUTES = int(os.environ.get("TASKSVC_TEST_SOAK_MINUTES", "60"))


@pytest.mark.soak
async def test_a_long_time_of_load_and_faults_loses_nothing_and_leaks_nothing(tmp_path: Path) -> None:
    report = await soak(tmp_path, MINUTES)

    print(summary_of(report))  # noqa: T201
    assert report.faults == []
    assert report.acknowledged > 1_000 * MINUTES
