"""Text of tasks on a terminal: without what would control it, and as wide as its columns."""

from __future__ import annotations

import re

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069]")
"""Characters that move the cursor, begin an escape sequence, end a line, or turn the direction of what follows."""
_PICTURES = 0x2400
"""The first of the characters that show a control character."""
CUT = "…"


def harmless(text: str) -> str:
    """Returns `text` on one line, with control characters as pictures of them, such as ␛, or as escapes."""
    return _CONTROLS.sub(_picture, text)


def harmless_lines(text: str) -> list[str]:
    """Returns the lines of `text`, each harmless, with tabs as spaces."""
    return [harmless(line.expandtabs()) for line in text.replace("\r\n", "\n").split("\n")]


def harmless_json(document: str) -> str:
    """Returns the same JSON document with escapes for the control characters that JSON leaves as they are."""
    return _CONTROLS.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", document)


def width(text: str) -> int:
    """Returns how many columns harmless text takes."""
    if text.isascii():
        return len(text)
    import wcwidth  # which takes long to import, and few texts need it

    columns = wcwidth.wcswidth(text)
    return columns if columns >= 0 else len(text)


def cut(text: str, columns: int) -> str:
    """Returns harmless text in at most this number of columns, with … at its end if something is left out."""
    if width(text) <= columns:
        return text
    if columns < 1:
        return ""
    if text.isascii():
        return text[: columns - 1].rstrip() + CUT
    shown, taken = "", 0
    for cluster in _clusters(text):
        taken += width(cluster)
        if taken > columns - 1:
            break
        shown += cluster
    return shown.rstrip() + CUT


def is_right_to_left(text: str) -> bool:
    """Returns whether a part of `text` is written from right to left."""
    if text.isascii():
        return False
    import unicodedata

    return any(unicodedata.bidirectional(each) in ("R", "AL") for each in text)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(_PICTURES + code)
    return "\u2421" if code == 0x7F else f"\\u{code:04x}"


def _clusters(text: str) -> list[str]:
    """Returns what a user sees as characters, which may be several code points each."""
    import wcwidth

    return list(wcwidth.iter_graphemes(text))
