"""The records of a plugin: in a namespace of its own, and only what a store can keep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tasksvc import InMemoryRepository, Record, RecordConflict, StoreClosed, TaskRepository
from tasksvc.application.plugin_records import RECORDS_AT_ONCE, Delete, Put, Records
from tasksvc.store_adapters import open_repository

Open = Callable[[str], Records]


@pytest.fixture(params=["memory", "sqlite"])
async def open_records(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Gives the records of a namespace, in a store of each kind."""
    store: TaskRepository
    if request.param == "memory":
        store = InMemoryRepository()
    else:
        store = await open_repository(f"sqlite:///{tmp_path / 'tasks.db'}")
    yield lambda namespace: Records(lambda: store, namespace)
    await store.close()


async def test_a_record_is_put_read_and_deleted(open_records: Open) -> None:
    records = open_records("plugin:a")

    made = await records.put("x", {"n": 1}, expected=0)
    replaced = await records.put("x", {"n": 2}, expected=made.version)
    read = await records.get("x")
    await records.delete("x", expected=2)

    assert (made, replaced) == (Record("plugin:a", "x", {"n": 1}, 1), Record("plugin:a", "x", {"n": 2}, 2))
    assert read == replaced
    assert await records.get("x") is None


async def test_a_namespace_has_nothing_of_another_one(open_records: Open) -> None:
    mine, other = open_records("plugin:a"), open_records("plugin:a:secrets")
    await other.put("x", {})

    assert await mine.get("x") is None
    assert await mine.list() == []
    assert [record async for record in mine.all()] == []


async def test_several_writes_are_one_commit(open_records: Open) -> None:
    records = open_records("plugin:a")
    await records.put("old", {})

    results = await records.write([Put("new", {"n": 1}, 0), Delete("old", 1)])
    with pytest.raises(RecordConflict) as refused:
        await records.write([Put("third", {}), Delete("new", 7)])

    assert list(results) == [Record("plugin:a", "new", {"n": 1}, 1), None]
    assert refused.value.index == 1
    assert [record.key for record in await records.list()] == ["new"]


async def test_all_records_of_a_prefix_are_read_page_by_page(open_records: Open) -> None:
    records = open_records("plugin:a")
    keys = [f"b:{number:04}" for number in range(2 * RECORDS_AT_ONCE + 1)]
    await records.write([Put(key, {}) for key in [*keys, "a:1", "b", "c:1"]])

    assert [record.key async for record in records.all("b:")] == keys
    assert len([record async for record in records.all()]) == len(keys) + 3
    assert [record.key for record in await records.list(after="b:0199", limit=2)] == ["b:0200", "c:1"]


@pytest.mark.parametrize(
    "write",
    [
        Put("", {}),
        Put("k" * 101, {}),
        Put("k\0", {}),
        Delete("k" * 101),
        Put("k", {"text": "x" * 65_536}),
    ],
)
async def test_what_no_store_keeps_does_not_reach_it(open_records: Open, write: Put | Delete) -> None:
    records = open_records("plugin:a")

    with pytest.raises(ValueError, match="record"):
        await records.write([Put("fine", {}), write])

    assert await records.list() == []


async def test_the_longest_key_and_the_largest_value_are_kept(open_records: Open) -> None:
    records = open_records("n" * 64)
    value = {"text": "x" * (65_536 - len('{"text":""}'))}

    await records.put("k" * 100, value)

    kept = await records.get("k" * 100)
    assert kept is not None
    assert kept.value == value


def test_a_namespace_that_no_store_keeps_is_refused() -> None:
    with pytest.raises(ValueError, match="namespace"):
        Records(InMemoryRepository, "n" * 65)


async def test_the_store_is_asked_for_at_each_call() -> None:
    def closed() -> TaskRepository:
        raise StoreClosed("The service is not running.")

    records = Records(closed, "plugin:a")

    with pytest.raises(StoreClosed):
        await records.get("x")
