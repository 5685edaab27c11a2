"""What the contract kit doesn't test: the file."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tasksvc_jsonl import FORMAT, JSONLRepository, tasksvc_open_store

from tasksvc import (
    LOG_START,
    CreateTask,
    InMemoryRepository,
    InvalidStoreURL,
    OutcomeUnknown,
    Position,
    SchemaTooOld,
    StoreRefused,
    StoreUnavailable,
    StoreURL,
    TaskDraft,
    TaskQuery,
)
from tasksvc.testing import failing_files

TASK = (
    b'{"id":1,"description":"old","notes":"","done":false,"completed_at":null,"due_at":null,"due_on":null,"priority":0,"labels":[],'
    b'"metadata":{},"repeat":null,"series_id":null,"next_id":null,"created_at":"2026-11-24T15:00:00Z","updated_at":"2026-11-24T15:00:00Z","version":1}'
)
NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.jsonl"


def with_store(path: Path, use: Callable[[JSONLRepository], Awaitable[None]]) -> None:
    """Opens the store, uses it and closes it."""

    async def whole() -> None:
        store = JSONLRepository(path)
        try:
            await use(store)
        finally:
            await store.close()

    asyncio.run(whole())


async def add(store: JSONLRepository, *descriptions: str) -> None:
    await store.commit([CreateTask(TaskDraft(description)) for description in descriptions], at=NOW)


def adding(*descriptions: str) -> Callable[[JSONLRepository], Awaitable[None]]:
    return lambda store: add(store, *descriptions)


def content(path: Path) -> bytes:
    return path.read_bytes()


def listed(path: Path) -> list[str]:
    """Returns the descriptions in the file, as an opened store lists them."""
    found: list[str] = []

    async def read(store: JSONLRepository) -> None:
        found.extend(task.description for task in (await store.find(TaskQuery(), limit=1_000)).tasks)

    with_store(path, read)
    return found


def test_each_commit_is_one_line(path: Path) -> None:
    with_store(path, adding("one\ntwo", "three"))
    with_store(path, adding("four"))

    lines = path.read_bytes().splitlines()
    assert lines[0] + b"\n" == FORMAT
    assert len(lines) == 4, "the format, the header, and two commits"


def test_a_torn_last_line_is_cut_off(path: Path) -> None:
    with_store(path, adding("kept"))
    whole = path.read_bytes()
    with_store(path, adding("torn"))
    torn = path.read_bytes()

    for size in range(len(whole), len(torn)):
        path.write_bytes(torn[:size])
        assert listed(path) == ["kept"]
        assert path.read_bytes() == whole


def test_a_file_that_was_torn_when_it_was_new_begins_again(path: Path) -> None:
    with_store(path, adding())
    new = path.read_bytes()

    for size in range(len(new)):
        path.write_bytes(new[:size])
        assert listed(path) == []
        assert len(path.read_bytes()) == len(new)


def test_a_line_that_is_damaged_is_named(path: Path) -> None:
    with_store(path, adding("one"))
    path.write_bytes(path.read_bytes().replace(b'"change"', b'"chance"') + b"[]\n")

    with pytest.raises(StoreRefused, match=r"tasks\.jsonl is damaged in line 3\."):
        JSONLRepository(path)


@pytest.mark.parametrize(
    ("foreign", "reason"),
    [
        *((foreign, "is no file of tasksvc_jsonl") for foreign in (b"milk, bread", b"milk\n", b"{}\n", b"\0" * 100)),
        (b'{"format":"tasksvc_jsonl 999"}\n', "was written by a newer tasksvc_jsonl"),
    ],
)
def test_a_foreign_file_is_refused_and_left_unchanged(path: Path, foreign: bytes, reason: str) -> None:
    path.write_bytes(foreign)

    with pytest.raises(StoreRefused, match=rf"tasks\.jsonl {reason}"):
        JSONLRepository(path)

    assert path.read_bytes() == foreign


def test_a_file_of_before_workspaces_goes_on_as_their_default(path: Path) -> None:
    change = b'{"change":{"seq":1,"kind":"created","at":"2026-11-24T15:00:00Z","task_id":1,"task":%b}}'
    path.write_bytes(
        FORMAT
        + b'{"format":3,"entries":[{"header":{"generation":"abc","last_id":0,"last_seq":0,"pruned_seq":0}}]}\n'
        + b'{"format":3,"entries":[%b]}\n' % (change % TASK)
        + b'{"format":3,"entries":[{"header":{"generation":"renewed","last_id":1,"last_seq":1,"pruned_seq":0}}]}\n'
    )
    found = []

    async def read(store: JSONLRepository) -> None:
        found.append((await store.find(TaskQuery(), limit=9)).position)
        found.append((await store.workspace("a").find(TaskQuery(), limit=9)).position)

    async def write(store: JSONLRepository) -> None:
        await read(store)
        await add(store, "new")
        await store.workspace("a").commit([CreateTask(TaskDraft("other"))], at=NOW)

    with_store(path, write)
    with_store(path, read)

    assert found[:3] == [Position("renewed", 1), LOG_START, Position("renewed", 2)]
    assert found[3].seq == 1, "the new line is of the other workspace"
    assert listed(path) == ["old", "new"]


def test_a_file_of_before_the_first_release_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b'{"format":"tasksvc_jsonl 1"}\n')

    with pytest.raises(SchemaTooOld, match=r"tasks\.jsonl was made before the first release of tasksvc"):
        JSONLRepository(path)

    assert path.read_bytes() == b'{"format":"tasksvc_jsonl 1"}\n'


def test_a_file_is_served_once(path: Path) -> None:
    async def open_again(store: JSONLRepository) -> None:
        await add(store, "one")
        before = content(path)
        with pytest.raises(StoreRefused, match=r"tasks\.jsonl is in use"):
            JSONLRepository(path)
        assert content(path) == before

    with_store(path, open_again)
    assert listed(path) == ["one"]


@pytest.mark.parametrize("where", ["", "nowhere/tasks.jsonl"])
def test_a_path_that_cannot_be_opened_is_refused(tmp_path: Path, where: str) -> None:
    with pytest.raises(StoreRefused, match="cannot be opened"):
        JSONLRepository(tmp_path / where)


def test_a_full_disk_when_the_file_is_new_is_said(path: Path) -> None:
    with failing_files(), pytest.raises(StoreRefused, match=r"tasks\.jsonl cannot be written"):
        JSONLRepository(path)


def test_after_a_full_disk_writing_goes_on(path: Path) -> None:
    async def fill(store: JSONLRepository) -> None:
        await add(store, "before")
        with failing_files(), pytest.raises(StoreUnavailable, match=r"Nothing was changed\."):
            await add(store, "lost")
        await add(store, "after")

    with_store(path, fill)
    assert listed(path) == ["before", "after"]


def test_a_write_that_got_half_way_is_undone(path: Path) -> None:
    async def fill(store: JSONLRepository) -> None:
        await add(store, "before")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(content(path)) + 10, hard))
        try:
            with pytest.raises(StoreUnavailable, match=r"Nothing was changed\."):
                await add(store, "lost")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert content(path).endswith(b"}\n"), "no half line stays"
        await add(store, "after")

    with_store(path, fill)
    assert listed(path) == ["before", "after"]


def test_after_a_failure_that_cannot_be_undone_nothing_more_is_written(path: Path) -> None:
    async def fail(store: JSONLRepository) -> None:
        await add(store, "before")
        descriptor = store._file.fileno()
        kept, elsewhere = os.dup(descriptor), os.open("/dev/full", os.O_WRONLY)
        os.dup2(elsewhere, descriptor)  # which takes no write, and cannot be cut
        with pytest.raises(OutcomeUnknown):
            await add(store, "lost")
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(elsewhere)
        with pytest.raises(StoreUnavailable, match="Restart the service"):
            await add(store, "refused")
        assert [task.description for task in (await store.find(TaskQuery(), limit=9)).tasks] == ["before"]

    with_store(path, fail)
    assert listed(path) == ["before"]


def test_a_scratch_store_leaves_files_alone(path: Path) -> None:
    async def scratch() -> None:
        store = await tasksvc_open_store(StoreURL(f"jsonl:///{path}"), scratch=True)
        assert isinstance(store, InMemoryRepository)
        await store.commit([CreateTask(TaskDraft("gone"))], at=NOW)
        await store.close()

    asyncio.run(scratch())
    assert not path.exists()
    with_store(path, adding("kept"))
    with pytest.raises(StoreRefused, match="cannot be a scratch store"):
        asyncio.run(scratch())
    assert listed(path) == ["kept"]


@pytest.mark.parametrize("url", ["jsonl:", "jsonl:///", "jsonl://host/tasks.jsonl", "jsonl:///tasks.jsonl?mode=ro"])
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(InvalidStoreURL, match="A jsonl: store is named like"):
        asyncio.run(tasksvc_open_store(StoreURL(url), scratch=False))
