"""The service over HTTP: the only part of tasksvc that knows aiohttp."""

from tasksvc.api.app import SERVICE, create_app
from tasksvc.api.options import SCRATCH_STORE, Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.api.pipeline.origin_check import LOOPBACK_HOSTS, Guard

__all__ = ["LOOPBACK_HOSTS", "SCRATCH_STORE", "SERVICE", "Guard", "Options", "TokenPolicy", "create_app"]
