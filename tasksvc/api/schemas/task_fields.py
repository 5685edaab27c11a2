"""The fields of a task, as clients send, see and filter them: all that the API says of each."""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import Any, Never

from marshmallow import ValidationError, fields, post_load

from tasksvc.api.schemas.fields import (
    Choice,
    Date,
    Field,
    Query,
    QueryBoolean,
    QueryInteger,
    QueryStringList,
    ResponseInteger,
    ResponseSchema,
    StrictBoolean,
    StrictInteger,
    StrictNested,
    StrictSchema,
    StrictString,
    UTCDateTime,
    checked_by,
    described,
)
from tasksvc.api.schemas.workspaces import WORKSPACE_NAME
from tasksvc.domain import repetition, rules
from tasksvc.domain.fields import TASK_FIELDS
from tasksvc.domain.query import METADATA_LEVELS, Due, Operator, Scalar, TaskQuery
from tasksvc.domain.recurrence import RULE_MAX, TIMES_MAX
from tasksvc.domain.task import TaskDraft


class Labels(Field[tuple[str, ...]]):
    """A JSON array of strings, taken as a set."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
            raise ValidationError("Must be an array of strings.")
        if (problem := rules.labels_error(value)) is not None:
            raise ValidationError(problem)
        return rules.normalize_labels(value)


class QueryDue(Field[Due]):
    """What due times and due days are compared with: a time with its offset, or a day."""

    def __init__(self, operator: Operator, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.operator = operator

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Due:
        text = str(value)
        if (day := rules.parse_date(text)) is not None:
            return Due.day(day, self.operator)
        moment, day = rules.parse_timestamp(text), rules.parse_date(text[:10])
        if moment is None or day is None:
            raise ValidationError(
                "Must be a date, or a date and time with an offset (RFC 3339), such as 2026-11-24T15:00:00Z;"
                " in a query string, write + as %2B."
            )
        return Due(moment, day)


_RULE = described(
    "A recurrence rule: FREQ of DAILY, WEEKLY, MONTHLY or YEARLY, and INTERVAL, BYMONTH, BYMONTHDAY, BYDAY, BYSETPOS,"
    " WKST, and COUNT or UNTIL (RFC 5545). A rule that names no day gets that of the due.",
    "FREQ=WEEKLY;BYDAY=MO",
    minLength=1,
    maxLength=RULE_MAX,
)
_ZONE = described("The time zone whose days and clock the rule means, of the IANA database.", "Europe/Berlin")
_FROM = described(
    "What the next occurrence is counted from: the schedule without what has passed, each occurrence of the schedule,"
    " or the day of the completion."
)
_BASES = [basis.value for basis in repetition.Basis]


class _Repeat(StrictSchema):
    """The members of `repeat` that clients write."""

    set_by_service = ("start", "occurrence", "remaining")


class RepeatIn(_Repeat):
    """How a task repeats."""

    rule = StrictString(required=True, validate=checked_by(repetition.rule_error), metadata=_RULE)
    zone = StrictString(required=True, validate=checked_by(repetition.zone_error), metadata=_ZONE)

    class Meta:
        include = {"from": StrictString(validate=Choice(_BASES), metadata=_FROM)}  # noqa: RUF012  (a keyword of Python)


class RepeatPatch(_Repeat):
    """A merge patch of how a task repeats."""

    rule = StrictString(validate=checked_by(repetition.rule_error), metadata=_RULE)
    zone = StrictString(validate=checked_by(repetition.zone_error), metadata=_ZONE)

    class Meta:
        include = {"from": StrictString(allow_none=True, validate=Choice(_BASES), metadata=_FROM)}  # noqa: RUF012


class Metadata(Field[dict[str, Any]]):
    """A JSON object of the user's."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("Must be an object.")
        if (problem := rules.metadata_error(value)) is not None:
            raise ValidationError(problem)
        return value


_PARENT_ID = re.compile(r"[1-9]\d{0,18}", re.ASCII).fullmatch


class ParentFilter(Field[int | None]):
    """The id of a parent in a query string, or `none`, which comes out as None."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int | None:
        if value == "none":
            return None
        if not _PARENT_ID(value) or (parent_id := int(value)) > rules.ID_MAX:
            raise ValidationError("Must be the id of a task, or none.")
        return parent_id


METADATA_FILTERS_MAX = 20
"""Filters on metadata that one request may have."""
METADATA = "metadata"
"""The field that the filters on metadata are loaded by.  There is no parameter of this name."""
METADATA_PREFIX = f"{METADATA}."
"""What the parameters of filters on metadata begin with."""


class MetadataFilters(Field[tuple[tuple[str, Scalar], ...]]):
    """The parameters that begin with METADATA_PREFIX: paths in the metadata, each with the text of a value."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[tuple[str, Scalar], ...]:
        if not isinstance(value, list):
            raise ValidationError("Name a path in the metadata, as in metadata.room=4.")
        if len(value) > METADATA_FILTERS_MAX:
            raise ValidationError(f"At most {METADATA_FILTERS_MAX} filters on metadata may be given.")
        return tuple([(path, _scalar(path, text)) for path, text in value])


