"""Whether a failover could lose what was acknowledged."""

from __future__ import annotations

import contextlib
import logging
from typing import Final

import asyncpg

from tasksvc_postgresql.session import Session

# Only roles with pg_read_all_stats see more of the others than that they are there.
_ASYNCHRONOUS: Final = """
    SELECT count(*) FROM pg_stat_replication receiver
    WHERE (current_setting('synchronous_standby_names') = '' OR sync_state = 'async')
    AND coalesce(application_name, '') NOT IN ('pg_basebackup', 'pg_receivewal')
    AND NOT EXISTS (SELECT FROM pg_replication_slots WHERE active_pid = receiver.pid AND slot_type = 'logical')
"""

_logger = logging.getLogger(__name__)


async def warn_of_asynchronous_standbys(session: Session, name: str) -> None:
    """Logs a warning where standbys of the store `name` are there that may lack acknowledged writes."""
    with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
        ((count,),) = await session.fetch(_ASYNCHRONOUS)
        if count:
            _logger.warning(
                "%s has asynchronous standbys (%d). One that is promoted may lack writes that were acknowledged."
                " Name it in synchronous_standby_names, or never promote it.",
                *(name, count),
            )
