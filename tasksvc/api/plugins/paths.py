"""Which paths plugins may have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasksvc.api.plugins.loading import Plugin
from tasksvc.api.routes import RouteGroup
from tasksvc.domain.errors import PluginRefused

HOME = "/"
"""The path that leads to the docs, unless a plugin has it."""


def with_plugins(
    own: Sequence[RouteGroup], added: Iterable[tuple[Plugin, Sequence[RouteGroup]]]
) -> Sequence[RouteGroup]:
    """Returns the groups of the service, and after them those of plugins.

    Raises PluginRefused if a request could be for a path of a plugin and for one of the service or of another plugin.
    """
    groups = list(own)
    taken = [(path, "tasksvc") for path in _paths(own) if path != HOME]
    for plugin, more in added:
        paths = _paths(more)
        for path in paths:
            if not path.startswith("/"):
                raise PluginRefused(
                    f"{plugin} has the path {path!r}, which doesn't begin with a slash. Ask its author."
                )
            owner = next((owner for other, owner in taken if _overlap(path, other)), None)
            if owner is not None:
                raise PluginRefused(f"{plugin} has the path {path}, which {owner} has already.")
        taken += [(path, f"the plugin {plugin.name}") for path in paths]
        if HOME in paths:
            groups = [_without_home(group) for group in groups]
        groups += more
    return groups


def _paths(groups: Iterable[RouteGroup]) -> list[str]:
    return list(dict.fromkeys(route.path for group in groups for route in group.routes))


def _without_home(group: RouteGroup) -> RouteGroup:
    return group._replace(routes=[route for route in group.routes if route.path != HOME])


def _overlap(path: str, other: str) -> bool:
    """Returns whether one URL can match two paths, whose parameters stand for any segment."""
    segments, others = path.split("/"), other.split("/")
    return len(segments) == len(others) and all(
        one == two or "{" in one or "{" in two for one, two in zip(segments, others, strict=True)
    )
