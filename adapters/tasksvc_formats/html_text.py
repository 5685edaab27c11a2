"""The text of HTML, for people."""

from __future__ import annotations

import html
import re
from typing import Final

_BLOCKS: Final = frozenset(
    ("p", "div", "br", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "tr", "table", "hr")
)
_HIDDEN: Final = frozenset(("script", "style"))

# html.parser takes hours for some texts of a megabyte, before Python 3.13.6; this takes time in proportion.
_TAG = re.compile(r"(<[^<>]*>)")
_NAME = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[\s/>]", re.ASCII).match
_ATTRIBUTE = re.compile(r"""\s([a-zA-Z-]+)=(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.ASCII)
_IS_HTML = re.compile(r"</?[a-zA-Z][^<>]*>|&#?\w{1,30};").search


def html_to_text(text: str) -> str:
    """Returns the text with a line for each block, and the addresses of links.

    Text without tags is returned as it is.
    """
    if _IS_HTML(text) is None:
        return text
    writer = _Text()
    for part in _TAG.split(text):
        if (match := _NAME(part)) is not None:
            writer.tag(match[2].lower(), part, is_end=bool(match[1]))
        elif not _TAG.match(part):
            writer.data(part)
    lines = [" ".join(line.split()) for line in "".join(writer.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Text:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self._hidden = ""
        """The element whose text nobody sees, if one is open."""
        self._link = ""
        """The address of the open link."""

    def tag(self, name: str, tag: str, *, is_end: bool) -> None:
        """Takes a tag with its `name` in small letters."""
        if name in _HIDDEN:
            self._hidden = "" if is_end else name
        elif name in _BLOCKS:
            self._new_line()
            if name == "li" and not is_end:
                checked = _attribute(tag, "data-checked")
                self.parts.append({"true": "[x] ", "false": "[ ] "}.get(checked, "- "))
        elif name == "a":
            if is_end and self._link and self._link not in "".join(self.parts[-2:]):
                self.parts.append(f" <{self._link}>")
            self._link = "" if is_end else _attribute(tag, "href")
        elif name == "img":
            self.parts.append(_attribute(tag, "alt") or _attribute(tag, "src"))

    def data(self, text: str) -> None:
        """Takes text between tags."""
        if text and not self._hidden:
            self.parts.append(html.unescape(text))

    def _new_line(self) -> None:
        """Begins a line, unless one has just begun, as in a paragraph in an item of a list."""
        if any(self.parts[-1:]) and not self.parts[-1].endswith(("\n", "- ", "] ")):
            self.parts.append("\n")


def _attribute(tag: str, name: str) -> str:
    """Returns the value of an attribute; empty if the tag doesn't have it."""
    for match in _ATTRIBUTE.finditer(tag):
        if match[1].lower() == name:
            return html.unescape(match[2] or match[3] or match[4] or "")
    return ""
