"""The uids of tasks: the ids that they have in their source, or derived ones where there are none."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Final

UID_MAX: Final = 255
"""Characters that a uid may have."""
DIGEST: Final = 32
"""Hexadecimal digits of a derived uid: 128 bits, so that two tasks never get the same one by chance."""


def digest(*parts: str) -> str:
    """Returns DIGEST hexadecimal digits that are the same for equal parts, today and in later versions."""
    text = json.dumps(parts, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST]


def is_usable(uid: str) -> bool:
    """Returns whether the service takes it: 1 to UID_MAX printable characters."""
    return 1 <= len(uid) <= UID_MAX and uid.isprintable()


def usable_uid(uid: str) -> str:
    """Returns `uid` if it is usable, and else one that is derived from it."""
    return uid if is_usable(uid) else f"sha256-{digest(uid)}"


class DerivedUids:
    """Gives tasks without an id a uid by what they say, and equal ones different uids by their order."""

    def __init__(self, prefix: str) -> None:
        """Takes the name of the format, with which the uids begin."""
        self._prefix = prefix
        self._seen: Counter[str] = Counter()

    def of(self, *parts: str) -> str:
        """Returns the uid of the next task that says this."""
        value = digest(*parts)
        self._seen[value] += 1
        number = self._seen[value]
        return f"{self._prefix}-{value}" if number == 1 else f"{self._prefix}-{value}-{number}"
