"""marshmallow schemas: what comes in, what goes out.

The rules themselves are the domain's; here they meet JSON and query strings.  A schema that is
loaded gives values of the domain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar, TypeVar

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from tasksvc import codec, domain
from tasksvc.api.conditions import condition_problem
from tasksvc.api.cursors import parse_cursor
from tasksvc.api.problems import ERRORS_MAX
from tasksvc.api.suggestions import Unknown, did_you_mean
from tasksvc.domain import TaskDraft
from tasksvc.query import Cursor, SortField, TaskQuery
from tasksvc.tokens import NAME_RULE, Scope
from tasksvc.usecases import REMOVE_MATCHING_MAX

LIMIT_MAX = 1_000
BATCH_MAX = 1_000
"""Operations."""
CHANGES_LIMIT = 100
"""Changes on a page, where none is named."""

_INTEGER = re.compile(r"-?(0|[1-9]\d{0,18})", re.ASCII).fullmatch
MESSAGES: dict[str, str | list[Any] | dict[Any, Any]] = {
    "required": "This field is required.",
    "null": "Must not be null.",
    "type": "Must be an object.",
}

_T = TypeVar("_T")


def _by(rule: Callable[[Any], str | None]) -> Callable[[Any], None]:
    """A validator out of one of the domain's rules."""

    def check(value: Any) -> None:
        if (problem := rule(value)) is not None:
            raise ValidationError(problem)

    return check


# ---------------------------------------------------------------- fields


class Field(fields.Field[_T]):
    """Says what is expected in the same words everywhere."""

    default_error_messages = MESSAGES


class Text(Field[str]):
    """A JSON string."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("Must be a string.")
        return value


class Flag(Field[bool]):
    """A JSON true or false."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Must be true or false.")
        return value


class Whole(Field[int]):
    """A JSON integer from `least` to `most`.

    5.0 is one, as JSON Schema has it (2020-12, section 4.2.3) and as some encoders write it; but not where it is past
    2^53 - 1, since parsers round there (RFC 8259, section 6).  true and "5" are refused.
    """

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is float and value.is_integer() and abs(value) <= domain.METADATA_INTEGER_MAX:
            value = int(value)
        if type(value) is not int or not self.least <= value <= self.most:
            raise ValidationError(f"Must be an integer from {self.least:,} to {self.most:,}.")
        return value


class Moment(Field[datetime]):
    """A date-time with its offset (RFC 3339), which comes out in UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        moment = domain.parse_timestamp(value) if isinstance(value, str) else None
        if moment is None:
            raise ValidationError(
                "Must be a date and time with an offset (RFC 3339), such as 2026-11-24T15:00:00Z;"
                " in a query string, write + as %2B."
            )
        return moment


class Labels(Field[tuple[str, ...]]):
    """A JSON array of strings, taken as a set."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
            raise ValidationError("Must be an array of strings.")
        if (problem := domain.labels_problem(value)) is not None:
            raise ValidationError(problem)
        return domain.normalized_labels(value)


class Metadata(Field[dict[str, Any]]):
    """A JSON object of the user's."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("Must be an object.")
        if (problem := domain.metadata_problem(value)) is not None:
            raise ValidationError(problem)
        return value


class QueryFlag(Field[bool]):
    """true or false, in a query string."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise ValidationError("Must be true or false.")
        return bool(value == "true")


class QueryWhole(Whole):
    """An integer from `least` to `most`, in a query string, without a plus or leading zeros."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        return super()._deserialize(int(value) if _INTEGER(value) else None, attr, data, **kwargs)


class QueryTexts(Field[tuple[str, ...]]):
    """A parameter that may be repeated."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        return domain.normalized_labels(value)


class Part(fields.Nested):
    """An object with a schema of its own."""

    default_error_messages = MESSAGES


class Choice(validate.OneOf):
    """A validator of a text that is one of some, which its message lists."""

    def __init__(self, choices: Iterable[str]) -> None:
        super().__init__(list(choices), error="Must be one of {choices}.")

    def __call__(self, value: str) -> str:
        try:
            return str(super().__call__(value))
        except ValidationError as error:
            raise ValidationError(f"{error.messages[0]}{did_you_mean(value, list(self.choices))}") from None


