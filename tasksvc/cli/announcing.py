"""What the service says of itself when it is ready, and of its store when it has ended."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass

import tasksvc
from tasksvc.cli.output import OutputFailed, say
from tasksvc.ports.store_url import StoreURL

log = logging.getLogger("tasksvc")


@dataclass(frozen=True)
class Announcer:
    """Speaks of one store."""

    store: StoreURL
    scratch: bool
    """Whether the store is emptied at the end."""
    in_json: bool
    """Whether all that is said is JSON lines of the log."""

    def ready(self, url: str, *, open_to: str, durable: bool, admin_url: str | None) -> None:
        """The service takes requests at `url`, and those of operators at `admin_url` if it has a port for them.

        `durable`: whether the store keeps tasks at all.
        """
        if self.scratch:
            fate = "scratch: emptied on shutdown; name a store with --store to keep tasks"
        else:
            fate = "kept" if durable else "in memory: gone when the service ends"
        docs = (f"{url}/docs", f"{url}/redoc")
        if self.in_json:
            fields = {
                "tasks": f"{url}/tasks/",
                "docs": docs,
                "store": str(self.store),
                "fate": fate,
                "open_to": open_to,
                "admin": admin_url,
            }
            log.info("tasksvc %s is ready.", tasksvc.__version__, extra={"fields": fields})
            return
        lines = [
            f"tasksvc {tasksvc.__version__} is ready; Ctrl-C ends it.",
            f"  Tasks  {url}/tasks/",
            f"  Docs   {' and '.join(docs)}",
            f"  Store  {self.store} ({fate})",
            f"  Open   to {open_to}",
        ]
        if admin_url is not None:
            lines.append(f"  Admin  {admin_url}/health/ready and /metrics")
        with contextlib.suppress(OutputFailed):  # whoever reads it may be gone, and the service is not for them alone
            say("\n".join(lines) + "\n")

    def ended(self, tasks: int | None, *, durable: bool) -> None:
        """The store was closed, in order.  It held so many tasks, or None if they could not be counted in time."""
        some = "The tasks" if tasks is None else f"{tasks:,} task{'' if tasks == 1 else 's'}"
        are, were = ("is", "was") if tasks == 1 else ("are", "were")
        if self.scratch:
            message = f"The scratch store {self.store} was emptied."
        elif durable:
            message = f"{some} {are} kept in {self.store}."
        else:
            message = f"{some} {were} in memory, and {are} gone."
        log.info("%s", message, extra={"fields": {"store": str(self.store), "tasks": tasks}})
