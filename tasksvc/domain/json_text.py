"""JSON text of plain values, times and tasks.

orjson does the work where the platform has it, and the standard library where not, with the same
bytes but for the exponents of small floats.  Times are RFC 3339 in UTC, with a Z.
"""

from __future__ import annotations

import dataclasses
import json
import uuid  # noqa: F401  # which orjson would import while it is loaded, and a Ctrl-C then crashes it
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from datetime import date, datetime
from typing import Any

from tasksvc.domain.json_object import JSONObject

_MAPPED_BYTES = 128 * 1024
"""Bytes from which a block of memory has pages of its own; those that were never written to take no memory."""

try:
    import orjson
except ImportError:  # a platform without wheels

    def dumps(value: Any) -> bytes:
        """Returns compact JSON in UTF-8 of plain values, datetimes in UTC, and tasks."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()

    def dump_line(value: Any) -> bytes:
        """Returns what dumps() does, with a newline at the end."""
        return dumps(value) + b"\n"

    def loads(data: bytes | str) -> Any:
        """Decodes what dumps() wrote.  It isn't strict, so don't use it for input from outside."""
        return json.loads(data)

    def _plain(value: object) -> object:
        if isinstance(value, datetime):
            return value.isoformat().replace("+00:00", "Z")
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, EncodedObject):
            return dict(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        raise TypeError(f"{type(value).__name__} has no JSON form.")

else:

    def dumps(value: Any) -> bytes:
        """Returns compact JSON in UTF-8 of plain values, datetimes in UTC, and tasks."""
        return _trimmed(orjson.dumps(value, _encoded, orjson.OPT_UTC_Z))

    def dump_line(value: Any) -> bytes:
        """Returns what dumps() does, with a newline at the end."""
        return _trimmed(orjson.dumps(value, _encoded, orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))

    def loads(data: bytes | str) -> Any:
        """Decodes what dumps() wrote.  It isn't strict, so don't use it for input from outside."""
        return orjson.loads(data)

    def _trimmed(text: bytes) -> bytes:
        """Returns `text` in no more memory than it needs.

        orjson's own bytes keep the buffer that they were written into: 4 KB at least, and up to 13 times their length.
        """
        return b"%b" % text if len(text) < _MAPPED_BYTES else text

    def _encoded(value: object) -> object:
        if isinstance(value, EncodedObject):
            return orjson.Fragment(value.encoded)
        raise TypeError(f"{type(value).__name__} has no JSON form.")


PLAIN_MAX = 1_024
"""The most characters in the text of an object that load_object() makes a dict."""


class EncodedObject(Mapping[str, Any]):
    """A JSON object that is kept as its text, and decoded each time it is looked into.

    As Python's objects it can take thirty times as much memory.
    """

    __slots__ = ("encoded",)

    def __init__(self, encoded: bytes) -> None:
        """Takes `encoded`, which dumps() returned."""
        self.encoded = encoded

    def _decoded(self) -> dict[str, Any]:
        decoded: dict[str, Any] = loads(self.encoded)
        return decoded

    def __getitem__(self, name: str) -> Any:
        return self._decoded()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded())

    def __len__(self) -> int:
        return len(self._decoded())

    def __bool__(self) -> bool:
        return self.encoded != b"{}"

    def items(self) -> ItemsView[str, Any]:
        return self._decoded().items()

    def values(self) -> ValuesView[Any]:
        return self._decoded().values()

    def __repr__(self) -> str:
        return repr(self._decoded())


def packed(value: JSONObject) -> JSONObject:
    """Returns an equal object that takes no more memory than its text does."""
    return EncodedObject(dumps(value)) if value and not isinstance(value, EncodedObject) else value


def load_object(text: str) -> JSONObject:
    """Returns the object that was dumped as `text`, packed if it is large."""
    value: dict[str, Any] = loads(text)
    return packed(value) if len(text) > PLAIN_MAX else value
