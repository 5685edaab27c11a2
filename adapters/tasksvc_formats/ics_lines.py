"""Reads iCalendar (RFC 5545) as a sequence of lines: unfolded, and divided into name, parameters and value."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from tasksvc_formats.errors import InvalidFile
from tasksvc_formats.sources import LINE_MAX, read_lines

_VALUE: Final = r"(?:\"[^\"]*\"|[^\";:,]*)"
_PARAMETER: Final = rf";([A-Za-z0-9-]+)=({_VALUE}(?:,{_VALUE})*)"
_LINE = re.compile(rf"([A-Za-z0-9.-]+)((?:{_PARAMETER})*):(.*)", re.DOTALL).fullmatch
_EACH_PARAMETER = re.compile(_PARAMETER)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_COMMA = re.compile(r"(?<!\\)((?:\\\\)*),")


class Line(NamedTuple):
    """A content line of a file."""

    number: int
    """Where it begins in the file, from 1."""
    name: str
    """In capitals, without the group that some programs put before it."""
    parameters: dict[str, str]
    """By their names in capitals.  Several values are joined with commas."""
    value: str
    text: str
    """The line as it is, unfolded."""


def content_lines(file: io.BufferedReader) -> Iterator[Line]:
    """Yields the content lines of a file.  Raises InvalidFile, with the line."""
    for number, text in _unfold(file):
        if (match := _LINE(text)) is None:
            raise InvalidFile(f"It isn't a line of iCalendar: {text[:40]!r}.", line=number)
        parameters = {name.upper(): value.replace('"', "") for name, value in _EACH_PARAMETER.findall(match[2])}
        yield Line(number, match[1].upper().rpartition(".")[2], parameters, match[match.lastindex or 0], text)


def _unfold(file: io.BufferedReader) -> Iterator[tuple[int, str]]:
    """Yields lines whose parts have been joined (section 3.1), with the number of their first line."""
    parts, size, begun = list[str](), 0, 0
    for number, raw in enumerate(read_lines(file), start=1):
        line = raw.rstrip("\r\n")
        if line[:1] in (" ", "\t") and parts:
            size += len(line)
            if size > LINE_MAX:
                raise InvalidFile(f"The line is longer than {LINE_MAX // 1024**2} MiB.", line=begun)
            parts.append(line[1:])
            continue
        if parts:
            yield begun, "".join(parts)
        parts, size, begun = ([line], len(line), number) if line.strip() else ([], 0, 0)
    if parts:
        yield begun, "".join(parts)


def unescape(text: str) -> str:
    r"""Returns a TEXT value without its escapes, such as \n and \, (section 3.3.11)."""
    return _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], text)


def split_values(text: str) -> list[str]:
    """Returns the TEXT values that commas separate."""
    values, start = [], 0
    for match in _COMMA.finditer(text):
        values.append(text[start : match.end() - 1])
        start = match.end()
    return [unescape(value) for value in (*values, text[start:])]
