"""The commands on docs/moving.md show what the page says."""

from __future__ import annotations

from pathlib import Path

from docs.reader import Reader
from pages import Page


def test_the_commands_show_what_the_page_says(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        reader.serve("--store", "memory:")
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            reader.run(f"export {name}={tmp_path}/home")
        reader.run(f"export TASKSVC_URL={reader.url}")
        reader.run("export TZ=Europe/Berlin")

        assert reader.follow(Page.named("docs/moving.md")) == 5
