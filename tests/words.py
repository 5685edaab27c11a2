"""The words that this project replaces, from the glossary, and where a text has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from pages import Page

FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\([^)\s]*\)")


class Replaced(NamedTuple):
    """A phrase that isn't used, and what to write instead."""

    phrase: str
    instead: str
    right_in: tuple[str, ...]
    """Longer phrases in which it is right."""

    def find(self, prose: str) -> Iterator[str]:
        """Yields each place in `prose` where it is used, as some words around it."""
        if pattern(self.phrase).search(prose) is None:
            return
        for phrase in self.right_in:
            prose = pattern(phrase).sub("", prose)
        for found in pattern(self.phrase).finditer(prose):
            around = prose[max(0, found.start() - 30) : found.end() + 30]
            yield " ".join(around.split())


@cache
def pattern(phrase: str) -> re.Pattern[str]:
    """Returns what finds `phrase` as whole words, also over the end of a line; one in lower case in any case."""
    words = r"\s+".join(r"\w+" if word == "..." else re.escape(word) for word in phrase.split())
    return re.compile(rf"(?<![\w-]){words}(?![\w-])", re.IGNORECASE if phrase.islower() else 0)


def phrases(cell: str) -> tuple[str, ...]:
    """Returns the phrases in a cell of the table."""
    return tuple(phrase.strip() for phrase in cell.split(",") if phrase.strip())


def replaced() -> list[Replaced]:
    """Returns the table of the glossary."""
    rows = Page.named("docs/glossary.md").section("Words to use").table("Don't write")
    return [
        Replaced(phrase, instead, phrases(right_in)) for cell, instead, right_in in rows for phrase in phrases(cell)
    ]


def prose_of(markdown: str) -> str:
    """Returns a page without its code and the targets of its links; what it quotes counts as prose."""
    return LINK.sub("]", CODE.sub("CODE", FENCED.sub("", markdown)))
