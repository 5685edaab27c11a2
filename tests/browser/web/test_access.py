"""The page with a token, in the workspaces of a token, with read access only, and below a prefix of a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from http_client import free_port
from playwright.sync_api import Browser, Page, expect
from reverse_proxies import nginx
from service_process import RunningService, run_tasksvc

from browser.web.conftest import PLUGINS
from browser.web.test_tasks import answered, until_shown

pytestmark = pytest.mark.browser

STRIPPING = """
server {{
    listen 127.0.0.1:{listen};
    location /team/todo/ {{
        proxy_pass http://127.0.0.1:{service}/;
        proxy_set_header Host $http_host;
        proxy_buffering off;
    }}
    location / {{ return 404; }}
}}
"""
TOKENS = {
    "ann": ("--scope", "write", "--workspace", "ann", "--workspace", "family"),
    "guest": ("--scope", "read", "--workspace", "family"),
    "root": ("--scope", "admin"),
}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningService, dict[str, str]]]:
    """A service that requires tokens, and the tokens by name."""
    folder = tmp_path_factory.mktemp("tokens")
    store = ("--store", f"sqlite:///{folder}/tasks.db")
    with RunningService(*store, folder=folder, environment=PLUGINS) as service:
        secrets = {
            name: run_tasksvc("token", "create", name, *more, *store, folder=folder).stdout.split()[-1]
            for name, more in TOKENS.items()
        }
        yield service, secrets


def opened(browser: Browser, url: str) -> Page:
    page = browser.new_context().new_page()
    page.set_default_timeout(30_000)
    page.goto(url)
    return page


def give(page: Page, token: str) -> None:
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="Show tasks").click()


def test_a_token_is_asked_for_once_and_kept_in_the_tab(
    tokens: tuple[RunningService, dict[str, str]], browser: Browser
) -> None:
    service, secrets = tokens
    page = opened(browser, service.url)
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    give(page, "wrong")
    page.get_by_text("The service doesn’t accept the token").wait_for()
    give(page, secrets["ann"])
    page.get_by_label("Add a task to inbox").fill("Ann's")
    page.keyboard.press("Enter")
    until_shown(page, ["Ann's"])

    page.reload()
    until_shown(page, ["Ann's"])
    assert page.get_by_role("dialog").count() == 0
    assert not any(secrets["ann"] in url for url in urls)
    assert page.evaluate("JSON.stringify(localStorage) + document.cookie").count(secrets["ann"]) == 0
    other_tab = page.context.new_page()
    other_tab.goto(service.url)
    other_tab.get_by_role("dialog", name="Your token").wait_for()

    page.keyboard.press("w")
    page.get_by_label("family").check()
    page.get_by_role("button", name="Show").click()
    page.get_by_label("Add a task to inbox of ann").wait_for()
    folder = service.folder
    run_tasksvc("token", "revoke", "ann", "--store", f"sqlite:///{folder}/tasks.db", folder=folder)
    page.get_by_role("dialog", name="Your token").wait_for()
    page.context.close()


def test_readers_change_nothing_and_see_only_their_workspaces(
    tokens: tuple[RunningService, dict[str, str]], browser: Browser
) -> None:
    service, secrets = tokens
    page = opened(browser, f"{service.url}/?workspace=family")
    give(page, secrets["root"])
    page.get_by_label("Add a task to inbox").fill("Ours")
    page.keyboard.press("Enter")
    until_shown(page, ["Ours"])
    page.get_by_text("Forget the token").click()
    give(page, secrets["guest"])

    until_shown(page, ["Ours"])
    assert page.get_by_label("Add a task").count() == 0
    expect(page.get_by_role("checkbox", name="Done: Ours")).to_be_disabled()
    page.get_by_text("Ours", exact=True).click()
    expect(page.get_by_label("Due", exact=True)).to_be_disabled()
    page.keyboard.press("Delete")
    assert page.get_by_label("Delete task").count() == 0
    page.goto(f"{service.url}/?workspace=family&workspace=ann")
    page.get_by_text("Your token doesn't let you enter one of these workspaces.").wait_for()
    page.context.close()


def test_the_page_works_below_a_path_that_a_proxy_strips(tmp_path: Path, browser: Browser) -> None:
    port = free_port()
    with (
        RunningService(
            "--store", "memory://", "--cors-origin", "https://elsewhere.example", folder=tmp_path, environment=PLUGINS
        ) as service,
        nginx(STRIPPING.format(listen=port, service=service.port), folder=tmp_path, port=port),
    ):
        page = opened(browser, f"http://localhost:{port}/team/todo/?show=all")
        seen: list[str] = []
        page.on("response", lambda answer: seen.append(f"{answer.status} {answer.url}"))
        page.get_by_label("Add a task to inbox").fill("Below")
        page.keyboard.press("Enter")
        until_shown(page, ["Below"])
        page.get_by_role("checkbox", name="Done: Below").click()
        answered(page)
        page.get_by_role("link", name="inbox").click()
        until_shown(page, ["Below"])
        page.reload()
        until_shown(page, ["Below"])

        assert page.url == f"http://localhost:{port}/team/todo/?list=inbox&of=default&show=all"
        assert [each for each in seen if not each.startswith("20") or "/team/todo/" not in each] == []
        page.context.close()
