"""A headless Chromium, and pages that record their requests and errors."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from requirements import leave_out

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

HOW_TO_GET_IT = "Install it (Debian: apt-get install chromium), or name one in CHROMIUM, and run: tox -e browser"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A Chromium of this machine, with an empty profile."""
    playwright = pytest.importorskip("playwright.async_api", reason=f"Playwright is not installed. {HOW_TO_GET_IT}")
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        leave_out(f"There is no Chromium. {HOW_TO_GET_IT}")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        await browser.close()


class Watched:
    """A page, with its errors and the URLs that it requested."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def hosts(self) -> set[str]:
        """Returns scheme, host and port of all that it requested; URLs within the page have none."""
        return {"/".join(url.split("/")[:3]) for url in self.requests if not url.startswith(("data:", "blob:"))}


@pytest.fixture
async def watched(browser: Browser, tmp_path: Path) -> Watched:
    """A new page that is watched."""
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(20_000)
    return Watched(page)
