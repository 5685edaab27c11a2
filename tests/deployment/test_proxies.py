"""The examples for nginx and Caddy, started and used: at the root of a name, and below a path."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin

import pytest
from service_process import RunningService

from deployment.engine import until
from deployment.proxies import EXAMPLES_OF, NAME, Client, Proxied
from tasksvc.application.tokens import new_secret

if TYPE_CHECKING:
    from playwright.async_api import Page as BrowserPage

pytestmark = pytest.mark.deployment

SECRET = new_secret()
HEADERS = {"Authorization": f"Bearer {SECRET}"}
LARGE = "x" * 10_000


class Walked(NamedTuple):
    """A service behind a proxy, and a client of it."""

    service: RunningService
    proxied: Proxied

    @property
    def url(self) -> str:
        return self.proxied.url


@pytest.fixture(scope="module", params=[(proxy, prefix) for proxy in EXAMPLES_OF for prefix in ("", "/todo")], ids=str)
def walked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    proxy, prefix = request.param
    folder = tmp_path_factory.mktemp(proxy)
    (folder / "admin-token").write_text(SECRET)
    arguments = ("--trusted-proxy", "127.0.0.1", "--allowed-host", NAME, "--log-format", "json")
    variables = {"TASKSVC_ADMIN_TOKEN_FILE": str(folder / "admin-token")}
    store = ("--store", "sqlite:///tasks.db")
    with (
        RunningService(*store, *arguments, folder=folder, environment=variables) as service,
        EXAMPLES_OF[proxy](service.port, folder, prefix) as proxied,
    ):
        yield Walked(service, proxied)


@pytest.fixture
def client(walked: Walked) -> Client:
    return Client(walked.proxied, HEADERS)


def test_what_a_client_is_referred_to_is_there(walked: Walked, client: Client) -> None:
    created = client.ask("POST", "tasks/", {"description": "first"})
    client.ask("POST", "tasks/", {"description": "second"})

    shown = client.ask("GET", urljoin(f"{walked.url}/tasks/", created.headers["location"]))
    ids: list[int] = []
    page: str | None = f"{walked.url}/tasks/?limit=1"
    while page:
        answer = client.ask("GET", page)
        ids += [task["id"] for task in answer.document]
        following = re.match(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
        page = urljoin(page, following[1]) if following else None

    assert (created.status, shown.document) == (201, created.document)
    assert ids == [task["id"] for task in client.ask("GET", "tasks/").document]
    assert len(ids) >= 2


def test_the_first_event_arrives_while_the_stream_is_open(client: Client) -> None:
    with contextlib.closing(client.open("GET", "changes/stream")) as connection:
        stream = connection.getresponse()

        client.ask("POST", "tasks/", {"description": "seen by a stream"})
        seen = next(line for line in iter(stream.readline, b"") if b"seen by a stream" in line)

        assert seen.startswith(b"data:")
        assert not stream.isclosed()
        stream.close()


def test_the_log_has_the_address_of_the_client(walked: Walked) -> None:
    elsewhere = Client(walked.proxied, HEADERS, address="127.0.0.2")

    answer = elsewhere.ask("GET", "tasks/404", **{"X-Forwarded-For": "192.0.2.1"})

    def remotes() -> set[str]:
        lines = [json.loads(line) for line in walked.service.output.splitlines() if line.startswith("{")]
        return {line["remote"] for line in lines if line.get("path") == "/tasks/404"}

    until(lambda: remotes() != set(), "the request is in the log")
    assert answer.status == 404
    assert remotes() == {"127.0.0.2"}


def test_a_batch_may_be_as_large_as_the_service_allows_and_the_service_refuses_what_is_too_large(
    client: Client,
) -> None:
    large = [{"op": "create", "task": {"description": LARGE}}] * 700

    taken = client.ask("POST", "tasks/batch", large)
    refused = client.ask("POST", "tasks/", {"description": LARGE * 30})

    assert taken.status == 200
    assert (refused.status, refused.headers["content-type"]) == (413, "application/problem+json")


def test_pages_of_other_sites_and_clients_without_a_token_are_kept_out(client: Client) -> None:
    foreign = client.ask("POST", "tasks/", {"description": "from a page"}, Origin="https://other.example")
    unknown = client.ask("GET", "tasks/", Authorization="")

    assert (foreign.status, unknown.status) == (403, 401)


# ---------------------------------------------------------------- a browser


@pytest.fixture
async def page() -> AsyncIterator[BrowserPage]:
    """A page of Chromium, which finds the public name on this machine and accepts any certificate."""
    playwright = pytest.importorskip("playwright.async_api", reason="Playwright is not installed: tox -e deployment")
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if executable is None:
        pytest.skip("Debian: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=executable, args=[*flags, f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
        )
        page = await browser.new_page(ignore_https_errors=True)
        page.set_default_timeout(60_000)
        yield page
        await browser.close()


async def test_swagger_ui_creates_a_task_with_a_token_and_stays_below_the_path(
    walked: Walked, client: Client, page: BrowserPage
) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    create = "#operations-tasks-create_task"
    await page.goto(f"{walked.url}/docs")

    await page.locator(".auth-wrapper .authorize").click()
    await page.locator(".auth-container input").fill(SECRET)
    await page.locator(".auth-btn-wrapper .authorize").click()
    await page.locator(".auth-btn-wrapper .btn-done").click()
    await page.locator(f"{create} .opblock-summary-control").click()
    await page.locator(f"{create} textarea.body-param__text").fill('{"description": "Made in a browser"}')
    await page.locator(f"{create} .execute").click()
    status = await page.locator(f"{create} .live-responses-table .response-col_status").last.inner_text()
    tasks = client.ask("GET", "tasks/?q=Made%20in%20a%20browser").document

    assert status.split()[0] == "201"
    assert len(tasks) == 1
    assert complaints == []
    assert [url for url in asked if not url.startswith((f"{walked.url}/", "data:", "blob:"))] == []


async def test_redoc_shows_the_operations(walked: Walked, page: BrowserPage) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    await page.goto(f"{walked.url}/redoc")
    await page.get_by_text("/changes/stream").first.wait_for()

    assert [url for url in asked if not url.startswith((f"{walked.url}/", "data:", "blob:"))] == []
