"""The service over HTTP: the only part of tasksvc that knows aiohttp."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasksvc.api.app import RUNTIME, create_app
    from tasksvc.api.options import SCRATCH_STORE, Options
    from tasksvc.api.pipeline.auth import TokenPolicy
    from tasksvc.api.pipeline.origin_check import LOOPBACK_HOSTS, OriginCheck
    from tasksvc.api.plugins.loading import load_plugins
    from tasksvc.application.callers import Caller, Scope
    from tasksvc.application.limits import Limits, Timeouts

__all__ = [
    "LOOPBACK_HOSTS",
    "RUNTIME",
    "SCRATCH_STORE",
    "Caller",
    "Limits",
    "Options",
    "OriginCheck",
    "Scope",
    "Timeouts",
    "TokenPolicy",
    "create_app",
    "load_plugins",
]

_WHEN_USED = {
    "tasksvc.api.app": {"RUNTIME", "create_app"},
    "tasksvc.api.options": {"SCRATCH_STORE", "Options"},
    "tasksvc.api.pipeline.auth": {"TokenPolicy"},
    "tasksvc.api.pipeline.origin_check": {"LOOPBACK_HOSTS", "OriginCheck"},
    "tasksvc.api.plugins.loading": {"load_plugins"},
    "tasksvc.application.callers": {"Caller", "Scope"},
    "tasksvc.application.limits": {"Limits", "Timeouts"},
}
"""Modules that import aiohttp, which takes half a second that commands with a part of this package don't need."""


def __getattr__(name: str) -> Any:
    for module, names in _WHEN_USED.items():
        if name in names:
            value = globals()[name] = getattr(import_module(module), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
