"""tasksvc serve: runs the service."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import shlex
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any

import tasksvc
from tasksvc.commands.flags import Flags, count, days, port
from tasksvc.errors import TasksvcError
from tasksvc.ports import Capability
from tasksvc.store_url import StoreURL
from tasksvc.usecases import Retention


class Refused(TasksvcError):
    """The settings ask for something that is not safe or not possible."""


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Runs the service, or a process that restarts it."""
    settings = _flags(environment).parse_args(arguments)
    _check_address(settings)
    if settings.reload:
        _reload(arguments)
    else:
        _run_until_done(_serve(settings))


def _flags(environment: Mapping[str, str]) -> Flags:
    flags = Flags("serve", "Runs the service.", environment)
    flags.add("--host", str, "127.0.0.1", "the address to listen on; one that is not loopback needs --open")
    flags.add("--port", port, 8000, "the port to listen on; 0 picks a free one")
    flags.add("--store", str, None, "the URL of the store, which is kept; without it sqlite:///tasks.db is scratch")
    flags.add("--keep-days", days, 30, "how long changes stay in the log, in days")
    flags.add("--keep-changes", count, 1_000_000, "how many changes stay in the log")
    flags.add_argument(
        "--open", action="store_true", help="let everybody who reaches the address read and write: there are no tokens"
    )
    flags.add_argument(
        "--reload", action="store_true", help="restart when the code changes; each restart empties a scratch store"
    )
    return flags


async def _serve(settings: argparse.Namespace) -> None:
    from tasksvc.api import LOOPBACK_HOSTS, SCRATCH_STORE, SERVICE, Guard, Options, create_app
    from tasksvc.api.server import serve

    guard = Guard(LOOPBACK_HOSTS if is_loopback(settings.host) else None)
    retention = Retention(log_age=timedelta(days=settings.keep_days), log_keep=settings.keep_changes)
    app = create_app(settings.store, Options(guard=guard, retention=retention))

    def ready(port: int) -> None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        where = f"http://{host}:{port}"
        if settings.store is None:
            fate = "scratch: emptied on shutdown; name a store with --store to keep tasks"
        elif Capability.DURABLE in app[SERVICE].repository.capabilities:
            fate = "kept"
        else:
            fate = "in memory: gone when the service ends"
        sys.stdout.write(
            f"tasksvc {tasksvc.__version__} is ready; Ctrl-C ends it.\n"
            f"  Tasks  {where}/tasks/\n"
            f"  Docs   {where}/docs and {where}/redoc\n"
            f"  Store  {StoreURL(settings.store or SCRATCH_STORE)} ({fate})\n"
        )
        sys.stdout.flush()

    await serve(app, settings.host, settings.port, ready=ready)


def _check_address(settings: argparse.Namespace) -> None:
    if not settings.open and not is_loopback(settings.host):
        raise Refused(
            f"Will not listen on {settings.host}, where others could read and write all tasks: there are no tokens."
            " Listen on 127.0.0.1, or give --open if that is what you want."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reload(arguments: Sequence[str]) -> None:
    """Runs this same command without --reload, again whenever Python files below the working directory change."""
    try:
        import watchfiles
    except ImportError:
        raise Refused("--reload needs watchfiles. Install it with: pip install 'tasksvc[reload]'") from None
    rest = [argument for argument in arguments if argument != "--reload"]
    command = shlex.join([sys.executable, "-m", "tasksvc", "serve", *rest])
    watchfiles.run_process(".", target=command, target_type="command", watch_filter=watchfiles.PythonFilter())


def _run_until_done(main: Coroutine[Any, Any, None]) -> None:
    """Runs `main` on uvloop where there is one."""
    run: Callable[[Coroutine[Any, Any, None]], None]
    try:
        from uvloop import run
    except ImportError:
        run = asyncio.run
    run(main)
