"""What people do with tasks on the page."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from browser.web.conftest import Space

pytestmark = pytest.mark.browser


def rows(page: Page) -> Locator:
    return page.get_by_role("row")


def shown(page: Page) -> list[str]:
    """Returns the texts of the rows, from top to bottom."""
    return page.locator(".row .text").all_inner_texts()


def until_shown(page: Page, texts: list[str]) -> None:
    expect(page.locator(".row .text")).to_have_text(texts)


def answered(page: Page) -> None:
    """Waits until every write is answered."""
    page.get_by_text("Live", exact=True).wait_for()


def test_a_task_is_added_edited_in_place_and_completed_and_another_page_sees_it(space: Space) -> None:
    page, other = space.open(), space.open()
    page.get_by_text("Nothing to do").wait_for()
    page.get_by_label("Add a task to inbox").fill("Buy milk")
    page.keyboard.press("Enter")
    until_shown(page, ["Buy milk"])
    until_shown(other, ["Buy milk"])

    page.get_by_text("Buy milk", exact=True).dblclick()
    page.locator(".row .edit").fill("Buy oat milk")
    page.keyboard.press("Enter")

    until_shown(other, ["Buy oat milk"])
    assert space.texts() == ["Buy oat milk"]

    other.locator(".row").get_by_role("checkbox", name="Done: Buy oat milk").click()

    until_shown(page, [])
    page.get_by_text("Nothing to do").wait_for()
    assert [task["done"] for task in space.tasks()] == [True]
    other.get_by_role("button", name="Undo").click()
    until_shown(page, ["Buy oat milk"])
    assert [task["done"] for task in space.tasks()] == [False]
    assert space.complaints == []
    assert {url.split("/")[2] for url in space.requests} == {f"127.0.0.1:{space.service.port}"}


def test_every_field_of_the_open_task_is_written(space: Space) -> None:
    space.add("Water the plants")
    page = space.open()
    page.get_by_text("Water the plants").click()
    pane = page.get_by_role("complementary", name="The open task")

    pane.get_by_label("Text of the task").fill("Water the garden")
    pane.get_by_label("Text of the task").press("Enter")
    pane.get_by_label("Due", exact=True).fill("2031-12-03")
    pane.get_by_label("Repeats").select_option("Every week")
    pane.get_by_label("Counted").select_option("without leaving one out")
    pane.get_by_label("Time").fill("09:30")
    pane.get_by_label("Priority").select_option("7")
    pane.get_by_label("Labels").fill("home")
    pane.get_by_label("Labels").press("Enter")
    pane.get_by_label("Labels").fill("garden")
    pane.get_by_label("Labels").press("Enter")
    pane.get_by_label("List", exact=True).fill("house")
    pane.get_by_label("Notes").fill("The roses, too.\nNot at noon.")
    pane.get_by_label("Add a subtask").fill("Fill the can")
    pane.get_by_label("Add a subtask").press("Enter")
    pane.get_by_role("checkbox", name="Done: Fill the can").click()
    pane.get_by_text("1 of 1").wait_for()
    answered(page)

    task, part = space.tasks()
    assert {name: task[name] for name in ("description", "due_at", "priority", "labels", "list", "notes")} == {
        "description": "Water the garden",
        "due_at": "2031-12-03T09:30:00Z",
        "priority": 7,
        "labels": ["garden", "home"],
        "list": "house",
        "notes": "The roses, too.\nNot at noon.",
    }
    assert (task["repeat"]["rule"].partition(";")[0], task["repeat"]["from"]) == ("FREQ=WEEKLY", "each")
    assert (part["description"], part["parent_id"], part["list"], part["done"]) == ("Fill the can", 1, "house", True)
    page.get_by_role("button", name="Skip to the next one").click()
    expect(pane.get_by_label("Due", exact=True)).to_have_value("2031-12-10")
    pane.locator(".detail-title").get_by_role("checkbox").click()
    page.get_by_text("The next one is there.").wait_for()
    until_shown(page, ["Water the garden"])
    assert [task["done"] for task in space.tasks("?q=garden")] == [True, False]
    page.keyboard.press("Escape")
    expect(pane).to_be_hidden()
    assert space.complaints == []


def test_every_deletion_is_undone(space: Space) -> None:
    space.add("Plan the trip", {"description": "Book the ferry", "parent_id": 1, "labels": ["sea"]})
    space.add({"description": "Pack", "parent_id": 2}, {"description": "Fix the tap", "list": "house"})
    space.add({"description": "Mow", "list": "house", "done": True})
    before = space.tasks()
    page = space.open()

    def unchanged() -> None:
        page.get_by_role("button", name="Undo").last.click()
        until_shown(page, ["Plan the trip", "Book the ferry", "Pack", "Fix the tap"])
        answered(page)
        for now, then in zip(space.tasks(), before, strict=True):
            assert {**now, "version": 0, "updated_at": ""} == {**then, "version": 0, "updated_at": ""}

    page.locator(".row", has_text="Fix the tap").locator(".text").click()
    page.get_by_role("button", name="Delete task").click()
    until_shown(page, ["Plan the trip", "Book the ferry", "Pack"])
    unchanged()
    for choice, left in (("Delete with 2 subtasks", ["Fix the tap"]), ("Keep subtasks", ["Book the ferry", "Pack"])):
        page.get_by_text("Plan the trip").first.click()
        page.get_by_role("button", name="Delete task").click()
        page.get_by_role("button", name=choice).click()
        until_shown(page, list(dict.fromkeys([*left, "Fix the tap"])))
        unchanged()
    page.get_by_role("link", name="house").click()
    page.get_by_label("More for this list").click()
    page.get_by_role("button", name="Delete what is done").click()
    page.get_by_text("Deleted 1 task that was done.").wait_for()
    page.get_by_role("link", name="All tasks").click()
    unchanged()
    page.get_by_role("link", name="house").click()
    page.get_by_label("More for this list").click()
    page.get_by_role("button", name="Delete list").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete list").click()
    until_shown(page, ["Plan the trip", "Book the ferry", "Pack"])
    unchanged()
    assert space.complaints == []


def test_a_list_is_created_with_its_first_task_and_renamed(space: Space) -> None:
    page = space.open()
    page.get_by_label(f"New list in {space.name}").click()
    page.get_by_label("Name", exact=True).fill("garden/front")
    page.get_by_role("button", name="Create", exact=True).click()
    page.keyboard.type("Mow the lawn")
    page.keyboard.press("Enter")
    until_shown(page, ["Mow the lawn"])
    page.get_by_label("More for this list").click()
    page.get_by_role("button", name="Rename list").click()
    page.get_by_label("Name", exact=True).fill("meadow")
    page.get_by_role("button", name="Rename").click()

    page.get_by_role("heading", name="meadow", exact=True).wait_for()
    until_shown(page, ["Mow the lawn"])
    assert [task["list"] for task in space.tasks()] == ["meadow"]
    assert space.complaints == []


def drag(page: Page, text: str, to: str, *, below: bool = False) -> None:
    """Drags a row by its handle to the upper or the lower edge of another one."""
    row = page.locator(".row", has=page.get_by_text(text, exact=True))
    row.hover()
    row.locator(".handle").hover()
    page.mouse.down()
    box: Any = page.locator(".row", has=page.get_by_text(to, exact=True)).bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + box["height"] / 2, steps=4)
    page.mouse.move(box["x"] + 100, box["y"] + (box["height"] + 2 if below else -2), steps=2)
    page.locator(".drop-line").wait_for()
    page.mouse.up()


def test_tasks_are_dragged_into_an_order_and_below_others(space: Space) -> None:
    space.add("a", "b", "c", "d", {"description": "b1", "parent_id": 2}, {"description": "b2", "parent_id": 2})
    page, other = space.open(), space.open()
    until_shown(page, ["a", "b", "b1", "b2", "c", "d"])

    drag(page, "d", "a")
    until_shown(page, ["d", "a", "b", "b1", "b2", "c"])
    until_shown(other, ["d", "a", "b", "b1", "b2", "c"])
    drag(page, "c", "b")
    until_shown(page, ["d", "a", "c", "b", "b1", "b2"])
    drag(page, "a", "b2")
    until_shown(page, ["d", "c", "b", "b1", "a", "b2"])
    drag(page, "b1", "d")
    until_shown(page, ["b1", "d", "c", "b", "a", "b2"])
    answered(page)
    until_shown(other, ["b1", "d", "c", "b", "a", "b2"])

    parents = {task["description"]: task["parent_id"] for task in space.tasks()}
    assert parents == {"a": 2, "b": None, "c": None, "d": None, "b1": None, "b2": 2}
    page.reload()
    until_shown(page, ["b1", "d", "c", "b", "a", "b2"])
    assert space.complaints == []


def test_search_and_filters_are_in_the_url(space: Space) -> None:
    space.add({"description": "CAFÉ", "labels": ["errands"]})
    space.add({"description": "Call", "notes": "the café", "priority": 8}, {"description": "Old café", "done": True})
    space.add({"description": "Pay", "due_on": "2020-01-01", "list": "money"})
    page = space.open()
    until_shown(page, ["CAFÉ", "Call", "Pay"])

    page.get_by_role("searchbox").fill("cafe\N{COMBINING ACUTE ACCENT}")
    until_shown(page, ["CAFÉ", "Call"])
    page.get_by_text("Filter and sort").click()
    page.get_by_label("Show").select_option("All")
    until_shown(page, ["CAFÉ", "Call", "Old café"])
    page.get_by_label("Order").select_option("Most urgent first")
    until_shown(page, ["Call", "CAFÉ", "Old café"])
    page.get_by_label("Label", exact=True).fill("errands")
    page.get_by_label("Label", exact=True).press("Enter")
    until_shown(page, ["CAFÉ"])

    page.reload()
    until_shown(page, ["CAFÉ"])
    assert page.get_by_role("searchbox").input_value() == "cafe\N{COMBINING ACUTE ACCENT}"
    space.add({"description": "Another cafÉ", "labels": ["errands"]}, {"description": "Café", "list": "x"})
    until_shown(page, ["CAFÉ", "Another cafÉ"])
    page.get_by_role("button", name="Remove errands").click()
    until_shown(page, ["Call", "CAFÉ", "Old café", "Another cafÉ", "Café"])
    page.go_back()
    until_shown(page, ["CAFÉ", "Another cafÉ"])
    page.get_by_role("link", name="Today").click()
    until_shown(page, ["Pay"])
    page.get_by_role("link", name="money").click()
    until_shown(page, ["Pay"])
    assert "list=money" in page.url
    page.get_by_role("searchbox").fill("nothing")
    page.get_by_text("No task matches").wait_for()
    page.get_by_role("button", name="Clear filters").click()
    until_shown(page, ["Pay"])
    assert space.complaints == []
