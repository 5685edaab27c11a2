"""Repetition of tasks: what `repeat` of a task holds, and when the next task of its series is due.

The rule of a repetition picks local days in its zone.  `start` gives them their clock, so that the hour stays the same
over daylight saving.  A clock that doesn't exist on a day is read with the offset from before the gap, and one that
exists twice is the first (RFC 5545, section 3.3.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tasksvc.domain.errors import InvalidTask
from tasksvc.domain.json_object import JSONObject
from tasksvc.domain.occurrences import YEARS_MAX, days_after
from tasksvc.domain.recurrence import InvalidRule, Rule, complete, parse_rule


class Basis(Enum):
    """What the next occurrence is counted from."""

    SCHEDULE = "schedule"
    """The schedule, without the occurrences that have passed."""
    EACH = "each"
    """The schedule, with every occurrence, also one that has passed."""
    COMPLETION = "completion"
    """The day on which the task is completed."""


WRITABLE: Final = ("rule", "zone", "from")
"""The members of `repeat` that a client writes."""

# Names that depend on the machine, such as localtime, begin with a small letter.
_ZONE_NAME = re.compile(r"[A-Z][\w+-]*(?:/[\w+-]+)*", re.ASCII).fullmatch
_LONGEST_GAP: Final = timedelta(days=1)
"""How much later than its local time an occurrence can be, since a zone may leave out a whole day."""


def find_zone(name: str) -> ZoneInfo | None:
    """Returns the time zone of this name in the IANA database, or None."""
    if _ZONE_NAME(name) is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder or another file of the database, too
        return None


class Repetition(NamedTuple):
    """How a task repeats.  Local times have no zone."""

    rule: Rule
    zone: ZoneInfo
    basis: Basis
    start: date | datetime
    """The local day or time from which INTERVAL is counted, and which has the clock of all occurrences."""
    occurrence: date | datetime
    """The local day or time of this task in the schedule, wherever its due has been moved to."""
    remaining: int | None
    """The number of occurrences after this one; None if it isn't limited."""

    def to_json(self) -> JSONObject:
        """Returns the value of `repeat`."""
        return {
            "rule": str(self.rule),
            "zone": self.zone.key,
            "from": self.basis.value,
            "start": self.start.isoformat(),
            "occurrence": self.occurrence.isoformat(),
            "remaining": self.remaining,
        }

    @property
    def due(self) -> date | datetime:
        """The day of the occurrence, or its time in UTC.  Raises OverflowError."""
        return self._moment(self.occurrence) if isinstance(self.occurrence, datetime) else self.occurrence

    def next(self, at: datetime) -> Repetition | None:
        """Returns the repetition at its next occurrence, for a task that is completed at `at`; None if it has ended."""
        try:
            found = self._next(at)
            due = None if found is None else found.due
        except OverflowError:  # the calendar ends
            return None
        return None if due is None else found

    def _next(self, at: datetime) -> Repetition | None:
        match self.basis:
            case Basis.SCHEDULE:
                return next((later for later in self._upcoming(at) if not later._has_passed(at)), None)
            case Basis.EACH:
                return next(self._following(self.occurrence), None)
            case Basis.COMPLETION:
                restarted = self._restarted(_local_day(at, self.zone))
                following = next(restarted._following(restarted.start), None)
                return None if following is None else following._replace(rule=self.rule)

    def goes_on(self) -> bool:
        """Returns whether there is an occurrence after this one, with every one counted."""
        try:
            counted = self._restarted(_day(self.start)) if self.basis is Basis.COMPLETION else self
            return any(True for _ in counted._following(counted.occurrence))
        except OverflowError:
            return False

    def moved_to(self, due: date | datetime) -> Repetition:
        """Returns the repetition of a task whose due is moved: the same, unless a time becomes a day or a day a time.

        Raises InvalidTask.
        """
        if isinstance(due, datetime) is isinstance(self.start, datetime):
            return self
        local = _local(due, self.zone)
        return self._replace(start=local, occurrence=local)

    def _has_passed(self, at: datetime) -> bool:
        if isinstance(self.occurrence, datetime):
            return self._moment(self.occurrence) <= at
        return self.occurrence <= _local_day(at, self.zone)

    def _upcoming(self, at: datetime) -> Iterator[Repetition]:
        """Yields the next occurrences, without most of those that passed before `at` and needn't be counted."""
        after = self.occurrence
        if self.remaining is None:
            after = max(_day(after), _local_day(at, self.zone) - _LONGEST_GAP - timedelta(days=1))
        return self._following(after)

    def _following(self, after: date) -> Iterator[Repetition]:
        """Yields the occurrences on the days after `after`, as many as COUNT and UNTIL leave."""
        clock = self.start.time() if isinstance(self.start, datetime) else None
        remaining = self.remaining
        for day in days_after(self.rule, _day(self.start), _day(after)):
            if remaining is not None:
                remaining -= 1
                if remaining < 0:
                    return
            occurrence = day if clock is None else datetime.combine(day, clock)
            if not self._is_in_time(occurrence):
                return
            yield self._replace(occurrence=occurrence, remaining=remaining)

    def _restarted(self, day: date) -> Repetition:
        """Returns the repetition as if it had begun on `day`."""
        start = datetime.combine(day, self.start.time()) if isinstance(self.start, datetime) else day
        return self._replace(rule=complete(self.rule, day), start=start)

    def _is_in_time(self, occurrence: date | datetime) -> bool:
        """Returns whether UNTIL allows an occurrence."""
        until = self.rule.until
        if until is None:
            return True
        if not isinstance(until, datetime):
            return _day(occurrence) <= until
        if isinstance(occurrence, datetime):
            return self._moment(occurrence) <= until
        return occurrence <= _local_day(until, self.zone)

    def _moment(self, local: datetime) -> datetime:
        return local.replace(tzinfo=self.zone).astimezone(UTC)


