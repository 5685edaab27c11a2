"""Calendars and their keys, as clients send and see them."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import ValidationError, fields

from tasksvc.plugin import (
    Choice,
    Query,
    QueryBoolean,
    ResponseSchema,
    StrictSchema,
    StrictString,
    described,
)
from tasksvc_calendar.keys import ID_PATTERN, KEY_MAX, KEY_PATTERN

LIST_MAX: Final = 100
"""Characters that the name of a list may have."""
DESCRIPTION_MAX: Final = 255
_BLANK: Final = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""The characters of str.isspace(), for a pattern."""
ZONE_MAX: Final = 100
"""Characters of the longest name of a time zone that is looked up."""
TAG: Final = "Due tasks as iCalendar, for programs that subscribe to an address. Each address has a key of its own."
EXAMPLE_ID: Final = "37a8eec1ce19687d0fe29051"
EXAMPLE_KEY: Final = f"tasksvc_{EXAMPLE_ID}JqfVYbUEcYAaWZPTdqrnmXRkyTBEfPBLvmTqTvCGxZe"
EXAMPLE_LIST: Final = "Garden"
TIME: Final = "2026-11-24T15:00:00.123456Z"


def _check_list(name: str) -> None:
    # The same rule as for the list of a task.
    if not 1 <= len(name) <= LIST_MAX or name.isspace() or not _is_storable(name):
        raise ValidationError(f"Must be the name of a list: 1 to {LIST_MAX} characters, not blank, without U+0000.")


def _check_description(text: str) -> None:
    if len(text) > DESCRIPTION_MAX or not _is_storable(text):
        raise ValidationError(f"Must have at most {DESCRIPTION_MAX} characters, without U+0000.")


def _is_storable(text: str) -> bool:
    return "\0" not in text and text == text.encode("utf-8", "ignore").decode()


def _check_zone(name: str) -> None:
    try:
        if len(name) <= ZONE_MAX and name[:1].isupper():  # localtime and the like depend on the machine
            ZoneInfo(name)
            return
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ValidationError("Must be a time zone of the IANA database, such as Europe/Berlin.")


class KeyIn(StrictSchema):
    """A key to be created."""

    list = StrictString(
        required=True,
        validate=_check_list,
        metadata=described(
            "The list that it shows. It needn't have a task yet.",
            EXAMPLE_LIST,
            minLength=1,
            maxLength=LIST_MAX,
            pattern=rf"^[^\u0000]*[^\u0000{_BLANK}][^\u0000]*$",
        ),
    )
    description = StrictString(
        load_default="",
        validate=_check_description,
        metadata=described("What it is for, for people.", "Anna's phone", maxLength=DESCRIPTION_MAX),
    )
    example = MappingProxyType({"list": EXAMPLE_LIST, "description": "Anna's phone"})


class KeyOut(ResponseSchema):
    """A key, without its secret."""

    id = fields.String(metadata=described("Its id.", EXAMPLE_ID, pattern=f"^{ID_PATTERN}$"))
    list = fields.String(metadata=described("The list that it shows.", EXAMPLE_LIST))
    description = fields.String(metadata=described("What it is for.", "Anna's phone"))
    created_at = fields.AwareDateTime(metadata=described("When it was created.", TIME))
    created_by = fields.String(
        allow_none=True, metadata=described("The name of the caller who created it, if they had one.", "anna")
    )


class KeyCreated(KeyOut):
    """A key that was just created."""

    key = fields.String(
        metadata=described("The key itself. It isn't shown again.", EXAMPLE_KEY, pattern=f"^{KEY_PATTERN}$")
    )
    path = fields.String(
        metadata=described(
            "The calendar with this key, below the address of the service.",
            f"/calendar/{EXAMPLE_LIST}.ics?key={EXAMPLE_KEY}",
        )
    )


_AS = StrictString(
    validate=Choice(["tasks", "events"]),
    metadata=described(
        "`tasks` for to-dos (VTODO), as without it, or `events` for all-day events (VEVENT), which more programs show."
    ),
)


class CalendarQuery(Query):
    """The query string of a calendar."""

    class Meta(Query.Meta):
        include = {"as": _AS}  # noqa: RUF012  (a keyword of Python)

    key = StrictString(
        required=True,
        metadata=described(
            "The key of the calendar, which is of no use anywhere else.", EXAMPLE_KEY, maxLength=KEY_MAX
        ),
    )
    done = QueryBoolean(
        metadata=described("Only tasks that are done, or aren't. Without it, tasks of both kinds and open events.")
    )
    zone = StrictString(
        validate=_check_zone,
        metadata=described(
            "The time zone whose day is that of an event that is due at a time, such as Europe/Berlin; UTC without it."
        ),
    )
