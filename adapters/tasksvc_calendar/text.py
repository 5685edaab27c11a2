"""Texts as iCalendar has them (RFC 5545, section 3.3.11)."""

from __future__ import annotations

import re

from icalendar import vText

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What some parsers take for the end of a line, as str.splitlines() does."""
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
"""Other characters that no text may have: CONTROL of section 3.1, but for HTAB."""
_ESCAPED = re.compile(r"[\\;,\n]")
_ESCAPES = {"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"}


class Text(vText):
    r"""A text that is written as it is, with every kind of line end as \n, and without control characters.

    vText takes a backslash before N for a line end, as in C:\New.
    """

    def to_ical(self) -> bytes:
        """Returns the text, escaped."""
        text = _CONTROLS.sub("", _LINE_ENDS.sub("\n", self))
        return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], text).encode()