class Strict(Schema):
    """Refuses what it does not know."""

    error_messages = {"type": "Must be an object."}  # noqa: RUF012
    noun: ClassVar = "field"
    """What it calls its members."""
    set_by_service: ClassVar[Collection[str]] = ()
    """Members of what it makes that clients do not write."""

    class Meta:
        unknown = RAISE

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        unknown = Unknown(self.noun, list(self.fields), self.set_by_service)
        self.error_messages = {**self.error_messages, "unknown": unknown}

    def load(self, data: Any, **kwargs: Any) -> Any:
        """As marshmallow has it, which takes long over thousands of unknown members: some of them are enough."""
        if isinstance(data, dict) and len(data) > len(self.fields) + ERRORS_MAX:
            unknown = islice((name for name in data if name not in self.fields), ERRORS_MAX)
            data = {name: data[name] for name in (*self.fields.keys() & data.keys(), *unknown)}
        return super().load(data, **kwargs)


class Query(Strict):
    """A query string.  Refuses parameters that it does not know."""

    noun = "parameter"


class ShownWhole(fields.Integer):
    """An integer from `least` to `most` that goes out."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most


class Shown(Schema):
    """Something that goes out.  All of its fields are always there."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """As marshmallow has it."""
        field_obj.required = True


# ---------------------------------------------------------------- tasks, coming in

SET_BY_SERVICE = ("id", "completed_at", "created_at", "updated_at", "version")
"""Fields of a task that clients do not write."""
EXAMPLE_TASK = {"description": "Water the plants", "due_at": "2026-11-24T18:00:00+01:00", "labels": ["home"]}


# Patterns, for the description alone: the domain has the rules.  They keep to what means the same in ECMA-262, Python,
# Rust and others (JSON Schema, section 6.4), and to escapes of the form \u0000; \s, \d and \w for instance differ.
STORABLE = r"^[^\u0000]*$"
BLANK = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""The characters for which str.isspace() is true, as the inner part of a character class."""
DESCRIPTION = {
    "minLength": 1,
    "maxLength": domain.DESCRIPTION_MAX,
    "pattern": rf"^[^\u0000]*[^\u0000{BLANK}][^\u0000]*$",
}
LABEL = {"minLength": 1, "maxLength": domain.LABEL_MAX, "pattern": STORABLE}
CONDITION = {"pattern": r'^([*]|(W/)?"[!#-~]*"([ \u0009]*,[ \u0009]*(W/)?"[!#-~]*")*)$'}
POSITION = {"pattern": "^(0|[0-9a-z]{1,32}-[0-9]{1,18})$"}
TOKEN_NAME = {"pattern": "^[0-9A-Za-z._-]{1,100}$"}

EXAMPLE_TAG = '"5d2f0c9a7b1e4c3d.1"'
EXAMPLE_POSITION = "5d2f0c9a7b1e4c3d-1"
EXAMPLE_NAME = "reporting"


def _described(text: str, example: Any = None, **bounds: Any) -> dict[str, Any]:
    shown = {"description": text, **bounds}
    return shown if example is None else {**shown, "example": example}


IF_MATCH = _described("As the header If-Match: an entity tag, several with commas, or *.", EXAMPLE_TAG, **CONDITION)


class TaskIn(Strict):
    """A new task."""

    set_by_service = SET_BY_SERVICE

    description = Text(
        required=True,
        validate=_by(domain.description_problem),
        metadata=_described(
            "What is to be done: 1 to 10,000 characters, not blank.", "Water the plants", **DESCRIPTION
        ),
    )
    done = Flag(metadata=_described("Whether it is done."))
    due_at = Moment(
        allow_none=True,
        metadata=_described("When it is due: RFC 3339 with an offset; kept in UTC.", "2026-11-24T18:00:00+01:00"),
    )
    priority = Whole(0, domain.PRIORITY_MAX, metadata=_described("0 is none, 9 the most urgent."))
    labels = Labels(
        metadata=_described("A set of up to 50 different labels of 1 to 100 characters; kept sorted.", ["home"])
    )
    metadata = Metadata(
        metadata=_described("An object of yours: up to 16 KiB, 32 levels, integers within ±(2^53 - 1).", {"room": 4})
    )

    @post_load
    def draft(self, data: dict[str, Any], **kwargs: Any) -> TaskDraft:
        return TaskDraft(**data)


class TaskPatch(Strict):
    """A JSON Merge Patch of a task (RFC 7396): what is not sent is not touched, null resets."""

    set_by_service = SET_BY_SERVICE

    description = Text(
        validate=_by(domain.description_problem),
        metadata=_described("1 to 10,000 characters, not blank.", **DESCRIPTION),
    )
    done = Flag(allow_none=True, metadata=_described("Sets or clears completed_at too."))
    due_at = Moment(allow_none=True, metadata=_described("RFC 3339 with an offset."))
    priority = Whole(0, domain.PRIORITY_MAX, allow_none=True, metadata=_described("0 to 9."))
    labels = Labels(allow_none=True, metadata=_described("Up to 50 different labels, which replace the whole set."))
    metadata = Metadata(allow_none=True, metadata=_described("Is merged into what is there, on every level."))


