"""Parents, uids, callers, and what was deleted, are in exports and copies as they are in stores."""

from __future__ import annotations

import io
import itertools
import json

import pytest

from maintenance.conftest import KINDS, NewURL, Open
from maintenance.contents import contents
from tasksvc import (
    LOG_START,
    CreateTask,
    DeleteTask,
    InvalidTask,
    RestoreTask,
    Task,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UidTaken,
    UpdateTask,
)
from tasksvc.application.transfer import check, copy, export_to, import_from, verify
from tasksvc.testing.samples import NOW, later

ANN, BOB = "ann", "bøb"


async def fill(repository: TaskRepository) -> None:
    """Writes tasks below one another, one of which was deleted and came back, and one is deleted."""
    for workspace in (repository, repository.workspace("u_42")):
        drafts = [
            TaskDraft("root", uid="root@example.org", metadata={"room": {"number": 4}}),
            TaskDraft("child", parent_id=1, uid="ü 😀"),
            TaskDraft("grandchild", parent_id=2, created_at=later(-9), done=True, completed_at=later(-3)),
            TaskDraft("deleted", uid="deleted@example.org"),
        ]
        await workspace.commit([CreateTask(draft) for draft in drafts], at=NOW, by=ANN)
        await workspace.commit([UpdateTask(1, {"notes": "of bob"}), DeleteTask(2)], at=later(1), by=BOB)
        await workspace.commit([RestoreTask(2, 1)], at=later(2))
        await workspace.commit([UpdateTask(3, {"parent_id": 2}), DeleteTask(4)], at=later(3), by=ANN)


async def assert_goes_on(repository: TaskRepository) -> None:
    """Checks that what a store was filled with counts in later writes, as it did in the first store."""
    for workspace in (repository, repository.workspace("u_42")):
        assert [task.id for task in (await workspace.find(TaskQuery(parent_id=1), limit=9)).tasks] == [2]
        assert [task.id for task in (await workspace.find(TaskQuery(uid="ü 😀"), limit=9)).tasks] == [2]
        with pytest.raises(UidTaken):
            await workspace.commit([CreateTask(TaskDraft("x", uid="root@example.org"))], at=later(4))
        with pytest.raises(InvalidTask, match="below itself"):
            await workspace.commit([UpdateTask(1, {"parent_id": 3})], at=later(4))
        log = (await workspace.read_changes(LOG_START, limit=99)).changes
        assert [change.by for change in log] == [ANN] * 4 + [BOB] * 3 + [None] + [ANN] * 2
        of_one = await workspace.task_changes(2, LOG_START, limit=9)
        assert [change.kind.value for change in of_one.changes] == ["created", "deleted", "created"]
        (restored, first) = (
            await workspace.commit([RestoreTask(4, 1), RestoreTask(1, 1)], at=later(5), by=BOB)
        ).results
        assert isinstance(restored, Task)
        assert isinstance(first, Task)
        assert (restored.uid, restored.version) == ("deleted@example.org", 2)
        assert (first.notes, first.version) == ("", 3)
    assert [problem async for problem in check(repository)] == []


@pytest.mark.parametrize(("source_kind", "target_kind"), list(itertools.product(KINDS, KINDS)))
async def test_a_copy_has_them_and_goes_on_with_them(
    source_kind: str, target_kind: str, new_url: NewURL, open_store: Open
) -> None:
    source, target = await open_store(new_url(source_kind)), await open_store(new_url(target_kind))
    await fill(source)

    await copy(source, target)

    assert await contents(target) == await contents(source)
    await assert_goes_on(target)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_export_has_them_and_an_import_brings_them_back(kind: str, new_url: NewURL, open_store: Open) -> None:
    source, target = await open_store(new_url(kind)), await open_store(new_url(kind))
    await fill(source)
    file = io.BytesIO()

    await export_to(file, source)
    file.seek(0)
    await verify(file)
    await import_from(file, target)

    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    tasks = [line["task"] for line in lines if "task" in line]
    changes = [line["change"] for line in lines if "change" in line]
    assert [(task["parent_id"], task["uid"]) for task in tasks[:3]] == [
        (None, "root@example.org"),
        (1, "ü 😀"),
        (2, None),
    ]
    assert [change["by"] for change in changes[:8]] == [ANN] * 4 + [BOB] * 3 + [None]
    assert await contents(target) == await contents(source)
    await assert_goes_on(target)
