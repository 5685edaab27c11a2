"""What people do with tasks on the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.web.conftest import Space

pytestmark = pytest.mark.browser


def test_a_task_is_added_edited_in_place_and_completed_and_another_page_sees_it(space: Space) -> None:
    page, other = space.open(), space.open()
    page.get_by_label("Add a task to inbox").fill("Buy milk")
    page.keyboard.press("Enter")
    page.get_by_role("row", name="Buy milk").wait_for()
    other.get_by_role("row", name="Buy milk").wait_for()

    page.get_by_text("Buy milk", exact=True).dblclick()
    page.get_by_label("Text of the task").first.fill("Buy oat milk")
    page.keyboard.press("Enter")

    other.get_by_role("row", name="Buy oat milk").wait_for()
    assert space.texts() == ["Buy oat milk"]

    other.get_by_role("checkbox", name="Done: Buy oat milk").first.click()

    expect(page.get_by_role("row")).to_have_count(0)
    page.get_by_text("Nothing to do").wait_for()
    assert [task["done"] for task in space.tasks()] == [True]
    other.get_by_role("button", name="Undo").click()
    page.get_by_role("row", name="Buy oat milk").wait_for()
    assert [task["done"] for task in space.tasks()] == [False]
    assert space.complaints == []
    assert {url.split("/")[2] for url in space.requests} == {f"127.0.0.1:{space.service.port}"}
