"""A service with the page, and a Chromium that opens it: one of each for all tests of a module."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from requirements import leave_out
from service_process import RunningService

from browser.conftest import FLAGS, HOW_TO_GET_IT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Its modules import Playwright, which only `tox -e browser` installs.
collect_ignore_glob = [] if find_spec("playwright") else ["test_*.py"]

PATIENCE_MS = 30_000
PLUGINS = {"TASKSVC_PLUGINS": "web"}
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium of this machine. It's driven without an event loop, since the tests of the page need none."""
    playwright = pytest.importorskip("playwright.sync_api", reason=f"Playwright is not installed. {HOW_TO_GET_IT}")
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        leave_out(f"There is no Chromium. {HOW_TO_GET_IT}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service on a store in memory, open to everybody. Each test has a workspace of its own there."""
    folder = tmp_path_factory.mktemp("service")
    with RunningService("--store", "memory://", folder=folder, environment=PLUGINS) as service:
        yield service


class Space:
    """A workspace of the service, as its tests fill it and look at it, and pages that show it."""

    def __init__(self, service: RunningService, name: str, browser: Browser) -> None:
        self.service, self.name, self._browser = service, name, browser
        self.complaints: list[str] = []
        """What the consoles of the pages said, and exceptions."""
        self.requests: list[str] = []
        self._pages: list[Page] = []

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Sends a request below the path of the workspace, and returns the JSON of the answer."""
        url = f"{self.service.url}/workspaces/{self.name}/{path}"
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(url, data, {"Content-Type": "application/json"}, method=method)) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def add(self, *tasks: str | dict[str, Any]) -> list[Any]:
        """Creates tasks, which are given by their descriptions or as objects."""
        drafts = [{"description": task} if isinstance(task, str) else task for task in tasks]
        results = self.ask("POST", "tasks/batch", [{"op": "create", "task": draft} for draft in drafts])["results"]
        return [result["task"] for result in results]

    def tasks(self, query: str = "") -> list[Any]:
        """Returns the tasks as the service has them."""
        return list(self.ask("GET", f"tasks/{query}"))

    def texts(self, query: str = "?sort=position&done=false") -> list[str]:
        """Returns the descriptions of the tasks as the service has them."""
        return [task["description"] for task in self.tasks(query)]

    def open(self, query: str = "", *, url: str | None = None, **context: Any) -> Page:
        """Opens the page on the workspace in a browser profile of its own, and returns it when it's live."""
        page = self._browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda said: self.complaints.append(said.text) if said.type != "log" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        self._pages.append(page)
        page.goto(f"{url or self.service.url}/?workspace={self.name}{query}")
        page.get_by_text("Live", exact=True).wait_for(state="attached")
        return page

    def close(self) -> None:
        for page in self._pages:
            page.context.close()


@pytest.fixture
def space(service: RunningService, browser: Browser) -> Iterator[Space]:
    """Gives an empty workspace, and closes its pages at the end."""
    space = Space(service, f"team-{next(NUMBERS)}", browser)
    yield space
    space.close()
