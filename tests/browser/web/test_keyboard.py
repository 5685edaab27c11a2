"""The page without a mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.web.conftest import Space
from browser.web.test_tasks import answered, until_shown

pytestmark = pytest.mark.browser


def test_everything_is_done_by_keys(space: Space) -> None:
    space.add({"description": "elsewhere", "list": "other"})
    page = space.open()
    keys = page.keyboard
    keys.press("n")
    for text in ("one", "two", "three"):
        keys.type(text)
        keys.press("Enter")
        page.locator(".row", has_text=text).wait_for()
    keys.press("Escape")
    until_shown(page, ["elsewhere", "one", "two", "three"])

    keys.press("Home")
    keys.press("j")
    keys.press("Alt+ArrowUp")
    until_shown(page, ["one", "elsewhere", "two", "three"])
    keys.press("7")
    keys.press("e")
    keys.press("End")
    keys.type(" and a half")
    keys.press("Enter")
    until_shown(page, ["one and a half", "elsewhere", "two", "three"])
    keys.press("End")
    keys.press("Alt+ArrowUp")
    until_shown(page, ["one and a half", "elsewhere", "three", "two"])
    keys.press("x")
    until_shown(page, ["one and a half", "elsewhere", "two"])
    keys.press("k")
    keys.press("Delete")
    until_shown(page, ["one and a half", "two"])
    keys.press("Control+z")
    until_shown(page, ["one and a half", "elsewhere", "two"])
    keys.press("u")
    until_shown(page, ["one and a half", "elsewhere", "three", "two"])

    keys.press("Home")
    keys.press("Enter")
    pane = page.get_by_role("complementary", name="The open task")
    pane.wait_for()
    keys.press("l")
    expect(pane.get_by_label("Labels")).to_be_focused()
    keys.type("home")
    keys.press("Enter")
    pane.get_by_label("Remove the label home").wait_for()
    keys.press("Escape")
    keys.press("d")
    expect(pane.get_by_label("Due", exact=True)).to_be_focused()
    keys.press("Escape")
    keys.press("Escape")
    expect(pane).to_be_hidden()
    keys.press("/")
    keys.type("half")
    until_shown(page, ["one and a half"])
    keys.press("Escape")
    keys.press("Escape")
    keys.press("]")
    keys.press("]")
    until_shown(page, ["elsewhere"])
    keys.press("[")
    until_shown(page, ["one and a half", "three", "two"])
    answered(page)

    task = space.tasks("?q=half")[0]
    assert (task["priority"], task["labels"]) == (7, ["home"])
    assert space.complaints == []


def test_a_sheet_shows_the_keys_and_turns_those_of_one_letter_off(space: Space) -> None:
    page = space.open()
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet.get_by_role("button", name="Close")).to_be_focused()
    sheet.get_by_label("Keys of a single letter").uncheck()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)

    page.keyboard.press("n")
    page.keyboard.press("?")

    expect(page.get_by_label("Add a task to inbox")).not_to_be_focused()
    expect(sheet).to_have_count(0)
    assert space.complaints == []
