"""How the page looks, is read by machines, and holds against its content."""

from __future__ import annotations

import gzip
from typing import Any
from urllib.request import Request, urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from tasksvc_web.files import FOLDER, TYPES

from browser.web.conftest import Space
from browser.web.test_tasks import until_shown

pytestmark = pytest.mark.browser

MARKUP = '<img src=x onerror="window.broken=1"><script>window.broken=1</script> & </bdi> ${1} {{2}} javascript:alert(1)'
TASKS: list[dict[str, Any]] = [
    {"description": "Send the lease", "due_on": "2020-01-01", "priority": 8, "labels": ["home", "a", "b", "c"]},
    {"description": "اتصل بالسباك", "notes": "اليوم", "repeat": None},
    {"description": "x" * 10_000, "priority": 2},
    {"description": "Pack", "parent_id": 1, "done": True},
    {"description": "Ferry", "parent_id": 1, "priority": 5},
]


def accessible(page: Page) -> None:
    """Asserts that axe finds nothing wrong with what is shown."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize(
    ("width", "scheme", "locale"),
    [(1440, "light", "en-GB"), (1440, "dark", "ar"), (800, "dark", "en-GB"), (360, "light", "he")],
)
def test_axe_finds_nothing_and_no_width_needs_to_be_scrolled(
    space: Space, width: int, scheme: str, locale: str
) -> None:
    space.add(*TASKS)
    looks: dict[str, Any] = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme, "locale": locale}
    page = space.open("&show=all", reduced_motion="reduce", **looks)
    page.locator(".row").first.wait_for()
    accessible(page)
    assert page.evaluate("document.documentElement.dir") == ("ltr" if locale == "en-GB" else "rtl")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.get_by_text("Send the lease").click()
    page.get_by_text("1 of 2").wait_for()
    accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.get_by_role("button", name="Delete task").click()
    page.get_by_role("dialog").wait_for()
    accessible(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    accessible(page)
    page.keyboard.press("Escape")
    page.get_by_role("searchbox").fill("nothing")
    page.get_by_text("No task matches").wait_for()
    accessible(page)
    moving = "document.getAnimations().length"
    assert page.evaluate(moving) == 0, "reduced motion"
    assert space.complaints == []


def test_text_that_tries_to_be_markup_stays_text(space: Space) -> None:
    names = {"description": MARKUP, "notes": MARKUP, "labels": [MARKUP[:90]], "list": MARKUP[:90]}
    space.add(names, {**names, "parent_id": 1})
    page = space.open(f"&task={space.name}/1")
    page.locator(".parts li").wait_for()
    until_shown(page, [MARKUP, MARKUP])
    page.get_by_role("button", name="Delete task").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete with 1 subtask").click()
    page.get_by_text("Deleted “").wait_for()

    assert page.evaluate("window.broken") is None
    assert page.evaluate("document.querySelectorAll('img, main script, aside script').length") == 0
    assert space.complaints == []


def test_a_long_list_has_few_rows_in_the_document_and_reaches_its_end(space: Space) -> None:
    for start in range(0, 10_000, 1_000):
        space.add(*[f"Task {number}" for number in range(start + 1, start + 1_001)])
    page = space.open()
    rows = page.locator(".row")
    expect(page.get_by_role("treegrid", name="Tasks")).to_have_attribute("aria-rowcount", "10000")
    assert rows.count() < 60

    page.keyboard.press("End")
    page.get_by_text("Task 10000", exact=True).wait_for()
    page.get_by_role("treegrid").press("End")

    expect(page.get_by_text("Task 10000", exact=True)).to_be_in_viewport()
    assert rows.count() < 60
    page.keyboard.press("Alt+ArrowUp")
    expect(rows.locator(".text").last).to_have_text("Task 9999")
    assert space.complaints == []


def test_the_page_is_small_and_its_policy_strict(space: Space) -> None:
    compressed = sum(
        len(gzip.compress(path.read_bytes())) for path in FOLDER.rglob("*") if path.suffix in TYPES and path.is_file()
    )
    assert compressed < 150_000 / 2
    with urlopen(Request(space.service.url, headers={"Accept-Encoding": "gzip"})) as answer:
        policy, encoding = answer.headers["Content-Security-Policy"], answer.headers["Content-Encoding"]
        page = gzip.decompress(answer.read()).decode()
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert encoding == "gzip"
    assert "style=" not in page
    assert " on" not in page.split("<svg", 1)[0].replace(" one", "")
