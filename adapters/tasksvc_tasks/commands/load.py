"""tasksvc load: brings in tasks from a file of another program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
from tasksvc_client import Forbidden
from tasksvc_formats import READABLE, Context, InvalidFile, Ordering, Report, guess_format, reader_of

from tasksvc_tasks import completing
from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.failures import Failed, Status
from tasksvc_tasks.files import open_source
from tasksvc_tasks.loading import Loading, Outcome
from tasksvc_tasks.output import say, tell
from tasksvc_tasks.repeats import local_zone
from tasksvc_tasks.reporting import report_lines
from tasksvc_tasks.service import Service
from tasksvc_tasks.text import harmless

if TYPE_CHECKING:
    from tasksvc_client import SyncClient
    from tasksvc_formats import Item, Source

DEADLINE_SECONDS = 120.0
"""Seconds that one request may take with all its repetitions, since nobody waits for each."""
STEP = 200
"""Tasks after which the bar is drawn again while the file is read."""


@tasks_command(
    "load",
    help="Bring in the tasks of a file that another program has exported. Tasks that have been loaded before stay as"
    " they are, so the same command can be run again: after an interruption it goes on.",
    arguments={"FILE": "the file, or - for standard input"},
)
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False), metavar="FILE")
@click.option(
    *("--as", "name"),
    type=click.Choice(READABLE),
    metavar="FORMAT",
    help=f"The format: {', '.join(READABLE)}. It isn't needed where the file shows it.",
)
@click.option("--list", "list_", metavar="NAME", shell_complete=completing.lists, help="Put all tasks into this list.")
@click.option("--dry-run", is_flag=True, help="Only say what would be loaded.")
@click.option("--without-times", is_flag=True, help="Let tasks begin now. Other times need the scope admin.")
def command(
    service: Service, file: str, name: str | None, list_: str | None, dry_run: bool, without_times: bool
) -> None:
    """Reads the file, creates what is missing, and prints what became of it."""
    report = Report()
    with open_source(file) as source, service.open(DEADLINE_SECONDS) as client:
        try:
            items = _read(source, name or _guess(source), list_, report)
        except InvalidFile as error:
            raise Failed(harmless(error.say_of(source.name or "standard input"))) from error
        with items:
            outcome = _load(client, items, report, dry_run=dry_run, with_times=not without_times)
    for line in [_summary(outcome, source.name, dry_run=dry_run), *report_lines(report)]:
        say(f"{line}\n")
    if outcome.refused:
        raise Failed(f"The service refused {outcome.refused:,} of the tasks.")


def _guess(source: Source) -> str:
    if (name := guess_format(source)) is None:
        raise Failed(f"The file doesn't show its format. Name it with --as, as one of {', '.join(READABLE)}.")
    return name


def _read(source: Source, name: str, list_: str | None, report: Report) -> Ordering:
    from tasksvc_formats import Ordering

    context = Context(name, ZoneInfo(local_zone()), datetime.now(UTC), report, list_)
    with _bar("Reading", source.size) as advance:
        return Ordering(_watched(reader_of(name)(source, context), source, advance), report)


def _watched(items: Iterator[Item], source: Source, advance: Callable[[int], None]) -> Iterator[Item]:
    """Yields the items, and calls `advance` with the bytes that have been read since the last call."""
    seen = 0
    for number, item in enumerate(items):
        if not number % STEP:
            advance(max(source.position - seen, 0))
            seen = max(source.position, seen)
        yield item
    advance(source.size - seen)


def _load(client: SyncClient, items: Ordering, report: Report, *, dry_run: bool, with_times: bool) -> Outcome:
    with _bar("Loading", len(items)) as advance:
        loading = Loading(client, items, report, with_times=with_times, advance=advance)
        try:
            return loading.look() if dry_run else loading.load()
        except Forbidden as problem:
            advice = " --without-times loads the tasks without these times." if with_times else ""
            raise Failed(f"{problem}{advice}", Status.NOT_ALLOWED) from problem
        finally:
            created = loading.outcome.created
            if created and sys.exc_info()[0] is not None:
                tell(f"\n{_tasks(created)} had been loaded till then. The same command goes on from there.\n")


@contextmanager
def _bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """Gives what moves a bar on standard error, if that is a terminal."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=length, label=label, file=sys.stderr, hidden=hidden, show_pos=False) as bar:
        yield bar.update


def _summary(outcome: Outcome, name: str, *, dry_run: bool) -> str:
    source = harmless(name) or "standard input"
    there = f" {outcome.there:,} {'is' if outcome.there == 1 else 'are'} there already." if outcome.there else ""
    return f"{'Would load' if dry_run else 'Loaded'} {_tasks(outcome.created)} from {source}.{there}"


def _tasks(number: int) -> str:
    return f"{number:,} task{'' if number == 1 else 's'}"
