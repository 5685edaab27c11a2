"""The pages of the documentation are found from its index, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import DOCS, MARKDOWN, ROOT

LINK = re.compile(r"(?<!!)\]\(([^)\s]+)\)")


def anchors(path: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_linked_from_the_index() -> None:
    linked = LINK.findall((DOCS / "index.md").read_text("utf-8"))

    assert {path.name for path in DOCS.glob("*.md")} - set(linked) == {"index.md"}


@pytest.mark.parametrize("name", MARKDOWN)
def test_a_link_leads_to_a_page_and_a_heading(name: str) -> None:
    page = ROOT / name

    broken = []
    for link in LINK.findall(page.read_text("utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_the_paths_that_a_page_names_exist(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")

    named = re.findall(r"`((?:tasksvc|adapters|tests|examples|benchmarks|docs)/[\w./]*)`", text)

    assert len(named) >= 15
    assert [path for path in named if not (ROOT / path).exists()] == []
