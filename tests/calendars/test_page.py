"""The commands on docs/calendar.md."""

from __future__ import annotations

from pathlib import Path

from docs.reader import Reader, needs_curl
from pages import Page


@needs_curl
def test_the_commands_of_the_page_show_what_it_says(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        reader.serve("--store", "sqlite:///tasks.db", "--plugins", "calendar")

        assert reader.follow(Page.named("docs/calendar.md")) == 3
