"""Recurrence rules: the part of RFC 5545 (section 3.3.10) that tasks repeat by, read, completed and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar

RULE_MAX: Final = 500
"""Characters that a recurrence rule may have."""
INTERVAL_MAX: Final = 1_000
TIMES_MAX: Final = 1_000

WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
"""The weekdays as rules name them, in the order of date.weekday()."""


JANUARY, FEBRUARY = 1, 2
MONTH_LENGTHS: Final = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""The days that each month has in every year, by its number."""


class InvalidRule(ValueError):
    """The text isn't a recurrence rule that tasks repeat by."""

    def __init__(self, part: str, message: str) -> None:
        """Takes `part`: the name of the part of the rule that is wrong; empty if it is the rule as a whole."""
        super().__init__(f"{part}: {message}" if part else message)
        self.part = part


class Frequency(Enum):
    """The period of a rule, of which INTERVAL is a multiple."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


class Weekday(NamedTuple):
    """A weekday that BYDAY names."""

    ordinal: int
    """Which one of the month or the year, negative from its end; 0 for every one."""
    day: int
    """The number that date.weekday() returns."""

    def __str__(self) -> str:
        return f"{self.ordinal or ''}{WEEKDAYS[self.day]}"


class Rule(NamedTuple):
    """A recurrence rule.  Its lists are sorted and have each value once; an empty one restricts nothing."""

    frequency: Frequency
    interval: int = 1
    by_month: tuple[int, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_day: tuple[Weekday, ...] = ()
    by_set_pos: tuple[int, ...] = ()
    week_start: int = 0
    """The first day of a week, as date.weekday() numbers it."""
    times: int | None = None
    """COUNT: how many occurrences there are, the start being the first."""
    until: date | datetime | None = None
    """The last day on which there may be an occurrence, or the last moment, in UTC."""

    def __str__(self) -> str:
        parts = {
            "FREQ": self.frequency.value,
            "INTERVAL": self.interval if self.interval > 1 else "",
            "BYMONTH": _joined(self.by_month),
            "BYMONTHDAY": _joined(self.by_month_day),
            "BYDAY": _joined(self.by_day),
            "BYSETPOS": _joined(self.by_set_pos),
            "WKST": WEEKDAYS[self.week_start] if self.week_start else "",
            "COUNT": self.times or "",
            "UNTIL": "" if self.until is None else _until_text(self.until),
        }
        return ";".join(f"{name}={value}" for name, value in parts.items() if value)

    @property
    def names_a_day(self) -> bool:
        """Whether a period of the rule needs no day of its start to be complete."""
        return self.frequency is Frequency.DAILY or bool(self.by_month_day or self.by_day)


def _joined(values: Iterable[object]) -> str:
    return ",".join(map(str, values))


def _until_text(until: date) -> str:
    timed = isinstance(until, datetime)
    return until.isoformat().replace("-", "").replace(":", "").removesuffix("+0000") + ("Z" if timed else "")


# ---------------------------------------------------------------- reading

Value = TypeVar("Value")

_PART = re.compile(r"([A-Z]+)=(.+)", re.ASCII).fullmatch
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})Z)?", re.ASCII).fullmatch


def _integer(name: str, text: str, least: int, most: int, *, signed: bool = False) -> int:
    """Reads an integer whose absolute value is from `least` to `most`, with a sign only if it may have one."""
    if re.fullmatch(r"[+-]?\d{1,9}" if signed else r"\d{1,9}", text, re.ASCII) and least <= abs(int(text)) <= most:
        return int(text)
    sign = ", or the same with a minus" if signed else ""
    raise InvalidRule(name, f"Must be an integer from {least:,} to {most:,}{sign}; it is {text[:20]!r}.")


def _list(read: Callable[[str], Value], text: str) -> tuple[Value, ...]:
    values: set[Any] = {read(item) for item in text.split(",")}
    return tuple(sorted(values))


def _integers(name: str, text: str, most: int, *, signed: bool = True) -> tuple[int, ...]:
    return _list(lambda item: _integer(name, item, 1, most, signed=signed), text)


def _frequency(name: str, text: str) -> Frequency:
    try:
        return Frequency(text)
    except ValueError:
        known = ", ".join(frequency.value for frequency in Frequency)
        raise InvalidRule(name, f"Must be one of {known}; it is {text[:20]!r}.") from None


def _weekday(name: str, text: str) -> Weekday:
    ordinal, day = text[:-2], text[-2:]
    if day not in WEEKDAYS:
        raise InvalidRule(name, f"Must name weekdays, such as MO or -1FR; one is {text[:20]!r}.")
    return Weekday(_integer(name, ordinal, 1, 53, signed=True) if ordinal else 0, WEEKDAYS.index(day))


def _week_start(name: str, text: str) -> int:
    if text not in WEEKDAYS:
        raise InvalidRule(name, f"Must be one of {_joined(WEEKDAYS)}; it is {text[:20]!r}.")
    return WEEKDAYS.index(text)


def _until(name: str, text: str) -> date | datetime:
    try:
        if (match := _UNTIL(text)) is not None:
            day, clock = match.groups()
            if clock is None:
                return datetime.strptime(day, "%Y%m%d").date()
            return datetime.strptime(day + clock, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        pass
    raise InvalidRule(name, f"Must be a date or a time in UTC, as 20261231 or 20261231T225959Z; it is {text[:20]!r}.")


_READERS: Final[dict[str, tuple[str, Callable[[str, str], Any]]]] = {
    "FREQ": ("frequency", _frequency),
    "INTERVAL": ("interval", lambda name, text: _integer(name, text, 1, INTERVAL_MAX)),
    "BYMONTH": ("by_month", lambda name, text: _integers(name, text, 12, signed=False)),
    "BYMONTHDAY": ("by_month_day", lambda name, text: _integers(name, text, 31)),
    "BYDAY": ("by_day", lambda name, text: _list(lambda item: _weekday(name, item), text)),
    "BYSETPOS": ("by_set_pos", lambda name, text: _integers(name, text, 366)),
    "WKST": ("week_start", _week_start),
    "COUNT": ("times", lambda name, text: _integer(name, text, 1, TIMES_MAX)),
    "UNTIL": ("until", _until),
}
"""The attribute of Rule for each part, and what reads it."""


def parse_rule(text: str) -> Rule:
    """Returns the rule that `text` writes, without "RRULE:".  Raises InvalidRule."""
    if len(text) > RULE_MAX:
        raise InvalidRule("", f"Must have at most {RULE_MAX} characters; it has {len(text):,}.")
    values: dict[str, Any] = {}
    for part in text.upper().split(";"):
        if (match := _PART(part)) is None:
            raise InvalidRule("", f"Must consist of parts such as FREQ=DAILY, separated by ';'; one is {part[:20]!r}.")
        name, value = match.groups()
        if name not in _READERS:
            raise InvalidRule(name[:20], f"Isn't supported. A rule may have {', '.join(_READERS)}.")
        attribute, read = _READERS[name]
        if attribute in values:
            raise InvalidRule(name, "Must be there once.")
        values[attribute] = read(name, value)
    if "frequency" not in values:
        raise InvalidRule("FREQ", "Must be there.")
    rule = Rule(**values)
    _check_together(rule)
    return rule


def _check_together(rule: Rule) -> None:
    """Raises InvalidRule if parts that are right one by one don't go together."""
    frequency = rule.frequency
    by_date = frequency in (Frequency.MONTHLY, Frequency.YEARLY)
    if rule.times is not None and rule.until is not None:
        raise InvalidRule("UNTIL", "Must not be there with COUNT.")
    if not by_date and any(weekday.ordinal for weekday in rule.by_day):
        raise InvalidRule("BYDAY", "Must have numbers only with FREQ=MONTHLY and FREQ=YEARLY.")
    if frequency is Frequency.MONTHLY and any(abs(weekday.ordinal) > 5 for weekday in rule.by_day):
        raise InvalidRule("BYDAY", "Must have numbers of at most 5 with FREQ=MONTHLY.")
    if frequency is Frequency.WEEKLY and rule.by_month_day:
        raise InvalidRule("BYMONTHDAY", "Must not be there with FREQ=WEEKLY.")
    if rule.by_set_pos and not by_date:
        raise InvalidRule("BYSETPOS", "Must be there only with FREQ=MONTHLY and FREQ=YEARLY.")
    if rule.by_set_pos and not rule.names_a_day:
        raise InvalidRule("BYSETPOS", "Must be there only with BYDAY or BYMONTHDAY.")


