"""The repository's pages, so that tests can follow them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MARKDOWN = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "examples/*/*.md", ".github/**/*.md")
    for path in ROOT.glob(pattern)
)
"""The paths of all pages in the repository."""


class Page:
    """A page in Markdown, or a section of one."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def named(cls, name: str) -> Page:
        """Reads a page by its path in the repository."""
        return cls((ROOT / name).read_text("utf-8"))

    def section(self, heading: str) -> Page:
        """Returns what stands below `heading`, up to the next heading of the same or a higher level."""
        begun = re.search(rf"^(#+) {re.escape(heading)}\n", self.text, re.MULTILINE)
        assert begun is not None, f"There is no heading {heading!r}."
        rest = self.text[begun.end() :]
        ended = re.search(rf"^#{{1,{len(begun[1])}}} ", rest, re.MULTILINE)
        return Page(rest[: ended.start()] if ended else rest)

    def blocks(self, language: str) -> list[str]:
        """Returns the contents of the code blocks in `language`."""
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)

    def commands(self) -> list[str]:
        """Returns the lines of the shell blocks, in order."""
        return "".join(self.blocks("sh")).splitlines()

    def table(self, column: str) -> list[list[str]]:
        """Returns the rows of the table whose first column has this head, with the cells as written."""
        lines = self.text.splitlines()
        start = next(index for index, line in enumerate(lines) if line.startswith(f"| {column} |"))
        rows = []
        for line in lines[start + 2 :]:
            if not line.startswith("|"):
                break
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        return rows
