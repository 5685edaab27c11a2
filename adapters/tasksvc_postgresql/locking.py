"""What transactions lock, and in which order: the row of `store`, then the table `workspaces`, then its rows by name.

* A commit locks the rows of its workspaces, in one statement and in the order of their names.  So commits in different
  workspaces go on at the same time, and those in one workspace take turns: each sees all that those before it did, and
  the numbers of its log become visible in their order.  Deadlocks are impossible, since all take rows in one order.
* A commit that writes records locks the row of `store` before that, since records are the same in all workspaces.
* What concerns the whole store (renewing and restoring it) locks the row of `store` and then all of `workspaces`.  A
  statement that locks or writes a row of a table holds a weaker lock on the table until its transaction ends, and a
  statement takes its snapshot when it has that lock.  So no commit runs beside a renewal: from its first statement on,
  a commit sees the epoch that the store has when it commits, without a lock on the row that has it.
* Readers lock nothing, and wait for none of these.
"""

from __future__ import annotations

from collections.abc import Iterable

from tasksvc_postgresql.greeting import literal

LOCK_RECORDS = "SELECT FROM store FOR UPDATE"
"""What a transaction that writes records begins with."""
LOCK_ALL = f"{LOCK_RECORDS}; LOCK TABLE workspaces IN EXCLUSIVE MODE"
"""What a transaction that concerns the whole store begins with, after which no commit is under way."""


def lock(workspaces: Iterable[str], *, records: bool = False) -> str:
    """Returns what a transaction that writes to `workspaces` begins with, and to records too if it says so.

    A row that doesn't exist is not locked.
    """
    names = ", ".join(map(literal, workspaces))
    rows = f"SELECT FROM workspaces WHERE name IN ({names}) ORDER BY name FOR UPDATE"
    return f"{LOCK_RECORDS}; {rows}" if records else rows
