"""The documentation uses the terms of the glossary, in plain English."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from pages import MARKDOWN, ROOT, Page
from words import Replaced, prose_of, replaced

GLOSSARY = Page.named("docs/glossary.md")
REPLACED = replaced()
FOLDERS = sorted(
    {
        str(path.parent.relative_to(ROOT))
        for folder in ("tasksvc", "adapters", "examples", "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
    }
)
SENTENCE = re.compile(r"(?:[A-Z]|tasksvc\b).*[.:?]\Z", re.DOTALL)
WORDS_MIN = 4
"""The smallest number of words of a docstring: a shorter one only repeats the name."""


@pytest.mark.parametrize("name", MARKDOWN)
def test_a_page_uses_no_replaced_word(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    if name == "docs/glossary.md":
        text = text.partition("## Words to use")[0]
    prose = prose_of(text)

    found = [f"{place!r}: write {word.instead}" for word in REPLACED for place in word.find(prose)]

    assert found == []


@cache
def docstrings(folder: str) -> list[tuple[str, str]]:
    """Returns what the modules of a folder document, as pairs of the module's name and a text.

    They document themselves, their classes and functions, their constants and attributes.
    """
    return [
        (module.name, node.value.value)
        for module in sorted((ROOT / folder).glob("*.py"))
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_docstring_uses_no_replaced_word(folder: str) -> None:
    found = [
        f"{module}: {place!r}: write {word.instead}"
        for module, text in docstrings(folder)
        for prose in [prose_of(text)]
        for word in REPLACED
        for place in word.find(prose)
    ]

    assert found == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_docstring_begins_with_a_sentence(folder: str) -> None:
    found = [
        f"{module}: {text!r}"
        for module, text in docstrings(folder)
        if not is_sentence(text.strip().partition("\n\n")[0])
    ]

    assert found == []


def is_sentence(paragraph: str) -> bool:
    """Returns whether a paragraph has enough words, begins with a capital letter and ends with a full stop or colon."""
    return len(paragraph.split()) >= WORDS_MIN and SENTENCE.match(paragraph) is not None


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("Returns the cached page, or None.", True),
        ("Yields all tasks that\n    match.", True),
        ("The form of a dump:", True),
        ("By its name.", False),
        ("of a page in the cache.", False),
        ("Returns the cached page, or None", False),
    ],
)
def test_a_sentence_has_four_words_a_capital_letter_and_a_full_stop(paragraph: str, expected: bool) -> None:
    assert is_sentence(paragraph) is expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It is\nno number.", 1),
        ("This IS NO end, and that is no end.", 2),
        ("There is no end. It is none.", 0),
        ("It `is no` end.\n```sh\nis no\n```\n", 0),
    ],
)
def test_words_are_found_in_any_case_over_line_ends_and_outside_code(text: str, count: int) -> None:
    word = Replaced("is no", "isn't a", ("there is no",))

    assert len(list(word.find(prose_of(text)))) == count


def test_a_phrase_with_capitals_is_found_only_as_it_is_written() -> None:
    word = Replaced("JSON lines", "JSON Lines", ())

    assert len(list(word.find("JSON Lines, json lines and JSON lines"))) == 1


def test_a_table_of_replaced_words_is_read_from_the_glossary() -> None:
    assert len(REPLACED) >= 50
    assert Replaced("anew", "again, from the beginning", ()) in REPLACED


def test_a_term_has_a_short_explanation_and_stands_in_order() -> None:
    rows = GLOSSARY.section("Terms").table("Term")
    terms = [term for term, _ in rows]

    assert terms == sorted(terms)
    assert [term for term, meaning in rows if not 4 <= len(meaning.split()) <= 40 or not meaning.endswith(".")] == []