def _scalar(path: str, text: str) -> Scalar:
    """Returns the value of a filter on metadata: a scalar of JSON, or the text itself where it isn't JSON.

    Raises ValidationError, by path.
    """
    names = path.split(".")
    if len(names) > METADATA_LEVELS or not all(names):
        raise ValidationError({path: [f"Must be a path of 1 to {METADATA_LEVELS} names with dots between them."]})
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, dict | list):
        raise ValidationError({path: ["Must be a string, a number, true, false or null."]})
    if not rules.is_storable_text(path) or (isinstance(value, str) and not rules.is_storable_text(value)):
        raise ValidationError({path: ["Must not hold U+0000 or a lone surrogate."]})
    scalar: Scalar = value
    return scalar


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} isn't JSON.")


# ---------------------------------------------------------------- tasks, coming in

SET_BY_SERVICE = tuple(field.name for field in TASK_FIELDS if not field.writable)
"""Fields of a task that clients do not write."""
EXAMPLE_TASK = {"description": "Water the plants", "due_at": "2026-11-24T18:00:00+01:00", "labels": ["home"]}


# Patterns, for the description alone: the domain has the rules.  They keep to what means the same in ECMA-262, Python,
# Rust and others (JSON Schema, section 6.4), and to escapes of the form \u0000; \s, \d and \w for instance differ.
STORABLE = r"^[^\u0000]*$"
BLANK = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""The characters for which str.isspace() is true, as the inner part of a character class."""
DESCRIPTION = {
    "minLength": 1,
    "maxLength": rules.DESCRIPTION_MAX,
    "pattern": rf"^[^\u0000]*[^\u0000{BLANK}][^\u0000]*$",
}
LABEL = {"minLength": 1, "maxLength": rules.LABEL_MAX, "pattern": STORABLE}


NOTES = {"maxLength": rules.NOTES_MAX, "pattern": STORABLE}
POSITION = {"minLength": 1, "maxLength": rules.POSITION_MAX, "pattern": "^[0-9A-Za-z]+$"}
LIST = {**DESCRIPTION, "maxLength": rules.LIST_MAX}
UID = {"minLength": 1, "maxLength": rules.UID_MAX, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}
ONLY_FOR_IMPORTS = "Only administrators give it, or everybody where the service needs no token."


class TaskIn(StrictSchema):
    """A task to be created."""

    example = EXAMPLE_TASK

    set_by_service = SET_BY_SERVICE

    description = StrictString(
        required=True,
        validate=checked_by(rules.description_error),
        metadata=described("What is to be done: 1 to 10,000 characters, not blank.", "Water the plants", **DESCRIPTION),
    )
    notes = StrictString(
        validate=checked_by(rules.notes_error),
        metadata=described("What else there is to say: up to 20,000 characters.", "Not the cactus.", **NOTES),
    )
    done = StrictBoolean(metadata=described("Whether the task is done."))
    due_at = UTCDateTime(
        allow_none=True,
        metadata=described(
            "When the task is due: RFC 3339 with an offset; stored in UTC.", "2026-11-24T18:00:00+01:00"
        ),
    )
    due_on = Date(
        allow_none=True,
        metadata=described("The day on which the task is due, without a time and a zone; null if it has a due_at."),
    )
    priority = StrictInteger(0, rules.PRIORITY_MAX, metadata=described("From 0, no priority, to 9, the highest."))
    labels = Labels(
        metadata=described("A set of up to 50 different labels of 1 to 100 characters; stored sorted.", ["home"])
    )
    list = StrictString(
        validate=checked_by(rules.list_error),
        metadata=described("The list that the task is in: 1 to 100 characters, not blank.", "garden", **LIST),
    )
    parent_id = StrictInteger(
        1,
        rules.ID_MAX,
        allow_none=True,
        metadata=described("The task that this one is a part of. Tasks may be 8 levels deep."),
    )
    position = StrictString(
        allow_none=True,
        validate=checked_by(rules.position_error),
        metadata=described(
            "A key of the client's choice for an order by hand: 1 to 100 digits and letters of ASCII, sorted by code"
            " point; null comes last.",
            "a0",
            **POSITION,
        ),
    )
    metadata = Metadata(
        metadata=described("Any JSON object: up to 16 KiB, 32 levels, integers within ±(2^53 - 1).", {"room": 4})
    )

    repeat = StrictNested(
        RepeatIn,
        allow_none=True,
        metadata=described("How the task repeats. It needs a due_at or a due_on, and isn't done."),
    )
    uid = StrictString(
        allow_none=True,
        validate=checked_by(rules.uid_error),
        metadata=described(
            "What another system calls the task: 1 to 255 printable characters, unique in the workspace. It never"
            " changes.",
            **UID,
        ),
    )
    created_at = UTCDateTime(
        allow_none=True,
        metadata=described(f"When the task was created elsewhere, for imports. {ONLY_FOR_IMPORTS}"),
    )
    completed_at = UTCDateTime(
        allow_none=True,
        metadata=described(f"When a task that is done was completed elsewhere, for imports. {ONLY_FOR_IMPORTS}"),
    )

    @post_load
    def draft(self, data: dict[str, Any], **kwargs: Any) -> TaskDraft:
        return TaskDraft(**data)


class TaskPatch(StrictSchema):
    """A JSON Merge Patch of a task (RFC 7396): what is not sent is not touched, null resets."""

    example = MappingProxyType({"done": True})

    set_by_service = (*SET_BY_SERVICE, "created_at", "completed_at")
    given_once = ("uid",)

    description = StrictString(
        validate=checked_by(rules.description_error),
        metadata=described("1 to 10,000 characters, not blank.", **DESCRIPTION),
    )
    notes = StrictString(
        allow_none=True,
        validate=checked_by(rules.notes_error),
        metadata=described("Up to 20,000 characters.", **NOTES),
    )
    done = StrictBoolean(allow_none=True, metadata=described("Sets or clears completed_at too."))
    due_at = UTCDateTime(allow_none=True, metadata=described("RFC 3339 with an offset. Clears due_on."))
    due_on = Date(allow_none=True, metadata=described("A day. Clears due_at."))
    priority = StrictInteger(0, rules.PRIORITY_MAX, allow_none=True, metadata=described("0 to 9."))
    labels = Labels(allow_none=True, metadata=described("Up to 50 different labels, which replace all labels."))
    list = StrictString(
        allow_none=True,
        validate=checked_by(rules.list_error),
        metadata=described("Moves the task to this list.", **LIST),
    )
    parent_id = StrictInteger(
        1, rules.ID_MAX, allow_none=True, metadata=described("The task that this one is a part of; null for none.")
    )
    position = StrictString(
        allow_none=True,
        validate=checked_by(rules.position_error),
        metadata=described("A key for an order by hand.", **POSITION),
    )
    metadata = Metadata(allow_none=True, metadata=described("Merged into the current metadata, at every level."))
    repeat = StrictNested(
        RepeatPatch, allow_none=True, metadata=described("Merged into how the task repeats; null ends its series.")
    )


# ---------------------------------------------------------------- tasks, going out


TASK = {
    "id": 1,
    "description": "Water the plants",
    "notes": "Not the cactus.",
    "done": False,
    "completed_at": None,
    "due_at": "2026-11-24T17:00:00Z",
    "due_on": None,
    "priority": 0,
    "labels": ["home"],
    "list": "garden",
    "parent_id": None,
    "position": "a0",
    "metadata": {"room": 4},
    "repeat": {
        "rule": "FREQ=WEEKLY;BYDAY=TU",
        "zone": "Europe/Berlin",
        "from": "schedule",
        "start": "2026-11-24T18:00:00",
        "occurrence": "2026-11-24T18:00:00",
        "remaining": None,
    },
    "series_id": None,
    "next_id": None,
    "uid": None,
    "created_at": "2026-11-24T15:00:00.123456Z",
    "updated_at": "2026-11-24T15:00:00.123456Z",
    "version": 1,
}
"""The example of a task in the API's description."""


