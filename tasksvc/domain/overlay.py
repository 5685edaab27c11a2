"""Tables that are written to without changing the table below."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")
KeyIn = TypeVar("KeyIn", contravariant=True)


class Table(Protocol[KeyIn, Value]):
    """The methods of a dict that a ledger needs."""

    def get(self, key: KeyIn, /) -> Value | None: ...

    def __setitem__(self, key: KeyIn, value: Value, /) -> None: ...

    def pop(self, key: KeyIn, default: None, /) -> object: ...


class Overlay(Generic[Key, Value]):
    """A table over another one: it keeps what is written or deleted, and looks up everything else below."""

    def __init__(self, below: Table[Key, Value]) -> None:
        self._below = below
        self.written: dict[Key, Value | None] = {}

    def get(self, key: Key, /) -> Value | None:
        return self.written[key] if key in self.written else self._below.get(key)

    def __setitem__(self, key: Key, value: Value, /) -> None:
        self.written[key] = value

    def pop(self, key: Key, default: None, /) -> None:
        self.written[key] = None
