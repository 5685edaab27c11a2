"""Keeps secrets out of the log.  URLs are written down in many places, so a token in one is a token that leaked."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from tasksvc.api.schemas.queries import ChangesQuery, DeletionQuery, ListQuery, StreamQuery
from tasksvc.api.schemas.task_fields import METADATA_PREFIX
from tasksvc.application.tokens import PREFIX

HIDDEN = "***"
NAME_MAX = 40
"""Characters of a parameter's name; a longer one isn't a name."""

_KNOWN = {
    name
    for schema in (ListQuery, ChangesQuery, StreamQuery, DeletionQuery)
    for name in schema().fields
    if name not in schema.undocumented
}
_TOKEN = re.compile(rf"{PREFIX}[0-9A-Za-z]+", re.ASCII)
_USER = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", re.IGNORECASE)
_TOKEN_NAME = re.compile(r"token|auth|bearer|jwt|secret|api[-_]?key|password", re.IGNORECASE).search


def names_token(name: str) -> bool:
    """Returns whether a parameter of that name is meant for a token, like access_token (RFC 6750, section 2.3).

    metadata.author isn't: what is in the metadata of tasks has any name.
    """
    if name in _KNOWN:
        return False
    is_named_so = _TOKEN_NAME(name) is not None and not name.startswith(METADATA_PREFIX)
    return is_named_so or _TOKEN.search(name) is not None


def redacted(target: str) -> str:
    """Returns a request's target as it may be written down.

    The values of unknown parameters, which are refused anyway, are hidden, and so is whatever looks
    like a token, and a name and password before a host.
    """
    if "?" not in target and "#" not in target and "%" not in target and "@" not in target and PREFIX not in target:
        return target
    path, *parts = re.split(r"([?#&;])", _USER.sub(rf"\1{HIDDEN}@", target))
    return _without_token(path) + "".join(part if part in "?#&;" else _parameter(part) for part in parts)


def _parameter(text: str) -> str:
    name, equals, _ = text.partition("=")
    if unquote_plus(name) in _KNOWN:
        return _without_token(text)
    return f"{HIDDEN if len(name) > NAME_MAX else _without_token(name)}{equals}{HIDDEN if equals else ''}"


def _without_token(text: str) -> str:
    shown = _TOKEN.sub(HIDDEN, text)
    return HIDDEN if _TOKEN.search(unquote_plus(shown)) else shown
