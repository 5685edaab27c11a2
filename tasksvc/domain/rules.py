"""What texts, labels, metadata and times of tasks may be."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from tasksvc.domain.json_object import JSONObject, compact_size

DESCRIPTION_MAX: Final = 10_000
"""Characters that a description may have."""
NOTES_MAX: Final = 20_000
"""Characters that the notes of a task may have."""
LIST_MAX: Final = 100
"""Characters that the name of a list may have."""
POSITION_MAX: Final = 100
"""Characters that the position of a task may have."""
UID_MAX: Final = 255
"""Characters that the uid of a task may have."""
BY_MAX: Final = 255
"""Characters that the name of a caller may have in the log."""
PRIORITY_MAX: Final = 9
LABELS_MAX: Final = 50
LABEL_MAX: Final = 100
"""Characters that a label may have."""
METADATA_MAX: Final = 16 * 1024
"""Bytes of compact JSON in UTF-8."""
METADATA_DEPTH: Final = 32
METADATA_INTEGER_MAX: Final = 2**53 - 1
"""The largest integer that every JSON parser keeps exact (RFC 8259, section 6)."""
ID_MAX: Final = 2**63 - 1
IDEMPOTENCY_SCOPE_MAX: Final = 64
"""Characters that the scope of an idempotency key may have, such as the SHA-256 of a token in hexadecimal."""
IDEMPOTENCY_VALUE_MAX: Final = 255
"""Characters that an idempotency key may have in its scope.  The service takes printable ASCII, a store any text."""
FINGERPRINT_MAX: Final = 64
"""Characters that the fingerprint of a request may have: a SHA-256 in hexadecimal."""
RECORD_NAMESPACE_MAX: Final = 64
"""Characters that the namespace of a record may have."""
RECORD_KEY_MAX: Final = 100
"""Characters that the key of a record may have, such as the name of a token."""
RECORD_VALUE_MAX: Final = 64 * 1024
"""Bytes of compact JSON in UTF-8 that the value of a record may have."""


# ---------------------------------------------------------------- rules for single values
# Each returns what is expected, where the value does not meet it, and None where it does.

# The clock is spelt out, since datetime takes an hour of 24 from Python 3.13 on, and an offset of 60 minutes.
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_TIMESTAMP = re.compile(
    rf"(\d{{4}}-\d\d-\d\d)[Tt]({_CLOCK}:[0-5]\d)(?:\.(\d{{1,6}})\d*)?([Zz]|[+-]{_CLOCK})", re.ASCII
).fullmatch
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch


def is_storable_text(text: str) -> bool:
    """Returns whether `text` has no U+0000, which some stores cut, and no lone surrogate, which none can encode."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def text_error(text: str, *, least: int = 1, most: int = DESCRIPTION_MAX) -> str | None:
    """Returns what is wrong with a text of `least` to `most` storable characters; None if nothing is."""
    if not least <= len(text) <= most:
        bounds = f"{least} to {most:,}" if least else f"at most {most:,}"
        return f"Must have {bounds} characters; it has {len(text):,}."
    if not is_storable_text(text):
        return "Must not hold U+0000 or a lone surrogate."
    return None


def description_error(text: str, *, most: int = DESCRIPTION_MAX) -> str | None:
    """Returns what is wrong with a description, which isn't blank either; None if nothing is."""
    return text_error(text, most=most) or ("Must not be blank." if text.isspace() else None)


def notes_error(text: str) -> str | None:
    """Returns what is wrong with notes of up to NOTES_MAX storable characters; None if nothing is."""
    return text_error(text, least=0, most=NOTES_MAX)


def list_error(name: str) -> str | None:
    """Returns what is wrong with the name of a list, a description of up to LIST_MAX characters; None if nothing is."""
    return description_error(name, most=LIST_MAX)


def position_error(position: str) -> str | None:
    """Returns what is wrong with a position of 1 to POSITION_MAX digits and letters of ASCII; None if nothing is."""
    if not (1 <= len(position) <= POSITION_MAX and position.isascii() and position.isalnum()):
        return f"Must have 1 to {POSITION_MAX} characters of 0-9, A-Z and a-z."
    return None


def uid_error(uid: str) -> str | None:
    """Returns what is wrong with a uid of 1 to UID_MAX printable characters; None if nothing is."""
    return text_error(uid, most=UID_MAX) or (None if uid.isprintable() else "Must have printable characters only.")


def labels_error(labels: Sequence[str]) -> str | None:
    """Returns what is wrong with up to LABELS_MAX different labels of 1 to LABEL_MAX characters; None if nothing is."""
    different = dict.fromkeys(labels)
    if len(different) > LABELS_MAX:
        return f"Must have at most {LABELS_MAX} different labels."
    for label in different:
        if not 1 <= len(label) <= LABEL_MAX:
            return f"Each label must have 1 to {LABEL_MAX} characters."
        if not is_storable_text(label):
            return "A label must not hold U+0000 or a lone surrogate."
    return None


_CONTAINERS: Final = frozenset({dict, list, tuple})
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
"""Types of most values, since it takes a while to find out whether one is a Mapping."""


def metadata_error(metadata: JSONObject) -> str | None:
    """Returns a JSON object of bounded size and depth, whose values come back from every store as they went in."""
    level: list[Any] = [metadata]
    depth, values = 1, 0
    while level:
        below: list[Any] = []
        for value in level:
            kind = type(value)
            if kind in _CONTAINERS or (kind not in _SCALARS and isinstance(value, Mapping | list | tuple)):
                if depth > METADATA_DEPTH:
                    return f"Must be at most {METADATA_DEPTH} levels deep."
                values += len(value)
                if values > METADATA_MAX:  # each is a byte at least, and looking at them all could take long
                    return f"Must be at most {METADATA_MAX:,} bytes of JSON; it has more."
                if isinstance(value, list | tuple):
                    below += value
                elif value:
                    if not all(map(is_storable_text, value)):
                        return "A name in it must not hold U+0000 or a lone surrogate."
                    below += value.values()
            elif isinstance(value, str):
                if not is_storable_text(value):
                    return "A text in it must not hold U+0000 or a lone surrogate."
            elif isinstance(value, float):
                if not math.isfinite(value):
                    return "A number in it must be finite."
            elif isinstance(value, int) and not -METADATA_INTEGER_MAX <= value <= METADATA_INTEGER_MAX:
                return f"An integer in it must lie within ±{METADATA_INTEGER_MAX:,}."
        level = below
        depth += 1
    size = compact_size(metadata)
    if size > METADATA_MAX:
        return f"Must be at most {METADATA_MAX:,} bytes of JSON; it has {size:,}."
    return None


def parse_timestamp(text: str) -> datetime | None:
    """Returns an RFC 3339 date-time with its offset, in UTC, cut to microseconds; None where it is none.

    None for a leap second too, which datetime does not have.
    """
    if (match := _TIMESTAMP(text)) is None:
        return None
    day, clock, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0').ljust(6, '0')}{offset.upper()}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_date(text: str) -> date | None:
    """Returns an RFC 3339 full-date, such as 2026-12-01; None where it is none."""
    if _DATE(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def normalize_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Returns each label once, sorted by code point."""
    return tuple(sorted(set(labels)))