def _shown(name: str, text: str = "") -> dict[str, Any]:
    """Returns a field of a task, with its value in the example."""
    return {"description": text, "example": TASK[name]} if text else {"example": TASK[name]}


class RepeatOut(ResponseSchema):
    """How a task repeats."""

    rule = fields.String(metadata=described("The rule, with the days that it means."))
    zone = fields.String(metadata=described("The time zone of the rule."))
    start = fields.String(
        metadata=described("The local day or time from which intervals are counted, and whose clock counts.")
    )
    occurrence = fields.String(metadata=described("The local day or time of this task in the schedule."))
    remaining = ResponseInteger(
        0, TIMES_MAX, allow_none=True, metadata=described("The number of later occurrences, if the rule has a COUNT.")
    )

    class Meta:
        include = {"from": fields.String(metadata={"enum": _BASES})}  # noqa: RUF012  (a keyword of Python)


class TaskOut(ResponseSchema):
    """A task as clients see it."""

    sometimes = ("workspace",)

    id = ResponseInteger(1, rules.ID_MAX, metadata=_shown("id", "A positive integer that is never reused."))
    description = fields.String(metadata=_shown("description", "As it was sent."))
    notes = fields.String(metadata=_shown("notes", "As they were sent."))
    done = fields.Boolean(metadata=_shown("done"))
    completed_at = fields.AwareDateTime(allow_none=True, metadata=_shown("completed_at", "When the task was done."))
    due_at = fields.AwareDateTime(allow_none=True, metadata=_shown("due_at", "In UTC."))
    due_on = fields.Date(allow_none=True, metadata=_shown("due_on", "A day, if the task has no due_at."))
    priority = ResponseInteger(0, rules.PRIORITY_MAX, metadata=_shown("priority"))
    labels = fields.List(fields.String(), metadata=_shown("labels", "Sorted."))
    list = fields.String(metadata=_shown("list", "The list that the task is in."))
    parent_id = ResponseInteger(
        1, rules.ID_MAX, allow_none=True, metadata=_shown("parent_id", "The task that this one is a part of.")
    )
    position = fields.String(allow_none=True, metadata=_shown("position", "As it was sent."))
    metadata = fields.Dict(metadata=_shown("metadata", "As it was sent."))
    repeat = fields.Nested(RepeatOut, allow_none=True, metadata=_shown("repeat", "How the task repeats."))
    series_id = ResponseInteger(
        1,
        rules.ID_MAX,
        allow_none=True,
        metadata=_shown("series_id", "The first task of the series, if the service created this one for it."),
    )
    next_id = ResponseInteger(
        1,
        rules.ID_MAX,
        allow_none=True,
        metadata=_shown("next_id", "The next task of the series, which completing this one created."),
    )
    uid = fields.String(allow_none=True, metadata=_shown("uid", "What another system calls the task."))
    created_at = fields.AwareDateTime(metadata=_shown("created_at", "In UTC."))
    updated_at = fields.AwareDateTime(metadata=_shown("updated_at", "In UTC; never decreases."))
    version = ResponseInteger(1, rules.ID_MAX, metadata=_shown("version", "1, 2, 3, ..."))
    workspace = fields.String(
        metadata=described("Only in lists of several workspaces: the one that the task is in.", **WORKSPACE_NAME)
    )


