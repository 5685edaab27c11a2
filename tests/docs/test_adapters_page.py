"""The adapter in docs/adapters.md, installed as printed, passes its contract test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import Page

from docs.page_projects import install, run

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the files of the page, installed in place."""
    install(Page.named("docs/adapters.md"), tmp_path)
    return tmp_path


def test_the_adapter_of_the_page_passes_its_contract_test(project: Path) -> None:
    printed = run(project, "-m", "pytest", "-W", "error", "-p", "no:asyncio", "-p", "no:aiohttp", "-q", "-rs")

    assert re.search(r"\d\d\d passed", printed), printed
    assert set(re.findall(r"declares (\w+) absent", printed)) == {"SHARED"}, "no other test was skipped"


def test_the_adapter_of_the_page_is_listed(project: Path) -> None:
    printed = run(project, "-m", "tasksvc", "stores")

    assert re.search(r"^folder +tasksvc-folder 0\.1\.0 +tasksvc_folder +ready$", printed, re.MULTILINE), printed
