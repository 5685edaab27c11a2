"""Markers, and fixtures that hold for all tests."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, EntryPoints
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tasksvc.api import Options

PLUGINS = os.environ.get("TASKSVC_TEST_PLUGINS")
"""The plugins that the tests run with, as service_process.py has them."""
POSTGRESQL = Path(__file__).parent / "stores" / "postgresql"
SHORT = {"test_settings.py", "test_smoke.py"}
"""Files of that folder whose tests start no server, or only briefly."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that run on a PostgreSQL server, as their folder, their fixtures or their parameters show."""
    for item in items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if (
            (item.path.parent == POSTGRESQL and item.path.name not in SHORT)
            or (item.path.parent != POSTGRESQL and "server_url" in getattr(item, "fixturenames", ()))
            or "postgresql" in parameters.values()
        ):
            item.add_marker("postgresql")


def pytest_collection_finish() -> None:
    """Freezes what is there, since the garbage collector would otherwise visit thousands of tests again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silences the watchdog: a busy machine delays the event loop now and then, which tests of the log aren't about."""
    monkeypatch.setattr("tasksvc.application.watchdog.Watchdog.start", lambda watchdog: None)


@pytest.fixture
def options(request: pytest.FixtureRequest) -> Options:
    """The options of the service: those that the test's marker `options` names, and the defaults."""
    from tasksvc.api import Options

    marker = request.node.get_closest_marker("options")
    return Options(**marker.kwargs) if marker else Options()


@pytest.fixture(autouse=True, scope="session")
def _only_the_chosen_plugins() -> Iterator[None]:
    """With TASKSVC_TEST_PLUGINS it's as if only those plugins were installed, beside what a test installs."""
    if PLUGINS is None:
        yield
        return
    chosen = PLUGINS.split(",")
    read: Callable[[Distribution], EntryPoints] = vars(Distribution)["entry_points"].fget

    def entry_points(distribution: Distribution) -> EntryPoints:
        found = read(distribution)
        if not str(getattr(distribution, "_path", "")).startswith(sys.prefix):
            return found
        return EntryPoints(each for each in found if each.group != "tasksvc.plugins" or each.name in chosen)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Distribution, "entry_points", property(entry_points))
        yield


class LeftBehind:
    """Clears away what a failed test left open, so that the next test isn't blamed for it.

    A test that fails half-way doesn't close its sockets, and its traceback and its log keep them until the next test
    begins. The warning that they were never closed would fail that one.
    """

    def __init__(self) -> None:
        self._failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed |= report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self._clear()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self._clear()

    def _clear(self) -> None:
        if not self._failed:
            return
        self._failed = False
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            vars(sys).pop(name, None)  # the traceback, which pytest keeps for debuggers
        with warnings.catch_warnings(action="ignore"):
            gc.unfreeze()  # a server in the same process freezes what is there when it starts
            gc.collect()
            gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(LeftBehind())
