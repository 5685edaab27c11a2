"""tasksvc login: keeps the URL of a service, and a token for it."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

import click

from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.failures import Failed
from tasksvc_tasks.logins import InvalidURL, Login, keep_login, logins_file, normal_url
from tasksvc_tasks.output import say, tell
from tasksvc_tasks.service import LOOPBACK, TOKEN, Service, is_token
from tasksvc_tasks.text import harmless


@tasks_command(
    "login",
    help="Ask for the URL of a service and a token, try them, and keep them for the other commands, in a file that"
    " only you can read. A URL in --url isn't asked for, nor is a token in TASKSVC_TOKEN or on standard input."
    " --workspace is kept too.",
)
def command(service: Service) -> None:
    """Keeps the login, and prints who the user is there."""
    url = _url(service.url)
    token = _token()
    tried = Service(url, token, service.workspace if _is_given("workspace") else None)
    with tried.open() as client:
        me = client.me()
        if tried.workspace is not None:
            client.count()
    if token is not None and urlsplit(url).scheme == "http" and urlsplit(url).hostname not in LOOPBACK:
        tell(f"The token goes to {url} without encryption. Use https where others can listen.\n")
    keep_login(url, Login(token, tried.workspace))
    name = f" as {harmless(me.name)}" if me.name else ""
    say(f"Logged in to {url}{name}, with the scope {me.scope}. It is kept in {logins_file()}.\n")


def _url(chosen: str) -> str:
    """Returns the URL that was given, or that the user types."""
    if _is_given("url") or not sys.stdin.isatty():
        return chosen
    try:
        return normal_url(_prompt("URL of the service", chosen))
    except InvalidURL as error:
        raise Failed(str(error)) from error


def _token() -> str | None:
    """Returns the token that was given, or that the user types without seeing it; None if it's empty."""
    given = os.environ.get(TOKEN, "").strip()
    if not given:
        if sys.stdin.isatty():
            given = _prompt("Token (empty if the service needs none)", hidden=True)
        else:
            given = sys.stdin.readline()
    if not is_token(given.strip()):
        raise Failed("That is no token: it has spaces or other characters that no token has.")
    return given.strip() or None


def _prompt(question: str, default: str = "", *, hidden: bool = False) -> str:
    try:
        return click.prompt(question, default=default, hide_input=hidden, show_default=bool(default), err=True)
    except click.Abort:
        raise KeyboardInterrupt from None


def _is_given(parameter: str) -> bool:
    return click.get_current_context().params.get(parameter) is not None
