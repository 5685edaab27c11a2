"""The service over HTTP: the only part of tasksvc that knows aiohttp."""

from tasksvc.api.access import TokenPolicy
from tasksvc.api.app import SCRATCH_STORE, SERVICE, Options, create_app
from tasksvc.api.guard import LOOPBACK_HOSTS, Guard

__all__ = ["LOOPBACK_HOSTS", "SCRATCH_STORE", "SERVICE", "Guard", "Options", "TokenPolicy", "create_app"]
