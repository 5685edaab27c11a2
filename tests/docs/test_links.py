"""The pages of the documentation are found from its index, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import DOCS, MARKDOWN, ROOT, Page

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


PATH = re.compile(r"(?<![\w/.-])(?:tasksvc|adapters|tests|examples|benchmarks|docs|\.ci)/[\w./]*[\w/]")
INLINE_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@pytest.mark.parametrize("name", MARKDOWN)
def test_a_path_that_a_page_names_exists(name: str) -> None:
    codes = INLINE_CODE.findall((ROOT / name).read_text("utf-8"))

    named = {path for code in codes for path in PATH.findall(code)}

    folders = (ROOT, (ROOT / name).parent)
    assert {path for path in named if not any((folder / path).exists() for folder in folders)} == set()


def test_paths_are_found() -> None:
    names = ("CONTRIBUTING.md", "docs/architecture.md", "docs/reliability.md")

    found = [
        {path for code in INLINE_CODE.findall(Page.named(name).text) for path in PATH.findall(code)} for name in names
    ]

    assert all(len(paths) >= 15 for paths in found)