# ---------------------------------------------------------------- completing


def complete(rule: Rule, start: date) -> Rule:
    """Returns `rule` with the days that it leaves to its start, so that it means the same without one.

    A day that not every month has becomes the last day of a month without it.
    """
    if rule.names_a_day:
        return rule
    if rule.frequency is Frequency.WEEKLY:
        return rule._replace(by_day=(Weekday(0, start.weekday()),))
    if rule.frequency is Frequency.YEARLY and not rule.by_month:
        rule = rule._replace(by_month=(start.month,))
    months = rule.by_month or range(1, 13)
    day = start.day
    if all(day <= MONTH_LENGTHS[month] for month in months):
        return rule._replace(by_month_day=(day,))
    positions = (-1,) if rule.frequency is Frequency.MONTHLY else _last_positions(rule.by_month, day)
    return rule._replace(by_month_day=tuple(range(28, day + 1)), by_set_pos=positions)


def _last_positions(months: tuple[int, ...], day: int) -> tuple[int, ...]:
    """Returns which of the days from 28 to `day` in all `months` of a year is the last one of each month.

    January is counted from the beginning and the others from the end, so that no leap day comes between.
    """
    days = [min(day, MONTH_LENGTHS[month]) - 27 for month in months]
    return tuple(
        sorted(days[index] if month == JANUARY else -1 - sum(days[index + 1 :]) for index, month in enumerate(months))
    )
