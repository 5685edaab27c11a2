"""tasksvc stats: prints the numbers of a running service."""

from __future__ import annotations

import json
import os
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import click


@click.command("stats", help="Print how many tasks are open and done, and what happened on the last days.")
@click.option("--url", envvar="TASKSVC_URL", default="http://127.0.0.1:8000", show_default=True, help="The service.")
@click.option("--workspace", help="The workspace; without it the home of the token in TASKSVC_TOKEN.")
def stats(url: str, workspace: str | None) -> None:
    """Prints a table.  Raises ClickException."""
    path = "/stats" if workspace is None else f"/workspaces/{quote(workspace, safe='')}/stats"
    token = os.environ.get("TASKSVC_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urlopen(Request(url.rstrip("/") + path, headers=headers), timeout=30) as response:  # noqa: S310
            shown = json.load(response)
    except HTTPError as error:
        error.close()
        raise click.ClickException(f"{url} answers {error.code} {error.reason}.") from None
    except (URLError, ValueError) as error:
        raise click.ClickException(f"{url} doesn't answer: {getattr(error, 'reason', error)}.") from None
    click.echo(f"{shown['open']:,} open and {shown['done']:,} done in {shown['workspace']}\n")
    click.echo(f"{'day':10}  {'created':>9}  {'completed':>9}")
    for day in shown["days"]:
        click.echo(f"{day['day']:10}  {day['created']:9,}  {day['completed']:9,}")
