"""tasksvc copy: copies all that a store holds to another one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tasksvc.cli.arguments import Flags
from tasksvc.cli.importing import fill_from_store
from tasksvc.cli.output import say
from tasksvc.cli.stores import in_words
from tasksvc.ports.store_url import StoreURL


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Copies, reads the copy again to compare, and prints what it holds."""
    flags = Flags("copy", "Copies all that a store holds to another one, which must be empty.", environment)
    flags.add_argument("source", metavar="FROM", help="the URL of the store to read")
    flags.add_argument("target", metavar="TO", help="the URL of the store to fill, which is made if it is not there")
    settings = flags.parse_args(arguments)
    source, target = StoreURL(settings.source), StoreURL(settings.target)
    summary = asyncio.run(fill_from_store(source, target))
    say(f"Copied {source} to {target}: {in_words(summary)}.\n")
