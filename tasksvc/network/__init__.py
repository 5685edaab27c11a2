"""Parts for a store behind a network: connections, attempts, deadlines, and what a lost answer means.

No driver is imported here.  An adapter brings four things of its driver: how to connect, what a connection can do
(`Connection`), what an error means (`Translate`), and its statements.  Then

    executor = Executor(connect=connect, translate=translate, name=str(url), size=8, timeout=1.8)
    await executor.run(read)
    await executor.transact(write, commit=commit)

answer in time, repeat what may be repeated, and tell an unknown outcome from a write that didn't happen.
"""

from tasksvc.network.connecting import HostRace, NoServer, wait_for_server
from tasksvc.network.deadline_batcher import DeadlineBatcher
from tasksvc.network.executor import RETRY_DELAYS, STATEMENT_TIMEOUT_SHARE, Executor
from tasksvc.network.failure import Failure, Translate, describe, translating
from tasksvc.network.log_head import Listener, LogHeads, Look
from tasksvc.network.notifier import Notifier
from tasksvc.network.partitioned_batcher import PartitionedBatcher
from tasksvc.network.pool import Pool
from tasksvc.network.session import Connection, Session
from tasksvc.network.url import Parameters, hosts_of

__all__ = [
    "RETRY_DELAYS",
    "STATEMENT_TIMEOUT_SHARE",
    "Connection",
    "DeadlineBatcher",
    "Executor",
    "Failure",
    "HostRace",
    "Listener",
    "LogHeads",
    "Look",
    "NoServer",
    "Notifier",
    "Parameters",
    "PartitionedBatcher",
    "Pool",
    "Session",
    "Translate",
    "describe",
    "hosts_of",
    "translating",
    "wait_for_server",
]