# ---------------------------------------------------------------- filters


class FilterQuery(Query):
    """Filters that select tasks."""

    undocumented = (METADATA,)

    done = QueryBoolean(metadata=described("Only tasks that are done, or only those that aren't."))
    label = QueryStringList(
        validate=checked_by(rules.labels_error),
        metadata=described("Only tasks with this label. Repeat it for up to 50 labels, all of which a task must have."),
    )
    list = StrictString(validate=checked_by(rules.list_error), metadata=described("Only tasks in this list.", **LIST))
    parent_id = ParentFilter(
        metadata=described("Only tasks with this parent; `none` for those without one.", pattern="^([1-9][0-9]*|none)$")
    )
    uid = StrictString(validate=checked_by(rules.uid_error), metadata=described("Only the task with this uid.", **UID))
    metadata = MetadataFilters()
    priority = QueryInteger(0, rules.PRIORITY_MAX, metadata=described("Only tasks with this priority."))
    priority_min = QueryInteger(
        0, rules.PRIORITY_MAX, metadata=described("Only tasks with this priority or a higher one.")
    )
    priority_max = QueryInteger(
        0, rules.PRIORITY_MAX, metadata=described("Only tasks with this priority or a lower one.")
    )
    due_before = QueryDue(
        Operator.LESS,
        metadata=described(
            "Only tasks that are due before this time; those with a due_on, before the day of this time in its own"
            " offset. Or a day: only tasks that are due before this day; those with a due_at, in UTC."
        ),
    )
    due_after = QueryDue(
        Operator.GREATER, metadata=described("Only tasks that are due after this time, or this day, likewise.")
    )
    created_after = UTCDateTime(metadata=described("Only tasks that were created after this time."))
    updated_after = UTCDateTime(metadata=described("Only tasks that were updated after this time."))
    q = StrictString(
        validate=checked_by(rules.text_error),
        metadata=described(
            "Only tasks whose description or notes contain this text, ignoring case.",
            minLength=1,
            maxLength=rules.DESCRIPTION_MAX,
            pattern=STORABLE,
        ),
    )

    @post_load
    def query(self, data: dict[str, Any], **kwargs: Any) -> Any:
        return TaskQuery(**filters_from(data))


def filters_from(data: dict[str, Any]) -> dict[str, Any]:
    """Returns the filters of a query string, by their names in TaskQuery."""
    filters = {**data, "labels": data.get("label", ())}
    filters.pop("label", None)
    if "parent_id" in data and data["parent_id"] is None:
        filters["without_parent"] = True
    return filters