# ---------------------------------------------------------------- a batch, coming in


class BatchCreate(Strict):
    """Makes a task."""

    op = Text(required=True, metadata={"enum": ["create"]})
    task = Part(TaskIn, required=True)


class BatchUpdate(Strict):
    """Patches a task."""

    op = Text(required=True, metadata={"enum": ["update"]})
    id = Whole(1, domain.ID_MAX, required=True)
    patch = Part(TaskPatch, required=True)
    if_match = Text(validate=_by(condition_problem), metadata=IF_MATCH)


class BatchDelete(Strict):
    """Deletes a task."""

    op = Text(required=True, metadata={"enum": ["delete"]})
    id = Whole(1, domain.ID_MAX, required=True)
    if_match = Text(validate=_by(condition_problem), metadata=IF_MATCH)


_OPERATIONS: Mapping[str, Schema] = {"create": BatchCreate(), "update": BatchUpdate(), "delete": BatchDelete()}


class Batch(Schema):
    """An array of operations, each of one of three kinds, which is loaded one operation at a time."""

    def load(self, data: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """The operations, each loaded by the schema of its `op`.  Raises ValidationError, by index."""
        operations = Operations()
        for item in data if isinstance(data, list) else ():
            operations.add(item)
        return operations.loaded()


class Operations:
    """The operations of a batch, each loaded by the schema of its `op`."""

    def __init__(self) -> None:
        self._count = 0
        self._loaded: list[dict[str, Any]] = []
        self._wrong: dict[str, Any] = {}

    def add(self, item: Any) -> None:
        """Loads the next one.  Raises ValidationError where there are too many; what else is wrong, loaded() says."""
        index = self._count
        self._count += 1
        if self._count > BATCH_MAX:
            raise _wrong_count()
        if len(self._wrong) == ERRORS_MAX:
            return
        kind = item.get("op") if isinstance(item, dict) else None
        schema = _OPERATIONS.get(kind) if isinstance(kind, str) else None
        if schema is None:
            question = did_you_mean(kind, _OPERATIONS) if isinstance(kind, str) and len(self._wrong) < 10 else ""
            self._wrong[str(index)] = {"op": [f"Must be create, update or delete.{question}"]}
            return
        try:
            loaded = schema.load(item)
        except ValidationError as error:
            self._wrong[str(index)] = error.messages
            self._loaded.clear()  # which nobody will need
        else:
            if not self._wrong:
                self._loaded.append(_packed(loaded))

    def loaded(self) -> list[dict[str, Any]]:
        """All of them.  Raises ValidationError, by index."""
        if not self._count:
            raise _wrong_count()
        if self._wrong:
            raise ValidationError(self._wrong)
        return self._loaded


def _packed(operation: dict[str, Any]) -> dict[str, Any]:
    """`operation`, whose metadata takes no more memory than its text does: a batch can have 8 MiB of that."""
    if (draft := operation.get("task")) is not None:
        return {**operation, "task": draft._replace(metadata=codec.packed(draft.metadata))}
    if (patch := operation.get("patch")) and patch.get("metadata"):
        patch["metadata"] = codec.packed(patch["metadata"])
    return operation


def _wrong_count() -> ValidationError:
    return ValidationError(f"Must be an array of 1 to {BATCH_MAX:,} operations.")


# ---------------------------------------------------------------- tokens


class TokenIn(Strict):
    """A new token."""

    name = Text(required=True, metadata=_described(f"{NAME_RULE}; no other token has it.", EXAMPLE_NAME, **TOKEN_NAME))
    scope = Text(
        required=True,
        validate=Choice(map(str, Scope)),
        metadata=_described("What it allows; each includes those before it.", "read"),
    )
    expires_at = Moment(allow_none=True, load_default=None, metadata=_described("When it ends; null for never."))


class TokenOut(Shown):
    """A token, without its secret."""

    name = fields.String(metadata={"example": EXAMPLE_NAME})
    scope = fields.String(metadata={"enum": [str(scope) for scope in Scope]})
    created_at = fields.AwareDateTime(metadata={"example": "2026-11-24T15:00:00.123456Z"})
    expires_at = fields.AwareDateTime(allow_none=True, metadata={"example": None})


TOKEN = {
    "name": EXAMPLE_NAME,
    "scope": "read",
    "created_at": "2026-11-24T15:00:00.123456Z",
    "expires_at": None,
}
"""An example."""


class TokenMade(TokenOut):
    """A token, with its secret."""

    token = fields.String(metadata=_described("For Authorization: Bearer. It is shown this once."))


# ---------------------------------------------------------------- query strings


class NoQuery(Query):
    """No parameters."""


class FilterQuery(Query):
    """Which tasks."""

    done = QueryFlag(metadata=_described("Only what is done, or what is not."))
    label = QueryTexts(
        validate=_by(domain.labels_problem),
        metadata=_described("Only what has this label; repeat it for up to 50, which must all be there."),
    )
    priority = QueryWhole(0, domain.PRIORITY_MAX, metadata=_described("Only this priority."))
    priority_min = QueryWhole(0, domain.PRIORITY_MAX, metadata=_described("Only this priority and higher."))
    priority_max = QueryWhole(0, domain.PRIORITY_MAX, metadata=_described("Only this priority and lower."))
    due_before = Moment(metadata=_described("Only what is due before."))
    due_after = Moment(metadata=_described("Only what is due after."))
    created_after = Moment(metadata=_described("Only what was created after."))
    updated_after = Moment(metadata=_described("Only what was updated after."))
    q = Text(
        validate=_by(domain.text_problem),
        metadata=_described(
            "Only what has this in its description, whatever the case.",
            minLength=1,
            maxLength=domain.DESCRIPTION_MAX,
            pattern=STORABLE,
        ),
    )

    @post_load
    def query(self, data: dict[str, Any], **kwargs: Any) -> Any:
        labels = data.pop("label", ())
        return TaskQuery(labels=labels, **data)


class ListQuery(FilterQuery):
    """Which tasks, in which order, and which page of them."""

    sort = Text(
        validate=Choice(sign + name for name in SortField for sign in ("", "-")),
        metadata=_described("The order; - for descending.  Nulls come last, ties go by id."),
    )
    limit = QueryWhole(1, LIMIT_MAX, metadata=_described("Asks for a page of at most so many; without it, all come."))
    after = Text(
        metadata=_described("Where the page begins, from the Link of the one before.", pattern="^[0-9A-Za-z_-]+$")
    )

    @post_load
    def query(self, data: dict[str, Any], **kwargs: Any) -> tuple[TaskQuery, Cursor | None, int | None]:
        limit, after, sort = data.pop("limit", None), data.pop("after", None), data.pop("sort", "id")
        query = TaskQuery(
            labels=data.pop("label", ()),
            sort=SortField(sort.removeprefix("-")),
            descending=sort.startswith("-"),
            **data,
        )
        return query, None if after is None else parse_cursor(after, query), limit


class ChangesQuery(Query):
    """Which part of the change log."""

    since = Text(
        metadata=_described(
            f"A position that the service gave, such as {EXAMPLE_POSITION}, or 0 for the beginning; without it, the"
            " beginning.",
            **POSITION,
        ),
    )
    limit = QueryWhole(
        1,
        LIMIT_MAX,
        metadata=_described(f"At most this many changes, {CHANGES_LIMIT} without it; there may be fewer."),
    )

    @post_load
    def with_defaults(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        # No load_default, which the description would show: Swagger UI fills defaults in, and clients send them.
        return {"since": "0", "limit": CHANGES_LIMIT, **data}


class StreamQuery(Query):
    """Where a stream begins."""

    since = Text(
        metadata=_described(
            f"A position to go on from, such as {EXAMPLE_POSITION}, or 0 for the beginning; without it and"
            " Last-Event-ID, the stream begins now.",
            **POSITION,
        )
    )


# ---------------------------------------------------------------- what goes out


TASK = {
    "id": 1,
    "description": "Water the plants",
    "done": False,
    "completed_at": None,
    "due_at": "2026-11-24T17:00:00Z",
    "priority": 0,
    "labels": ["home"],
    "metadata": {"room": 4},
    "created_at": "2026-11-24T15:00:00.123456Z",
    "updated_at": "2026-11-24T15:00:00.123456Z",
    "version": 1,
}
"""An example."""


def _shown(name: str, text: str = "") -> dict[str, Any]:
    """A field of a task, with its value in the example."""
    return {"description": text, "example": TASK[name]} if text else {"example": TASK[name]}


class TaskOut(Shown):
    """A task."""

    id = ShownWhole(1, domain.ID_MAX, metadata=_shown("id", "Positive, and never used again."))
    description = fields.String(metadata=_shown("description", "As it was sent."))
    done = fields.Boolean(metadata=_shown("done"))
    completed_at = fields.AwareDateTime(allow_none=True, metadata=_shown("completed_at", "When it was done."))
    due_at = fields.AwareDateTime(allow_none=True, metadata=_shown("due_at", "In UTC."))
    priority = ShownWhole(0, domain.PRIORITY_MAX, metadata=_shown("priority"))
    labels = fields.List(fields.String(), metadata=_shown("labels", "Sorted."))
    metadata = fields.Dict(metadata=_shown("metadata", "As it was sent."))
    created_at = fields.AwareDateTime(metadata=_shown("created_at", "In UTC."))
    updated_at = fields.AwareDateTime(metadata=_shown("updated_at", "In UTC; it never goes back."))
    version = ShownWhole(1, domain.ID_MAX, metadata=_shown("version", "1, 2, 3, ..."))


class ChangeOut(Shown):
    """One entry of the change log."""

    seq = ShownWhole(1, domain.ID_MAX, metadata=_described("1, 2, 3, ... without gaps.", 1))
    position = fields.String(metadata=_described("Where to read on after it.", EXAMPLE_POSITION))
    type = fields.String(metadata={"enum": ["created", "updated", "deleted"]})
    task_id = ShownWhole(1, domain.ID_MAX, metadata={"example": 1})
    task = fields.Nested(TaskOut, allow_none=True, metadata=_described("As it was then; null for a deletion."))
    at = fields.AwareDateTime(metadata={"example": "2026-11-24T15:00:00.123456Z"})


class ChangesOut(Shown):
    """A page of the change log."""

    changes = fields.List(fields.Nested(ChangeOut))
    next = fields.String(metadata=_described("Where to read on.", EXAMPLE_POSITION))
    more = fields.Boolean(metadata=_described("There is more by now."))


class BatchItemOut(Shown):
    """What became of one operation."""

    op = fields.String(metadata={"enum": ["create", "update", "delete"]})
    id = ShownWhole(1, domain.ID_MAX, metadata={"example": 1})
    etag = fields.String(
        allow_none=True, metadata=_described("Of the task as it left it; null for a deletion.", EXAMPLE_TAG)
    )
    task = fields.Nested(TaskOut, allow_none=True, metadata=_described("As it left the task; null for a deletion."))


class BatchOut(Shown):
    """The results, in the order of the operations."""

    results = fields.List(fields.Nested(BatchItemOut))


class CountOut(Shown):
    """How many tasks match a filter."""

    count = ShownWhole(0, domain.ID_MAX, metadata={"example": 12})


class DeletedOut(Shown):
    """What a deletion by filter did."""

    deleted = ShownWhole(0, REMOVE_MATCHING_MAX, metadata={"example": 2})
    more = fields.Boolean(metadata=_described("There were more than one call deletes."))


class HealthOut(Shown):
    """All is well."""

    status = fields.String(metadata={"enum": ["ok"]})


class FieldProblem(Shown):
    """What is wrong with one field."""

    field_in = fields.String(data_key="in", metadata={"enum": ["body", "query", "header"]})
    field = fields.String(metadata={"example": "description"})
    message = fields.String(metadata=_described("What is expected.", "This field is required."))


class Problem(Schema):
    """A problem document (RFC 9457)."""

    type = fields.String(
        required=True, metadata=_described("Stable: programs may rely on it.", "urn:tasksvc:problem:invalid-request")
    )
    title = fields.String(required=True, metadata={"example": "Unprocessable Content"})
    status = ShownWhole(400, 599, required=True, metadata={"example": 422})
    detail = fields.String(required=True, metadata=_described("For people."))
    errors = fields.List(fields.Nested(FieldProblem), metadata=_described("Of a 422: what is wrong with each field."))
    index = ShownWhole(
        0, BATCH_MAX - 1, metadata=_described("Of a batch: the operation that was refused, counted from 0.")
    )
    current = fields.Nested(TaskOut, metadata=_described("Of a 412: the task as it is."))
    outcome = fields.String(
        metadata={"enum": ["not-done", "unknown"], "description": "Of a 503 or 507: whether the write may be there."}
    )
    token = fields.Nested(TokenOut, metadata=_described("Of a 409: the token that was made before."))
    resync = fields.String(metadata=_described("Of a 410: how to go on."))
