"""All expensive requests at once, on a service with little memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from robustness.cgroup import Cgroup, NoCgroups
from robustness.siege import MEGABYTES, besiege, summary_of

SECONDS = 20.0
MINUTES = float(os.environ.get("TASKSVC_TEST_SIEGE_MINUTES", "10"))


@pytest.fixture
def little_memory() -> Iterator[Cgroup]:
    try:
        with Cgroup(MEGABYTES * 2**20) as group:
            yield group
    except NoCgroups as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(SECONDS, marks=pytest.mark.slow), pytest.param(60 * MINUTES, marks=pytest.mark.soak)],
)
async def test_a_service_survives_it_and_loses_no_write_and_no_change(
    seconds: float, little_memory: Cgroup, tmp_path: Path
) -> None:
    report = await besiege(tmp_path, seconds, little_memory.command)

    print(summary_of(report))  # noqa: T201
    assert report.faults == []
    assert min(report.acknowledged, report.changes, report.clients, report.searches, report.batches) > 0
