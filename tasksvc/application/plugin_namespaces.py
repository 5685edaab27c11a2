"""The namespaces of the records that plugins keep."""

from __future__ import annotations

from typing import Final

_PREFIX: Final = "plugin:"
_SECRETS: Final = ":secrets"


def namespace_of(plugin: str) -> str:
    """Returns the namespace of the records of a plugin."""
    return _PREFIX + plugin


def secrets_of(plugin: str) -> str:
    """Returns the namespace of the secrets of a plugin, which exports leave out."""
    return _PREFIX + plugin + _SECRETS


def plugin_of(namespace: str) -> str | None:
    """Returns the name of the plugin whose records and secrets are in a namespace; None if it isn't one of a plugin."""
    if not namespace.startswith(_PREFIX):
        return None
    return namespace.removeprefix(_PREFIX).removesuffix(_SECRETS)


def is_secret(namespace: str) -> bool:
    """Returns whether the records of a namespace are secrets of a plugin."""
    return namespace.startswith(_PREFIX) and namespace.endswith(_SECRETS)
