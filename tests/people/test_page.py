"""The commands on docs/command_line.md show what the page says."""

from __future__ import annotations

import shlex
from pathlib import Path

from docs.reader import Reader
from pages import Page
from terminals import on_terminal

from people.person import Person

PAGE = Page.named("docs/command_line.md")


def test_the_commands_show_what_the_page_says(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        reader.serve("--store", "memory:")
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            reader.run(f"export {name}={tmp_path}/home")
        reader.run("export TASKSVC_URL=http://127.0.0.1:8000")

        assert reader.follow(Page(PAGE.text.replace("http://127.0.0.1:8000", reader.url))) >= 8


def test_the_table_is_as_on_the_page(ann: Person) -> None:
    table, text = PAGE.blocks("text")
    for line in PAGE.blocks("console")[0].splitlines():
        if line.startswith("$ "):
            ann.says(*shlex.split(line)[2:])

    shown = on_terminal(*ann.command("ls"), columns=80, environment=ann.environment | {"TERM": "dumb"})
    edited = ann("edit", "1", VISUAL="cat")

    assert shown == table
    assert edited.returncode == 0
    assert text.splitlines()[1:4] == ["description: Water the plants", "due: Mon 2030-12-02", "priority: 7"]
