"""A process with a consumer: python consuming_process.py URL.

It prints a line for each call of the handler: JSON of the workspace, the numbers of the changes, and the time by the
monotonic clock of the machine.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence

from tasksvc import Change, Position
from tasksvc.application.change_watch import ChangeWatch
from tasksvc.application.consumers import Consumer, Start
from tasksvc.application.limits import DEFAULT_TIMEOUTS
from tasksvc.application.plugin_records import Records
from tasksvc.store_adapters import open_repository


async def handle(workspace: str, changes: Sequence[Change], position: Position) -> None:
    line = json.dumps([workspace, [change.seq for change in changes], time.monotonic()])
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(url: str) -> None:
    repository = await open_repository(url)
    consumer = Consumer(
        "test",
        handle,
        records=Records(lambda: repository, "plugin:test"),
        workspace=repository.workspace,
        watch=ChangeWatch(lambda: repository, DEFAULT_TIMEOUTS),
        start=Start.BEGINNING,
    )
    await consumer.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
