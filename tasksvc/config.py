"""Settings, from flags and TASKSVC_* variables; flags win."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tasksvc.usecases import Retention

PORT_MAX = 65_535


@dataclass(frozen=True)
class Settings:
    """What the command line and the environment say."""

    command: str
    host: str = "127.0.0.1"
    port: int = 8000
    store: str | None = None
    """None for the scratch store."""
    open: bool = False
    reload: bool = False
    retention: Retention = field(default_factory=Retention)


def read_settings(arguments: Sequence[str], environment: Mapping[str, str], version: str) -> Settings:
    """The settings.  Exits as argparse does for --help, --version and what it cannot read."""
    parser = _parser(environment, version)
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version")):
        arguments = ["serve", *arguments]
    found = parser.parse_args(arguments)
    if found.command == "stores":
        return Settings("stores")
    retention = Retention(log_age=timedelta(days=found.keep_days), log_keep=found.keep_changes)
    return Settings("serve", found.host, found.port, found.store, found.open, found.reload, retention)


def _parser(environment: Mapping[str, str], version: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tasksvc", description="Tasks over REST, with stores as plugins. Without a command it serves."
    )
    parser.add_argument("--version", action="version", version=f"tasksvc {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the service (the default)", description="Runs the service.")
    commands.add_parser("stores", help="list the installed adapters", description="Lists the installed adapters.")

    def add(flag: str, kind: Callable[[str], object], fallback: object, text: str) -> None:
        variable = "TASKSVC_" + flag.removeprefix("--").upper().replace("-", "_")
        named = environment.get(variable)
        default = named or fallback
        shown = "" if fallback is None else f"; default {fallback}"
        serve.add_argument(flag, type=kind, default=default, metavar="X", help=f"{text} [{variable}{shown}]")

    add("--host", str, "127.0.0.1", "the address to listen on; one that is not loopback needs --open")
    add("--port", _port, 8000, "the port to listen on; 0 picks a free one")
    add("--store", str, None, "the URL of the store, which is kept; without it, sqlite:///tasks.db is a scratch store")
    add("--keep-days", _days, 30, "how long changes stay in the log, in days")
    add("--keep-changes", _count, 1_000_000, "how many changes stay in the log")
    serve.add_argument(
        "--open", action="store_true", help="let everybody who reaches the address read and write: there are no tokens"
    )
    serve.add_argument(
        "--reload", action="store_true", help="restart when the code changes; each restart empties a scratch store"
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; a port is a number from 0 to {PORT_MAX}")
    return int(text)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 < days <= 36_500:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from above 0 to 36500")
    return days


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10**12:
        raise argparse.ArgumentTypeError(f"{text!r} is no count from 1 up")
    return int(text)


def environment_of_process() -> Mapping[str, str]:
    """The environment variables of this process."""
    return os.environ
