"""Checks what an agent passes to a tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final

from jsonschema import Draft202012Validator

SHOWN_MAX: Final = 5
"""Mistakes that are named at once."""
VALUE_MAX: Final = 60
"""Characters of a wrong value that are shown."""


class WrongArguments(Exception):
    """The arguments aren't those that the tool takes.  Its message says what is wrong, and what is known."""


def check(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Raises WrongArguments if `arguments` don't meet `schema`."""
    errors = Draft202012Validator(schema).iter_errors(arguments)
    if found := [message for error in islice(errors, SHOWN_MAX) for message in _messages(error)]:
        raise WrongArguments(" ".join(dict.fromkeys(found)))


def _messages(error: Any) -> Iterator[str]:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        for name in islice((name for name in error.instance if name not in known), SHOWN_MAX):
            nearest = get_close_matches(name, known, 1)
            hint = f" Did you mean {nearest[0]}?" if nearest else ""
            where = f" in {place}" if place else ""
            yield f"Unknown field {_short(name)}{where}. Known are {', '.join(known)}.{hint}"
    elif error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        yield f"{f'{place} needs' if place else 'The call needs'} {', '.join(missing)}."
    else:
        yield f"{place or 'The call'}: {_expected(error)}; it is {_short(error.instance)}."


def _expected(error: Any) -> str:
    value = error.validator_value
    match error.validator:
        case "type":
            return f"must be of type {value if isinstance(value, str) else ' or '.join(value)}"
        case "enum":
            return f"must be one of {', '.join(map(str, value))}"
        case "minimum" | "minItems" | "minLength":
            return f"must be at least {value}{_unit(error)}"
        case "maximum" | "maxItems" | "maxLength":
            return f"must be at most {value}{_unit(error)}"
        case _:
            return str(error.message)[:VALUE_MAX]


def _unit(error: Any) -> str:
    return {"Items": " items", "Length": " characters"}.get(str(error.validator)[3:], "")


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= VALUE_MAX else shown[:VALUE_MAX] + "…"