def _day(moment: date | datetime) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _local_day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def _local(due: date | datetime, zone: ZoneInfo) -> date | datetime:
    """Returns a due as the clock shows it in the zone.  Raises InvalidTask."""
    if not isinstance(due, datetime):
        return due
    try:
        return due.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:
        raise InvalidTask("repeat", "The due is too close to the end of the calendar to repeat.") from None


# ---------------------------------------------------------------- the value of `repeat`


def rule_error(text: str) -> str | None:
    """Returns what is wrong with a recurrence rule; None if nothing is."""
    try:
        parse_rule(text)
    except InvalidRule as error:
        return str(error)
    return None


def zone_error(name: str) -> str | None:
    """Returns what is wrong with the name of a time zone; None if nothing is."""
    if find_zone(name) is None:
        return f"Must be a time zone of the IANA database, such as Europe/Berlin; {name[:50]!r} isn't one."
    return None


def begin_repetition(wanted: JSONObject, due: date | datetime) -> Repetition:
    """Returns the repetition of a task that is due at `due` and is to repeat as its `rule`, `zone` and `from` say.

    Raises InvalidTask if they are wrong, or nothing follows.  If it is what to_json() returned for another task, this
    one takes its place in the schedule.
    """
    if "occurrence" in wanted:
        return read_repetition(wanted).moved_to(due)
    rule, zone, basis = _parse(wanted)
    start = _local(due, zone)
    rule = _completed(rule, basis, start)
    repetition = Repetition(rule, zone, basis, start, start, None if rule.times is None else rule.times - 1)
    if not repetition.goes_on():
        raise InvalidTask("repeat", f"The rule has no occurrence in the {YEARS_MAX} years after the due.")
    return repetition


def is_same_repetition(value: JSONObject, wanted: JSONObject) -> bool:
    """Returns whether a repetition, which to_json() returned as `value`, has the rule, the zone and the basis wanted.

    Raises InvalidTask if they are wrong.
    """
    repetition = read_repetition(value)
    rule, zone, basis = _parse(wanted)
    rule = _completed(rule, basis, repetition.start)
    return (rule, zone.key, basis) == (repetition.rule, repetition.zone.key, repetition.basis)


def _completed(rule: Rule, basis: Basis, start: date | datetime) -> Rule:
    """Returns a rule with the days of its start, unless these are to be those of each completion."""
    return rule if basis is Basis.COMPLETION else complete(rule, _day(start))


def read_repetition(value: JSONObject) -> Repetition:
    """Returns the repetition that to_json() wrote.  Raises InvalidTask if this machine doesn't know its zone."""
    rule, zone, basis = _parse(value)
    start, occurrence = _read_local(value["start"]), _read_local(value["occurrence"])
    return Repetition(rule, zone, basis, start, occurrence, value["remaining"])


def _parse(value: JSONObject) -> tuple[Rule, ZoneInfo, Basis]:
    for name in ("rule", "zone"):
        if name not in value:
            raise InvalidTask("repeat", f"{name}: Must be there.")
    name = value["zone"]
    try:
        rule, basis = parse_rule(value["rule"]), Basis(value.get("from", Basis.SCHEDULE.value))
    except ValueError as error:
        raise InvalidTask("repeat", str(error)) from None
    if (zone := find_zone(name)) is None:
        raise InvalidTask("repeat", str(zone_error(name)))
    return rule, zone, basis


def _read_local(text: str) -> date | datetime:
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
