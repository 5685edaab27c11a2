"""The command line: the composition root."""

from __future__ import annotations

import asyncio
import ipaddress
import shlex
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import tasksvc
from tasksvc.config import Settings, environment_of_process, read_settings
from tasksvc.errors import TasksvcError
from tasksvc.ports import Capability
from tasksvc.store_url import StoreURL


def main() -> None:
    """Runs the command of this process.  What the user can mend is one sentence and exit status 1."""
    settings = read_settings(sys.argv[1:], environment_of_process(), tasksvc.__version__)
    try:
        COMMANDS[settings.command](settings)
    except TasksvcError as error:
        sys.exit(f"tasksvc: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


# ---------------------------------------------------------------- serve


class Refused(TasksvcError):
    """The settings ask for something that is not safe or not possible."""


def serve(settings: Settings) -> None:
    """Runs the service, or a process that restarts it."""
    _check_address(settings)
    if settings.reload:
        _reload()
    else:
        run_until_done(_serve(settings))


async def _serve(settings: Settings) -> None:
    from tasksvc.api import LOOPBACK_HOSTS, SCRATCH_STORE, SERVICE, Guard, Options, create_app  # takes a while
    from tasksvc.api.server import serve as serve_app

    guard = Guard(LOOPBACK_HOSTS if is_loopback(settings.host) else None)
    app = create_app(settings.store, Options(guard=guard, retention=settings.retention))

    def ready(port: int) -> None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        where = f"http://{host}:{port}"
        if settings.store is None:
            fate = "scratch: emptied on shutdown; name a store with --store to keep tasks"
        elif Capability.DURABLE in app[SERVICE].repository.capabilities:
            fate = "kept"
        else:
            fate = "in memory: gone when the service ends"
        store = StoreURL(settings.store or SCRATCH_STORE)
        sys.stdout.write(
            f"tasksvc {tasksvc.__version__} is ready; Ctrl-C ends it.\n"
            f"  Tasks  {where}/tasks/\n"
            f"  Docs   {where}/docs and {where}/redoc\n"
            f"  Store  {store} ({fate})\n"
        )
        sys.stdout.flush()

    await serve_app(app, settings.host, settings.port, ready=ready)


def _check_address(settings: Settings) -> None:
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


def _reload() -> None:
    """Runs this same command without --reload, again whenever Python files below the working directory change."""
    try:
        import watchfiles
    except ImportError:
        raise Refused("--reload needs watchfiles. Install it with: pip install 'tasksvc[reload]'") from None
    arguments = [argument for argument in sys.argv[1:] if argument != "--reload"]
    command = shlex.join([sys.executable, "-m", "tasksvc", *arguments])
    watchfiles.run_process(".", target=command, target_type="command", watch_filter=watchfiles.PythonFilter())


def run_until_done(main: Coroutine[Any, Any, None]) -> None:
    """Runs `main` on uvloop where there is one."""
    run: Callable[[Coroutine[Any, Any, None]], None]
    try:
        from uvloop import run
    except ImportError:
        run = asyncio.run
    run(main)


# ---------------------------------------------------------------- stores


def stores(settings: Settings) -> None:
    """Lists the installed adapters."""
    from tasksvc.plugins import installed_stores

    rows = [("SCHEME", "DISTRIBUTION", "MODULE", "STATE")]
    rows += [
        (store.scheme, f"{store.distribution} {store.version}", store.module, store.problem or "ready")
        for store in installed_stores()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


COMMANDS: dict[str, Callable[[Settings], None]] = {"serve": serve, "stores": stores}
