"""Migrates a store in a process that kills itself on the way:

    python -m stores.sqlite.migrating_process FILE MOMENT

A moment is a number of steps of SQLite's virtual machine; without a kill, the number of all steps is printed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from tasksvc_sqlite.connection import connect
from tasksvc_sqlite.schema import MIGRATIONS, prepare

from tasksvc import Migrations

STATEMENTS = (
    "ALTER TABLE tasks ADD COLUMN test_list TEXT NOT NULL DEFAULT 'inbox';\n",
    "CREATE TABLE test_words (word TEXT NOT NULL, task_id INTEGER NOT NULL, PRIMARY KEY (word, task_id));\n",
    "INSERT INTO test_words SELECT description || 'é', id FROM tasks;\n",
    "CREATE INDEX test_words_by_task ON test_words (task_id);\n",
    "CREATE TRIGGER test_deleted AFTER DELETE ON tasks\n"
    "BEGIN\n  DELETE FROM test_words WHERE task_id = OLD.id;\nEND;\n",
    "UPDATE tasks SET description = description || ' (migrated)';\n",
    "DELETE FROM records WHERE namespace = 'a';\n",
)
"""The migration that comes next."""
STEPS_AT_ONCE = 10


def with_one_more(*statements: str) -> Migrations:
    """Returns the migrations of this version, and one more."""
    return Migrations({**MIGRATIONS.scripts, MIGRATIONS.version + 1: "".join(statements)})


async def main(file: str, moment: int) -> None:
    done = 0

    def step() -> int:
        nonlocal done
        done += 1
        if done == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    connection = await connect(file)
    await connection.execute_fetchall("PRAGMA cache_size = 5")  # so that pages are written before the commit
    await connection.set_progress_handler(step, STEPS_AT_ONCE)
    await prepare(connection, file, scratch=False, migrations=with_one_more(*STATEMENTS))
    await connection.close()
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
