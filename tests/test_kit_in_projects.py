"""The contract kit in other projects, with each library that runs their coroutines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import mutants
import pytest
from patience import PATIENCE_SECONDS

from tasksvc.testing import TaskRepositoryContract

pytestmark = pytest.mark.slow

MODULE = """
from tasksvc.testing import TaskRepositoryContract

class TestStore(TaskRepositoryContract):
    def store_url(self, tmp_path):
        return f"{url}"
"""
WITHOUT_PLUGIN = ["-p", "no:asyncio", "-p", "no:aiohttp"]
SOME = "test_ids_count_up or test_a_waiting_reader or test_every_selection or reopening or failing_driver"


def run(project: Path, url: str, *options: str) -> str:
    """Returns what pytest prints in a project that has one contract test."""
    (project / "test_store.py").write_text(MODULE.replace("{url}", url))
    (project / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-W", "error", "-rs", "-p", "no:cacheprovider", *options]
    path = os.pathsep.join([str(project / "site"), str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": "-p no:schemathesis"}  # it takes long to load
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(WITHOUT_PLUGIN, id="without a plugin"),
        pytest.param(["-o", "asyncio_mode=strict"], id="strict"),
        pytest.param(["-o", "asyncio_mode=auto"], id="auto"),
    ],
)
def test_the_kit_runs_in_any_asyncio_mode(tmp_path: Path, options: list[str]) -> None:
    if "asyncio_mode" in options[1]:
        options = [*options, "-o", "asyncio_default_fixture_loop_scope=function"]

    printed = run(tmp_path, "memory://", "-k", SOME, *options)

    assert re.search(r"[1-9]\d* passed, \d+ skipped, \d+ deselected", printed), printed
    assert "MemoryRepository declares DURABLE absent." in printed
    assert "TestStore gives no fail_driver()" in printed


def test_a_failure_explains_itself(tmp_path: Path) -> None:
    mutants.install(tmp_path / "site")

    printed = run(tmp_path, "broken://ReusesTheHighestId{tmp_path}", "-k", "test_the_highest_id", *WITHOUT_PLUGIN)

    assert "AssertionError: an id is never given twice, though the highest was removed" in printed, "it names the rule"
    assert "assert 1 == 4" in printed, "it shows the values"
    assert "asyncio/runners.py" not in printed, "it does not show how the test is run"


def test_a_failure_of_arbitrary_calls_is_short_and_names_the_rule(tmp_path: Path) -> None:
    mutants.install(tmp_path / "site")

    printed = run(tmp_path, "broken://IgnoresExpectedVersions{tmp_path}", "-k", "behaves_as_its_model", *WITHOUT_PLUGIN)

    assert "AssertionError: commit() answers, or refuses, as the model does" in printed, "it names the rule"
    assert len(re.findall(r"^E +(?:\w+)\(.*\)$", printed, re.MULTILINE)) <= 2, "tasks, and a change of one"
    assert re.search(r"^E +the store: \(\[.*\], False, \d+\)$", printed, re.MULTILINE), "it shows what the store did"
    assert re.search(r"^E +the model: \('VersionConflict', \d+\)$", printed, re.MULTILINE), (
        "and what it should have done"
    )
    assert "hypothesis/stateful.py" not in printed, "it doesn't show how the test is run"


def test_a_class_without_a_url_gets_an_explanation(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match=r"must give store_url\(self, tmp_path\)"):
        TaskRepositoryContract().test_ids_count_up_from_one(tmp_path)


def test_no_test_of_the_kit_hides_another() -> None:
    names = [name for part in TaskRepositoryContract.__mro__ for name in vars(part) if name.startswith("test_")]

    assert len(names) == len(set(names))
    assert len(names) >= 60
