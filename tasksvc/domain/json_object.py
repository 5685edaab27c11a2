"""JSON objects, and the sizes of texts and JSON in bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

JSONObject = Mapping[str, Any]
NO_METADATA: Final[JSONObject] = {}


def utf8_size(text: str) -> int:
    """Returns the number of bytes of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def compact_size(value: JSONObject | Sequence[str]) -> int:
    """Returns the number of bytes of `value` as compact JSON in UTF-8."""
    return utf8_size(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
