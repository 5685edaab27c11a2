"""Services that are killed while they rename or delete a list finish it after their next start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from http_client import Connection, ask
from patience import until
from service_process import RunningService, run_tasksvc, with_timeouts

from tasksvc.application.limits import Timeouts

pytestmark = pytest.mark.slow

STORE = ("--store", "sqlite:///tasks.db")
FIRST_STEP_ONLY = with_timeouts(Timeouts(list_pause=1_000.0))
STOPS_AT_ONCE = with_timeouts(Timeouts(list_pause=1_000.0, drain=0.0))
SLOWLY = with_timeouts(Timeouts(list_pause=1.0))
TASKS, STEP = 5_000, 1_000
"""Tasks of the large list, and those of a step: five steps, so that the third start has several to do."""
BATCH = [{"op": "create", "task": {"description": "of a large list", "list": "garden"}}] * STEP
OTHER = {"description": "of another list", "list": "kitchen"}


def fill(service: RunningService) -> None:
    assert ask(service.url, "POST", "/tasks/", OTHER).status == 201
    for _ in range(TASKS // STEP):
        assert ask(service.url, "POST", "/tasks/batch", BATCH).status == 200


def lists(service: RunningService) -> Mapping[str, int]:
    """Returns the number of tasks of each list."""
    return {each["name"]: each["total"] for each in ask(service.url, "GET", "/lists/").document}


async def begin(service: RunningService, method: str, document: object = None) -> None:
    """Sends a request that concerns the large list, and returns when a part of it is done."""
    async with Connection(service.port) as connection:
        connection.send(method, "/lists/garden", document)
        await until(lambda: lists(service)["garden"] < TASKS)


@pytest.mark.parametrize(
    ("method", "document", "left"),
    [("PATCH", {"name": "allotment"}, {"allotment": TASKS}), ("DELETE", None, {})],
    ids=["renamed", "deleted"],
)
async def test_a_large_list_is_changed_completely_though_the_service_is_killed_twice(
    method: str, document: object, left: Mapping[str, int], tmp_path: Path
) -> None:
    with RunningService(*STORE, folder=tmp_path, before=FIRST_STEP_ONLY) as service:
        fill(service)
        await begin(service, method, document)
        first = lists(service)["garden"]
        service.kill()
        service.start()
        await until(lambda: lists(service)["garden"] < first)
        second = lists(service)["garden"]
        service.kill()

    with RunningService(*STORE, folder=tmp_path) as service:
        await until(lambda: "garden" not in lists(service))
        found = lists(service)
        tasks = {task["list"] for task in ask(service.url, "GET", "/tasks/?priority=0").document}
        await until(lambda: "left half" in service.output)
    checked = run_tasksvc("check", *STORE, folder=tmp_path)

    assert (first, second) == (TASKS - STEP, TASKS - 2 * STEP)
    assert found == {"kitchen": 1, **left}
    assert tasks == {"kitchen", *left}
    assert checked.returncode == 0, checked.stdout


async def test_a_client_that_disconnects_leaves_no_list_half_renamed(tmp_path: Path) -> None:
    with RunningService(*STORE, folder=tmp_path, before=SLOWLY) as service:
        fill(service)
        await begin(service, "PATCH", {"name": "allotment"})

        await until(lambda: "garden" not in lists(service))

        assert lists(service) == {"allotment": TASKS, "kitchen": 1}


async def test_a_stop_does_not_wait_for_a_large_list_and_the_next_start_goes_on(tmp_path: Path) -> None:
    with RunningService(*STORE, folder=tmp_path, before=STOPS_AT_ONCE) as service:
        fill(service)
        await begin(service, "DELETE")
        assert service.stop() == 0

    with RunningService(*STORE, folder=tmp_path) as service:
        await until(lambda: lists(service) == {"kitchen": 1})
