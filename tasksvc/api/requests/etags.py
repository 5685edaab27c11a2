"""Entity tags and the conditions on them (RFC 9110, sections 8.8.3 and 13.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from aiohttp import hdrs, web

from tasksvc.api.requests.positions import _NUMBER
from tasksvc.api.responses.problems import ConditionFailed, MalformedRequest
from tasksvc.domain.task import Version
from tasksvc.domain.writes import ANY_VERSION, Precondition

_TAG = r'(?:W/)?"[^\x00-\x20"\x7f]*"'
_TAGS = re.compile(rf"[ \t]*(?:,[ \t]*)*{_TAG}(?:[ \t]*,(?:[ \t]*{_TAG})?)*[ \t]*").fullmatch
_EACH = re.compile(r'(W/)?"([^"]*)"').findall


LISTED_MAX = 1_000
"""Characters of a condition that is parsed at once."""

CONDITION = "* or entity tags in double quotes, with commas between"


def joined(request: web.Request, name: str) -> str | None:
    """Returns a list header, whose lines belong together (RFC 9110, section 5.2); None where it is absent."""
    lines = request.headers.getall(name, ())
    return ", ".join(lines) if lines else None


def conditions_of(request: web.Request) -> tuple[str | None, str | None]:
    """Returns If-Match and If-None-Match, or None where they are absent."""
    return joined(request, hdrs.IF_MATCH), joined(request, hdrs.IF_NONE_MATCH)


def etag(version: Version) -> str:
    """Returns the entity tag of a task, with the store's generation, so that no tag of another generation matches."""
    return f'"{version.generation}.{version.number}"'


def precondition_from(if_match: str | None, if_none_match: str | None) -> Precondition:
    """Returns what the two headers say of a task's version.  Raises MalformedRequest."""
    if if_match is None and if_none_match is None:
        return ANY_VERSION
    any_of = None if if_match is None or if_match.strip() == "*" else _versions(if_match, weak=False)
    if if_none_match is not None and if_none_match.strip() == "*":
        # With If-Match too, which needs the task to exist, nothing meets both.
        return Precondition(None if if_match is None else frozenset(), exists=False)
    none_of: Set[Version] = frozenset() if if_none_match is None else _versions(if_none_match, weak=True)
    return Precondition(any_of, none_of, None if if_match is None else True)


def condition_problem(text: str) -> str | None:
    """Returns what is wrong with a condition; None where it is sound."""
    return None if text.strip() == "*" or _TAGS(text) else f"Must be {CONDITION}."


def is_known(if_none_match: str, version: Version) -> bool:
    """Returns whether the client has this version already, so that 304 is the answer.  Raises MalformedRequest."""
    return if_none_match.strip() == "*" or version in _versions(if_none_match, weak=True)


def is_current(if_match: str | None, if_none_match: str | None, tag: str) -> bool:
    """Returns whether the client has what now has the strong tag `tag`, so that 304 is the answer.

    Raises ConditionFailed where If-Match names only other tags, and MalformedRequest.
    """
    opaque = tag.strip('"')
    if if_match is not None and if_match.strip() != "*" and opaque not in _tags(if_match, weak=False):
        raise ConditionFailed(f"If-Match names none of this content's entity tags. Its tag is {tag}.")
    return if_none_match is not None and (if_none_match.strip() == "*" or opaque in _tags(if_none_match, weak=True))


def check_untagged(if_match: str | None, if_none_match: str | None) -> None:
    """Checks the conditions of a request to a resource without an entity tag, such as the list.

    Raises ConditionFailed, and MalformedRequest (RFC 9110, sections 13.1.1 and 13.1.2).
    """
    for header in (if_match, if_none_match):
        if header is not None and condition_problem(header):
            raise MalformedRequest(f"If-Match and If-None-Match take {CONDITION}.")
    if if_match is not None and if_match.strip() != "*":
        raise ConditionFailed("If-Match names entity tags, and only single tasks have one. Leave it out.")
    if if_none_match is not None and if_none_match.strip() == "*":
        raise ConditionFailed("If-None-Match: * requires that nothing exists here. Leave it out.")


def _versions(header: str, *, weak: bool) -> Set[Version]:
    """Returns the versions that a list of tags names."""
    if len(header) > LISTED_MAX:
        return _Listed(header, weak=weak)
    return _parsed(header, weak=weak)


class _Listed(Set[Version]):
    """The versions that a long list of tags names, kept as its text: as objects, they take twenty times as much."""

    def __init__(self, header: str, *, weak: bool) -> None:
        _check_tags(header)
        self._header, self._weak = header, weak

    def __contains__(self, version: object) -> bool:
        if not isinstance(version, Version):
            return False
        tag, start = etag(version), 0
        while (start := self._header.find(tag, start)) >= 0:
            if self._weak or not self._header.endswith("W/", 0, start):
                return True
            start += len(tag)
        return False

    def __iter__(self) -> Iterator[Version]:
        return iter(_parsed(self._header, weak=self._weak))

    def __len__(self) -> int:
        return len(_parsed(self._header, weak=self._weak))


def _parsed(header: str, *, weak: bool) -> frozenset[Version]:
    found = set()
    for tag in _tags(header, weak=weak):
        generation, _, number = tag.rpartition(".")
        if _NUMBER(number):
            found.add(Version(generation, int(number)))
    return frozenset(found)


def _tags(header: str, *, weak: bool) -> Iterator[str]:
    """Yields what a list of tags has between the quotes.  A weak tag counts in a weak comparison only."""
    _check_tags(header)
    return (tag for weakness, tag in _EACH(header) if weak or not weakness)


def _check_tags(header: str) -> None:
    if not _TAGS(header):
        raise MalformedRequest(f"If-Match and If-None-Match take {CONDITION}.")
