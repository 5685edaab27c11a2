"""What `tasksvc ls` imports, since a person waits for it; benchmarks/command_line.py measures how long."""

from __future__ import annotations

import subprocess
import sys

from service_process import environment_with, unmeasured

from people.person import Person

SLOW = {
    "aiohttp",
    "asyncio",
    "dateutil",
    "orjson",
    "rich",
    "sqlite3",
    "tasksvc.api",
    "tasksvc_tasks.csv_rows",
    "tzlocal",
    "wcwidth",
}
"""Modules that it does without, some of them only as long as no text and no option needs them."""


def test_a_list_imports_nothing_that_it_does_not_need(ann: Person) -> None:
    ann.tasks.create("Water the plants", labels=["home"], due_on="2030-12-02")
    script = (
        "import atexit, gc, sys; sys.argv[1:] = ['ls'];"
        f"atexit.register(lambda: print(sorted({SLOW!r} & set(sys.modules)), gc.get_freeze_count() > 1000));"
        "from tasksvc.cli.main import main; main()"
    )
    environment = unmeasured(environment_with(ann.environment))

    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    listed, imported = done.stdout.splitlines()
    assert listed == "1\t\t2030-12-02\t0\tinbox\thome\tWater the plants"
    assert imported == "[] True"
