"""tasksvc logout: forgets what login kept."""

from __future__ import annotations

from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.logins import forget_login
from tasksvc_tasks.output import say
from tasksvc_tasks.service import Service


@tasks_command(
    "logout",
    help="Forget the token that 'tasksvc login' kept for a service. It stays valid; 'tasksvc token revoke' ends it.",
)
def command(service: Service) -> None:
    """Forgets it, and says whether there was one."""
    was_kept = forget_login(service.url)
    say(f"Logged out of {service.url}.\n" if was_kept else f"Nothing is kept for {service.url}.\n")
