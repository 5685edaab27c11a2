"""The text of HTML, for people."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_BLOCKS: Final = frozenset(
    ("p", "div", "br", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "tr", "table", "hr")
)
_HIDDEN: Final = frozenset(("script", "style"))
_TAG = re.compile(r"</?[a-zA-Z][^>]*>|&#?\w+;")


def html_to_text(text: str) -> str:
    """Returns the text with a line for each block, and the addresses of links.

    Text without tags is returned as it is.
    """
    if _TAG.search(text) is None:
        return text
    parser = _Text()
    parser.feed(text)
    parser.close()
    lines = [" ".join(line.split()) for line in "".join(parser.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _BLOCKS:
            self._new_line()
            checked = {"true": "[x] ", "false": "[ ] "}.get(values.get("data-checked") or "", "- ")
            self.parts.append(checked if tag == "li" else "")
        elif tag == "a":
            self._link = values.get("href") or ""
        elif tag == "img":
            self.parts.append(values.get("alt") or values.get("src") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(self._hidden - 1, 0)
        elif tag in _BLOCKS and tag != "br":
            self._new_line()
        elif tag == "a" and self._link:
            if self._link not in "".join(self.parts[-2:]):
                self.parts.append(f" <{self._link}>")
            self._link = ""

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)

    def _new_line(self) -> None:
        """Begins a line, unless one has just begun, as in a paragraph in an item of a list."""
        if any(self.parts[-1:]) and not self.parts[-1].endswith(("\n", "- ", "] ")):
            self.parts.append("\n")
