"""What the service prints when it is ready, and logs about its store when it has ended."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import tasksvc
from tasksvc.cli.output import OutputFailed, say
from tasksvc.ports.store_url import StoreURL

log = logging.getLogger("tasksvc")


@dataclass(frozen=True)
class Announcer:
    """Announces the start and the end of a service with one store."""

    store: StoreURL
    scratch: bool
    """Whether the store is emptied at the end."""
    in_json: bool
    """Whether to announce the start in the log, as JSON, in place of text on standard output."""

    def ready(
        self,
        url: str,
        *,
        has_page: bool,
        open_to: str,
        durable: bool,
        plugins: Sequence[str],
        admin_url: str | None,
    ) -> None:
        """Announces that the service takes requests at `url`, and at `admin_url` if operators have a port of their own.

        `has_page` is whether a plugin has a page at `url`; `open_to` names the people whom it serves; `durable` is
        whether the store outlives the service; `plugins` are those that are active, with their versions.
        """
        if self.scratch:
            fate = "scratch: emptied on shutdown; name a store with --store to keep tasks"
        else:
            fate = "kept" if durable else "in memory: gone when the service ends"
        docs = (f"{url}/docs", f"{url}/redoc")
        if self.in_json:
            fields = {
                "page": f"{url}/" if has_page else None,
                "tasks": f"{url}/tasks/",
                "docs": docs,
                "store": str(self.store),
                "fate": fate,
                "open_to": open_to,
                "plugins": plugins,
                "admin": admin_url,
            }
            log.info("tasksvc %s is ready.", tasksvc.__version__, extra={"fields": fields})
            return
        lines = [
            f"tasksvc {tasksvc.__version__} is ready; Ctrl-C ends it.",
            *([f"  Page   {url}/"] if has_page else []),
            f"  Tasks  {url}/tasks/",
            f"  Docs   {' and '.join(docs)}",
            f"  Store  {self.store} ({fate})",
            f"  Open   to {open_to}",
        ]
        if plugins:
            lines.append(f"  With   {', '.join(plugins)}")
        if admin_url is not None:
            lines.append(f"  Admin  {admin_url}/health/ready and /metrics")
        with contextlib.suppress(OutputFailed):  # the service goes on without a reader of its output
            say("\n".join(lines) + "\n")

    def ended(self, tasks: int | None, *, durable: bool) -> None:
        """Logs that the store was closed with `tasks` tasks in it, or None if counting them took too long."""
        some = "The tasks" if tasks is None else f"{tasks:,} task{'' if tasks == 1 else 's'}"
        are, were = ("is", "was") if tasks == 1 else ("are", "were")
        if self.scratch:
            message = f"The scratch store {self.store} was emptied."
        elif durable:
            message = f"{some} {are} kept in {self.store}."
        else:
            message = f"{some} {were} in memory, and {are} gone."
        log.info("%s", message, extra={"fields": {"store": str(self.store), "tasks": tasks}})
