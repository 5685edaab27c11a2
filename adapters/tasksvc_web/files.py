"""The files of the page, which are read once."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Final

from tasksvc.plugin import StaticContent

FOLDER: Final = Path(__file__).with_name("static")
PAGE: Final = "index.html"
TYPES: Final = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""The media types of the files that are served, by the ends of their names."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html"
)
"""The Content-Security-Policy of the page: its own files and its own service, and no markup from text."""
IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""Cache-Control of a file whose URL has the version of the page (RFC 8246)."""


class PageFiles:
    """The page, and the files that it loads, with their headers.

    The version of the page is a hash of all files. It's a part of the URL of each, so caches may keep them for a year,
    and modules that import each other are always of one version.
    """

    def __init__(self) -> None:
        self._files: dict[str, StaticContent] = {}
        self._page: StaticContent | None = None
        self._version = ""
        self._reading = asyncio.Lock()

    async def page(self) -> StaticContent:
        """Returns the page itself."""
        await self._read_once()
        assert self._page is not None
        return self._page

    async def file(self, version: str, name: str) -> StaticContent | None:
        """Returns a file by its path below the folder; None if there is no such file.

        One of another version isn't there: while a service is updated, a page may ask a replica of another version.
        """
        await self._read_once()
        return self._files.get(name) if version == self._version else None

    async def _read_once(self) -> None:
        async with self._reading:
            if self._page is None:
                await asyncio.to_thread(self._read)

    def _read(self) -> None:
        contents = {
            path.relative_to(FOLDER).as_posix(): path.read_bytes()
            for path in sorted(FOLDER.rglob("*"))
            if path.suffix in TYPES
        }
        page = contents.pop(PAGE)
        digest = hashlib.sha256(page)
        for name, content in contents.items():
            digest.update(b"%b\0%d\0%b" % (name.encode(), len(content), content))
        self._version = digest.hexdigest()[:16]
        self._files = {
            name: _content(name, content, {"Cache-Control": IMMUTABLE}) for name, content in contents.items()
        }
        scripts = [name for name in contents if name.endswith(".js")]
        links = [f'<link rel="modulepreload" href="web/{self._version}/{name}">' for name in scripts]
        text = page.decode().replace("{version}", self._version).replace("{preloads}", "\n".join(links))
        self._page = _content(
            PAGE, text.encode(), {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        )


def _content(name: str, body: bytes, headers: dict[str, str]) -> StaticContent:
    media_type = TYPES[Path(name).suffix]
    return StaticContent(body, f"{media_type}; charset=utf-8", headers=headers, compressed=True)
