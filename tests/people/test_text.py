"""Text of tasks on a terminal."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tasksvc_tasks.table import Cell, Column, table
from tasksvc_tasks.text import cut, harmless, harmless_json, harmless_lines, width

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text("ab日本語👨‍👩‍👧é \u0301", max_size=60)


@given(TEXTS)
def test_no_text_controls_a_terminal(text: str) -> None:
    for shown in (harmless(text), *harmless_lines(text), harmless_json(json.dumps(text, ensure_ascii=False))):
        assert [each for each in shown if unicodedata.category(each) in ("Cc", "Zl", "Zp")] == []
        assert re.search("[\u202a-\u202e\u2066-\u2069]", shown) is None


@given(TEXTS)
def test_json_without_control_characters_is_the_same_document(text: str) -> None:
    assert json.loads(harmless_json(json.dumps([text], ensure_ascii=False))) == [text]


@given(TEXTS.map(harmless), st.integers(1, 30))
def test_a_text_is_cut_to_its_columns(text: str, columns: int) -> None:
    shown = cut(text, columns)

    assert width(shown) <= columns
    assert shown == text or (width(text) > columns and text.startswith(shown.removesuffix("…").rstrip()))


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("Water the plants", 16, "Water the plants"),
        ("Water the plants", 10, "Water the…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("👨‍👩‍👧 family", 4, "👨‍👩‍👧…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
    ],
)
def test_characters_that_belong_together_are_not_torn(text: str, columns: int, shown: str) -> None:
    assert cut(text, columns) == shown


@given(
    rows=st.lists(st.tuples(st.integers(1, 10**12), TEXTS.map(harmless), TEXTS.map(harmless)), min_size=1, max_size=5),
    columns=st.integers(24, 200),
)
def test_a_table_fits_its_columns(rows: list[tuple[int, str, str]], columns: int) -> None:
    ids, labels, texts = zip(*rows, strict=True)

    lines = table(
        [
            Column("ID", [Cell(str(each)) for each in ids], to_the_right=True),
            Column("LABELS", [Cell(each) for each in labels], 16, may_go=True),
            Column("TASK", [Cell(f"{each}.") for each in texts]),
        ],
        columns,
        colours=False,
    )

    assert max(map(width, lines)) <= columns
