"""Several people, several workspaces, and a service that is gone for a while."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from service_process import RunningService

from browser.web.conftest import PLUGINS, Space
from browser.web.test_tasks import answered, until_shown

pytestmark = pytest.mark.browser


def test_of_two_versions_of_one_text_people_choose(space: Space) -> None:
    space.add({"description": "Call Ann", "notes": "At noon"})
    page, other = space.open(f"&task={space.name}/1"), space.open(f"&task={space.name}/1")

    for chosen, result in (("Keep theirs", "theirs 0"), ("Write yours", "mine 1")):
        number = 0 if chosen == "Keep theirs" else 1
        page.get_by_label("Text of the task").fill(f"mine {number}")
        other.get_by_label("Text of the task").fill(f"theirs {number}")
        other.get_by_label("Text of the task").press("Enter")
        until_shown(page, [f"theirs {number}"])
        expect(page.get_by_label("Text of the task")).to_have_value(f"mine {number}")
        page.get_by_label("Text of the task").press("Enter")
        question = page.get_by_role("dialog", name="Somebody else has changed the text")
        expect(question.get_by_label("Your version")).to_have_value(f"mine {number}")
        expect(question.get_by_label("The version of the service")).to_have_value(f"theirs {number}")
        question.get_by_role("button", name=chosen).click()
        until_shown(page, [result])
        until_shown(other, [result])
        assert space.texts() == [result]

    page.get_by_label("Notes", exact=True).fill("At one")
    other.get_by_label("Text of the task").fill("Call Bob")
    other.get_by_label("Text of the task").press("Enter")
    until_shown(page, ["Call Bob"])
    page.get_by_label("Notes", exact=True).blur()
    answered(page)
    expect(other.get_by_label("Notes", exact=True)).to_have_value("At one")
    assert [(task["description"], task["notes"]) for task in space.tasks()] == [("Call Bob", "At one")]
    assert [said for said in space.complaints if "412" not in said] == []


def test_a_text_that_was_changed_before_it_is_edited_in_a_row_is_not_overwritten(space: Space) -> None:
    space.add("Call Ann")
    page = space.open()
    page.get_by_text("Call Ann", exact=True).dblclick()
    page.locator(".row .edit").fill("mine")
    space.ask("PATCH", "tasks/1", {"description": "theirs"})

    page.keyboard.press("Enter")

    page.get_by_role("dialog", name="Somebody else has changed the text").wait_for()
    assert space.texts() == ["theirs"]
    page.get_by_role("button", name="Write yours").click()
    until_shown(page, ["mine"])
    assert space.texts() == ["mine"]


def test_several_workspaces_are_one_view_over_one_stream(
    space: Space, service: RunningService, browser: Browser
) -> None:
    family = Space(space.service, f"{space.name}-family", browser)
    space.add("mine", {"description": "mine due", "due_on": "2020-01-01"})
    family.add({"description": "ours", "list": "birthday"})
    page = space.open(f"&workspace={family.name}")
    until_shown(page, ["mine", "mine due", "ours"])

    family.add("ours, too")
    until_shown(page, ["mine", "mine due", "ours", "ours, too"])
    page.get_by_role("checkbox", name="Done: ours", exact=True).click()
    until_shown(page, ["mine", "mine due", "ours, too"])
    assert [task["done"] for task in family.tasks()] == [True, False]
    page.keyboard.press("w")
    chosen = page.get_by_role("dialog", name="Workspaces")
    chosen.get_by_label(space.name, exact=True).uncheck()
    chosen.get_by_role("button", name="Show").click()
    until_shown(page, ["ours, too"])
    assert f"workspace={family.name}" in page.url

    streams = [url for url in space.requests if "changes/stream" in url]
    assert len(streams) == 2, "one for each choice of workspaces"
    assert space.complaints == []


@pytest.fixture
def killable(tmp_path: Path, browser: Browser) -> Space:
    """A workspace of a service that keeps its tasks in a file."""
    service = RunningService("--store", f"sqlite:///{tmp_path}/tasks.db", folder=tmp_path, environment=PLUGINS)
    return Space(service, "team", browser)


def test_a_service_that_is_killed_and_comes_back_gets_each_write_once(killable: Space) -> None:
    service = killable.service
    with service:
        killable.add("one")
        page, other = killable.open(), killable.open()
        dropped = drop_answers(page, "**/tasks/")
        page.get_by_label("Add a task to inbox").fill("two")
        page.keyboard.press("Enter")
        until_shown(page, ["one", "two"])
        answered(page)
        assert len(dropped) == 1
        service.kill()
        for each in (page, other):
            each.get_by_text("Not connected").wait_for()
        page.get_by_label("Add a task to inbox").fill("three")
        page.keyboard.press("Enter")
        page.get_by_text("Not connected: 1 change waits").wait_for()
        page.get_by_label("Tasks that wait for the service").get_by_text("three").wait_for()
        service.start()

        for each in (page, other):
            each.get_by_text("Live", exact=True).wait_for()
            until_shown(each, ["one", "two", "three"])
        assert killable.texts("") == ["one", "two", "three"]
    killable.close()


def drop_answers(page: Page, path: str) -> list[str]:
    """Cuts the connection of the first POST to a path before its answer; returns the key of that, once it came."""
    dropped: list[str] = []

    def handle(route: Route) -> None:
        if route.request.method == "POST" and not dropped:
            dropped.append(route.request.headers["idempotency-key"])
            route.fetch()
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(path, handle)
    return dropped
