"""JSON (RFC 8259), bounded: whole documents, and objects one after the other."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, Final

from tasksvc_formats.errors import InvalidFile
from tasksvc_formats.sources import LINE_MAX, UNPACKED_MAX, read_lines

_SEPARATORS: Final = " \t\r\n,[]"
_TOO_MANY_DIGITS: Final = "A number in its JSON has too many digits."


class _NotJSON(ValueError):
    """A constant that Python reads, and JSON doesn't have."""


def _refuse(name: str) -> float:
    raise _NotJSON(f"It isn't JSON: {name} isn't a number there.")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)


def read_document(file: io.BufferedReader) -> Any:
    """Returns the only value in a file of at most UNPACKED_MAX bytes.  Raises InvalidFile."""
    data = file.read(UNPACKED_MAX + 1)
    if len(data) > UNPACKED_MAX:
        raise InvalidFile(f"It has more than {UNPACKED_MAX // 1024**2} MiB.")
    try:
        return json.loads(data, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise InvalidFile(f"It isn't JSON: {error.msg}.", line=error.lineno) from None
    except RecursionError:
        raise InvalidFile("Its JSON is nested too deeply.") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidFile("It isn't UTF-8. Save the file in UTF-8, and try again.", line=line) from None
    except _NotJSON as error:
        raise InvalidFile(str(error)) from None
    except ValueError:  # of int(), which reads 4,300 digits at most
        raise InvalidFile(_TOO_MANY_DIGITS) from None


def read_objects(file: io.BufferedReader) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the objects of an array, or of lines with one each, with the line in which each begins.

    Holds one object of at most LINE_MAX characters at a time.  Raises InvalidFile.
    """
    buffer, line = "", 1
    lines = read_lines(file)
    while True:
        rest = buffer.lstrip(_SEPARATORS)
        line += buffer[: len(buffer) - len(rest)].count("\n")
        buffer = rest
        if not buffer:
            if (added := next(lines, None)) is None:
                return
            buffer = added
            continue
        try:
            value, end = _DECODER.raw_decode(buffer)
        except json.JSONDecodeError as error:
            added = _as_much_again(lines, buffer) if len(buffer) <= LINE_MAX and _may_go_on(buffer, error) else ""
            if not added:
                raise InvalidFile(f"It isn't JSON: {error.msg}.", line=line + error.lineno - 1) from None
            buffer += added
            continue
        except RecursionError:
            raise InvalidFile("Its JSON is nested too deeply.", line=line) from None
        except _NotJSON as error:
            raise InvalidFile(str(error), line=line) from None
        except ValueError:
            raise InvalidFile(_TOO_MANY_DIGITS, line=line) from None
        if not isinstance(value, dict):
            raise InvalidFile("It must have an object for each task.", line=line)
        yield line, value
        line += buffer.count("\n", 0, end)
        buffer = buffer[end:]


def _as_much_again(lines: Iterator[str], buffer: str) -> str:
    """Returns the next lines, about as long as `buffer`, so that an object of many lines is read in few tries."""
    added, size = list[str](), 0
    while size < len(buffer) and (line := next(lines, "")):
        added.append(line)
        size += len(line)
    return "".join(added)


def _may_go_on(buffer: str, error: json.JSONDecodeError) -> bool:
    """Returns whether what is wrong may be that the rest of the object is missing."""
    return not buffer[error.pos :].strip() or error.msg.startswith(("Unterminated", "Expecting"))
