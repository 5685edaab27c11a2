"""A process that syncs a replica and kills itself: dying.py URL WORKSPACE FILE STATEMENT, counted from 1."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import sys

from tasksvc_client import SyncClient, SyncReplica

url, workspace, path, last = sys.argv[1:]
numbers = itertools.count(1)


class Connection(sqlite3.Connection):
    """A connection that ends the process before a statement, as SIGKILL does at any moment."""

    def execute(self, *arguments: object) -> sqlite3.Cursor:
        if next(numbers) == int(last):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*arguments)  # type: ignore[arg-type]


connect = sqlite3.connect
sqlite3.connect = lambda *values, **named: connect(*values, factory=Connection, **named)  # type: ignore[assignment]

with SyncClient(url, workspace=workspace) as client, SyncReplica(path, client) as replica:
    replica.sync()
