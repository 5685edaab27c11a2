"""A list that one service renames or deletes is finished by another one on the same store when the first is killed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from http_client import Connection, ask
from patience import until
from service_process import RunningService, with_timeouts

from tasksvc.application.limits import Timeouts

TASKS, STEP = 3_000, 1_000
BATCH = [{"op": "create", "task": {"description": "of a large list", "list": "garden"}}] * STEP
FIRST_STEP_ONLY = with_timeouts(Timeouts(list_pause=1_000.0))
LOOKS_OFTEN = with_timeouts(Timeouts(list_jobs=0.1))


def lists(service: RunningService) -> Mapping[str, int]:
    """Returns the number of tasks of each list."""
    return {each["name"]: each["total"] for each in ask(service.url, "GET", "/lists/").document}


@pytest.mark.parametrize(
    ("method", "document", "left"),
    [("PATCH", {"name": "allotment"}, {"allotment": TASKS}), ("DELETE", None, {})],
    ids=["renamed", "deleted"],
)
async def test_the_service_that_is_left_finishes_the_list(
    method: str, document: object, left: Mapping[str, int], store_url: str, tmp_path: Path
) -> None:
    arguments = ("--store", store_url)
    with RunningService(*arguments, folder=tmp_path, before=LOOKS_OFTEN) as other:
        with RunningService(*arguments, folder=tmp_path, before=FIRST_STEP_ONLY) as service:
            for _ in range(TASKS // STEP):
                assert ask(service.url, "POST", "/tasks/batch", BATCH).status == 200
            async with Connection(service.port) as connection:
                connection.send(method, "/lists/garden", document)
                await until(lambda: lists(other).get("garden", 0) < TASKS)
            service.kill()

        await until(lambda: "garden" not in lists(other))
        await until(lambda: "had left half" in other.output)

        assert lists(other) == left


async def test_two_services_rename_the_same_list_to_and_fro_and_lose_no_task(store_url: str, tmp_path: Path) -> None:
    arguments = ("--store", store_url)
    with (
        RunningService(*arguments, folder=tmp_path, before=LOOKS_OFTEN) as first,
        RunningService(*arguments, folder=tmp_path, before=LOOKS_OFTEN) as second,
    ):
        for _ in range(TASKS // STEP):
            assert ask(first.url, "POST", "/tasks/batch", BATCH).status == 200
        async with Connection(first.port) as there, Connection(second.port) as back:
            there.send("PATCH", "/lists/garden", {"name": "allotment"})
            back.send("PATCH", "/lists/allotment", {"name": "garden"})
            answers = [await there.answer(), await back.answer()]

        assert {answer.status for answer in answers} <= {200, 404}
        assert sum(lists(second).values()) == TASKS
