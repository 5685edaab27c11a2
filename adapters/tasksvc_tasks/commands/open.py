"""tasksvc open: opens the page of the service in a browser."""

from __future__ import annotations

from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.output import say
from tasksvc_tasks.service import Service


@tasks_command("open", help="Open the page of the service in a browser, or print its URL if there is no browser.")
def command(service: Service) -> None:
    """Opens the page, or prints its URL."""
    import webbrowser

    page = f"{service.url}/"
    try:
        is_open = webbrowser.open(page)
    except webbrowser.Error:
        is_open = False
    say(f"Opened {page}\n" if is_open else f"{page}\n")
