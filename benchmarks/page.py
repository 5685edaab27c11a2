"""How fast the page of tasksvc_web is in Chromium: its first paint, frames while a long list scrolls, and its size.

    python benchmarks/page.py

It serves a scratch store on loopback, and needs the dependency group `browser` and a Chromium (CHROMIUM names one).
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from playwright.sync_api import sync_playwright
from tasksvc_web.files import FOLDER, TYPES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROUNDS = 7
BATCH = 1_000
SCROLLED_SECONDS = 4
PAINTED = "() => performance.getEntriesByName('first row')[0]?.startTime"
"""A function and not an expression, which the policy of the page forbids to evaluate."""
MARK = """new MutationObserver((changes, observer) => {
  if (!document.querySelector('.row')) return;
  observer.disconnect();
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => performance.mark('first row');
    channel.port2.postMessage(0);
  });
}).observe(document, { childList: true, subtree: true });"""
"""Marks the end of the frame that has the first row."""
SCROLL = """seconds => new Promise(resolve => {
  const rows = document.getElementById('rows');
  const frames = [];
  const end = performance.now() + seconds * 1000;
  let last = performance.now();
  let step = 137;
  const frame = now => {
    frames.push(now - last);
    last = now;
    rows.scrollTop += step;
    if (rows.scrollTop + rows.clientHeight >= rows.scrollHeight - 1 || rows.scrollTop === 0) step = -step;
    if (now < end) requestAnimationFrame(frame); else resolve(frames.slice(2));
  };
  requestAnimationFrame(frame);
})"""
"""Scrolls by three rows a frame, and returns the milliseconds between frames."""


def main() -> None:
    files = [path for path in FOLDER.rglob("*") if path.suffix in TYPES]
    size = sum(len(gzip.compress(path.read_bytes())) for path in files)
    print(f"size: {size / 1000:.1f} kB compressed, in {len(files)} files")
    with _service() as url, sync_playwright() as driver:
        executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        _fill(url, "thousand", 1_000)
        for what, cached in (("nothing cached", False), ("files cached", True)):
            painted = [_paint(browser, url, "thousand", cached=cached) for _ in range(ROUNDS)]
            print(
                f"first paint with 1,000 tasks, {what}: median {statistics.median(painted):.0f} ms,"
                f" of {min(painted):.0f} to {max(painted):.0f}"
            )
        _fill(url, "many", 10_000)
        for _ in range(3):
            frames, work = _scroll(browser, url, "many")
            print(
                f"10,000 tasks scroll: {len(frames)} frames, longest {max(frames):.1f} ms,"
                f" {sum(frame > 32 for frame in frames)} over 32 ms;"
                f" longest task of the page {max(work):.1f} ms of processor time"
            )
        browser.close()


def _paint(browser: Browser, url: str, workspace: str, *, cached: bool) -> float:
    """Returns the milliseconds from the navigation to the frame that shows the first tasks."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(MARK)
    for _ in range(1 + cached):
        page.goto(f"{url}/?workspace={workspace}")
        page.wait_for_function(PAINTED)
    painted: float = page.evaluate(PAINTED)
    context.close()
    return painted


def _scroll(browser: Browser, url: str, workspace: str) -> tuple[list[float], list[float]]:
    """Returns the milliseconds between frames, and those of processor time that each task of the page took.

    The second ones say more on a machine that has other things to do.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{url}/?workspace={workspace}")
    page.wait_for_selector("#rows[aria-rowcount='10000'][aria-busy='false']")
    browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline", "__metadata"])
    frames: list[float] = page.evaluate(SCROLL, SCROLLED_SECONDS)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    context.close()
    renderers = {event["pid"] for event in events if event["name"] == "FireAnimationFrame"}
    main_threads = {event["tid"] for event in events if event["name"] == "FireAnimationFrame"}
    return frames, [
        event["tdur"] / 1_000
        for event in events
        if "tdur" in event and event["pid"] in renderers and event["tid"] in main_threads
    ]


def _fill(url: str, workspace: str, count: int) -> None:
    for start in range(0, count, BATCH):
        operations = [{"op": "create", "task": _task(number)} for number in range(start, min(start + BATCH, count))]
        _ask(f"{url}/workspaces/{workspace}/tasks/batch", operations)


def _task(number: int) -> dict[str, Any]:
    return {
        "description": f"Task {number}, which has a text of an ordinary length",
        "labels": ["home", "errands"][: number % 3],
        "notes": "A note." if number % 4 == 0 else "",
        "due_on": f"2027-01-{number % 28 + 1:02}" if number % 2 else None,
        "priority": number % 10,
    }


def _ask(url: str, body: Any) -> None:
    with urlopen(Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})) as answer:  # noqa: S310
        answer.read()


@contextmanager
def _service() -> Iterator[str]:
    """Runs a service with the page alone, and gives its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--store", "sqlite:///tasks.db", "--port", str(port), "--plugins", "web"]
    folder = tempfile.TemporaryDirectory()
    process = subprocess.Popen(
        [sys.executable, "-m", "tasksvc", *arguments],
        cwd=folder.name,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}/health/ready").close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        folder.cleanup()


if __name__ == "__main__":
    main()
