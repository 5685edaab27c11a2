"""Keys of calendars: what they are for, how they are made, and how one that comes is compared.

A key is 256 random bits behind an id, by which its record is found. The record has only its hash. An id begins with a
tag of the workspace, so the keys of a workspace lie together.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

PREFIX: Final = "tasksvc_"
"""The start of a key, as of API tokens, by which the service recognizes secrets in whatever it logs."""
TAG_DIGITS: Final = 8
"""Hexadecimal digits that stand for the name of a workspace."""
ID_DIGITS: Final = 24
"""Hexadecimal digits of an id: the tag, and 64 random bits."""
SECRET_CHARACTERS: Final = 43
"""Letters and digits after the id, which hold 256 random bits."""
ID_PATTERN: Final = f"[0-9a-f]{{{ID_DIGITS}}}"
KEY_PATTERN: Final = f"{PREFIX}{ID_PATTERN}[0-9A-Za-z]{{{SECRET_CHARACTERS}}}"
KEY_MAX: Final = len(PREFIX) + ID_DIGITS + SECRET_CHARACTERS
"""Characters of a key."""

_LETTERS: Final = string.digits + string.ascii_letters


class Key(NamedTuple):
    """A key, without its secret."""

    id: str
    workspace: str
    list: str
    """The list whose tasks it shows."""
    description: str
    """What it is for, for people."""
    created_at: datetime
    created_by: str | None
    """The name of the caller who created it."""
    digest: str
    """The SHA-256 of the key as its owner has it, in hexadecimal."""
    origin: str
    """A random id of the store, from which the UIDs of its tasks are made."""

    def opens(self, given: str) -> bool:
        """Returns whether `given` is this key, in a time that doesn't depend on how much of it is right."""
        return hmac.compare_digest(self.digest, digest_of(given))


def new_id(workspace: str) -> str:
    """Returns the id of a new key of a workspace."""
    return tag_of(workspace) + secrets.token_hex((ID_DIGITS - TAG_DIGITS) // 2)


def new_key(key_id: str) -> str:
    """Returns a new key with this id, as its owner sees it, once."""
    return PREFIX + key_id + "".join(secrets.choice(_LETTERS) for _ in range(SECRET_CHARACTERS))


def id_in(given: str) -> str:
    """Returns the id of a key that came; of any other text, what stands in its place."""
    return given[len(PREFIX) : len(PREFIX) + ID_DIGITS]


def tag_of(workspace: str) -> str:
    """Returns what the ids of the keys of a workspace begin with.  Those of another one may begin so, too."""
    return hashlib.sha256(workspace.encode()).hexdigest()[:TAG_DIGITS]


def digest_of(given: str) -> str:
    """Returns what is kept of a key."""
    return hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()


def key_to_json(key: Key) -> dict[str, Any]:
    """Returns the value of the record of a key."""
    return {**key._asdict(), "created_at": key.created_at.isoformat()}


def key_from_json(value: Mapping[str, Any]) -> Key:
    """Returns the key that key_to_json() wrote.  Raises KeyError, TypeError, ValueError for any other value."""
    values = {name: value[name] for name in Key._fields}
    for name, text in values.items():
        if not isinstance(text, str) and not (name == "created_by" and text is None):
            raise TypeError(f"{name} isn't a text.")
    return Key(**{**values, "created_at": datetime.fromisoformat(values["created_at"]).astimezone(UTC)})
