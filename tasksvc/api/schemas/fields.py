"""Fields and schemas that are stricter than marshmallow's own: JSON types aren't converted."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime
from itertools import islice
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from tasksvc.api.requests.suggestions import Unknown, did_you_mean
from tasksvc.api.responses.problems import ERRORS_MAX
from tasksvc.domain import rules

_INTEGER = re.compile(r"-?(0|[1-9]\d{0,18})", re.ASCII).fullmatch
MESSAGES: dict[str, str | list[Any] | dict[Any, Any]] = {
    "required": "This field is required.",
    "null": "Must not be null.",
    "type": "Must be an object.",
}

_T = TypeVar("_T")


def checked_by(rule: Callable[[Any], str | None]) -> Callable[[Any], None]:
    """Returns a validator out of one of the domain's rules."""

    def check(value: Any) -> None:
        if (problem := rule(value)) is not None:
            raise ValidationError(problem)

    return check


# ---------------------------------------------------------------- fields


class Field(fields.Field[_T]):
    """Says what is expected in the same words everywhere."""

    default_error_messages = MESSAGES


class StrictString(Field[str]):
    """A JSON string; refuses numbers and all else."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("Must be a string.")
        return value


class StrictBoolean(Field[bool]):
    """A JSON true or false."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Must be true or false.")
        return value


class StrictInteger(Field[int]):
    """A JSON integer from `least` to `most`.

    5.0 is one, as JSON Schema has it (2020-12, section 4.2.3) and as some encoders write it; but not where it is past
    2^53 - 1, since parsers round there (RFC 8259, section 6).  true and "5" are refused.
    """

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is float and value.is_integer() and abs(value) <= rules.METADATA_INTEGER_MAX:
            value = int(value)
        if type(value) is not int or not self.least <= value <= self.most:
            raise ValidationError(f"Must be an integer from {self.least:,} to {self.most:,}.")
        return value


class UTCDateTime(Field[datetime]):
    """A date-time with its offset (RFC 3339), which comes out in UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        moment = rules.parse_timestamp(value) if isinstance(value, str) else None
        if moment is None:
            raise ValidationError(
                "Must be a date and time with an offset (RFC 3339), such as 2026-11-24T15:00:00Z;"
                " in a query string, write + as %2B."
            )
        return moment


class Date(Field[date]):
    """A date without a time (RFC 3339, full-date)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        day = rules.parse_date(value) if isinstance(value, str) else None
        if day is None:
            raise ValidationError("Must be a date (RFC 3339), such as 2026-11-24.")
        return day


class QueryBoolean(Field[bool]):
    """A boolean in a query string: true or false."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise ValidationError("Must be true or false.")
        return bool(value == "true")


class QueryInteger(StrictInteger):
    """An integer from `least` to `most`, in a query string, without a plus or leading zeros."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        return super()._deserialize(int(value) if _INTEGER(value) else None, attr, data, **kwargs)


class QueryStringList(Field[tuple[str, ...]]):
    """A parameter that may be repeated."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        return rules.normalize_labels(value)


class StrictNested(fields.Nested):
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


class StrictSchema(Schema):
    """Refuses what it does not know."""

    error_messages = {"type": "Must be an object."}  # noqa: RUF012
    noun: ClassVar = "field"
    """What messages call its members."""
    set_by_service: ClassVar[Collection[str]] = ()
    """Members of what it makes that clients do not write."""
    given_once: ClassVar[Collection[str]] = ()
    """Members of what it changes that clients write only when they create it."""
    example: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """A body that the description shows."""

    class Meta:
        unknown = RAISE

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        unknown = Unknown(self.noun, list(self.fields), self.set_by_service, self.given_once)
        self.error_messages = {**self.error_messages, "unknown": unknown}

    def load(self, data: Any, **kwargs: Any) -> Any:
        """Loads like marshmallow, but names only some of thousands of unknown members, which would take long."""
        if isinstance(data, dict) and len(data) > len(self.fields) + ERRORS_MAX:
            unknown = islice((name for name in data if name not in self.fields), ERRORS_MAX)
            data = {name: data[name] for name in (*self.fields.keys() & data.keys(), *unknown)}
        return super().load(data, **kwargs)


class Query(StrictSchema):
    """A query string.  Refuses parameters that it does not know."""

    noun = "parameter"
    undocumented: ClassVar[Collection[str]] = ()
    """Fields that don't stand for a parameter of their name."""


class ResponseInteger(fields.Integer):
    """An integer from `least` to `most` that goes out."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most


class ResponseSchema(Schema):
    """Something that goes out.  All of its fields are always there, but for those in `sometimes`."""

    sometimes: ClassVar[Collection[str]] = ()

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Makes the fields required that are always there, as marshmallow binds them."""
        field_obj.required = field_name not in self.sometimes


def described(text: str, example: Any = None, **bounds: Any) -> dict[str, Any]:
    shown = {"description": text, **bounds}
    return shown if example is None else {**shown, "example": example}
