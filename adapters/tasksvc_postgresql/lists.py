"""Counts the tasks of lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tasksvc import DEFAULT_LIST, ListSummary
from tasksvc_postgresql.session import Session

LISTS: Final = f"""
    WITH named AS (
        SELECT list, count(*) FILTER (WHERE NOT done) AS open, count(*) AS total FROM tasks
        WHERE workspace = (SELECT key FROM workspaces WHERE name = $1::text) AND list <> '{DEFAULT_LIST}'
        AND list > CASE WHEN $2::text COLLATE "C" < '{DEFAULT_LIST}' THEN '' ELSE $2 END
        GROUP BY list
    ), lists AS (
        TABLE named
        UNION ALL
        SELECT '{DEFAULT_LIST}', open_count - open, task_count - total
        FROM workspaces CROSS JOIN (
            SELECT coalesce(sum(open), 0)::bigint AS open, coalesce(sum(total), 0)::bigint AS total FROM named
        ) AS others
        WHERE name = $1
    )
    SELECT list, open, total FROM lists WHERE total > 0 AND list > $2 ORDER BY list LIMIT $3
"""
"""The lists of the workspace $1 that come after $2.

The index has no task of the list that most tasks are in: it has all those that the others don't have.  If the list
comes before $2, the number for it is wrong, and isn't shown.
"""


async def lists(session: Session, workspace: str, *, after: str, limit: int) -> Sequence[ListSummary]:
    """Returns at most `limit` lists of a workspace, by name after `after`, of one snapshot."""
    return [ListSummary(*row) for row in await session.fetch(LISTS, workspace, after, limit)]
