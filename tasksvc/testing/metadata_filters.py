"""Tests of filters on values in metadata."""

from __future__ import annotations

from typing import Any

from tasksvc import Capability, DeleteTask, TaskDraft, TaskQuery, UpdateTask
from tasksvc.domain.query import METADATA_LEVELS, METADATA_TERMS_MAX, Scalar
from tasksvc.testing.samples import METADATA_FILTERS, varied
from tasksvc.testing.store import Store, StoreUnderTest, on_store

VALUES: tuple[Scalar, ...] = (
    0, 1, -1, 1.0, 1.5, 1e22, 2**53 - 1, 5e-324, True, False, None, "", "1", "true", "null", "a", "A", "ä", "a\u0308",
    'a"', "a\n", "\\", "x=1", "%", "😀",
)  # fmt: skip
"""Values that are all different as JSON."""


async def found(store: Store, *metadata: tuple[str, Scalar], **filters: Any) -> list[int]:
    """Returns the tasks with values in their metadata, by find() and by count()."""
    query = TaskQuery(metadata=metadata, **filters)
    ids = [task.id for task in await store.listed(query, page_size=2)]
    assert await store.repository.count(query) == len(ids), f"{query}: count() counts what find() lists"
    return ids


class MetadataFiltersContract(StoreUnderTest):
    """Tests of what a filter on metadata finds."""

    @on_store()
    async def test_values_of_different_types_are_told_apart(self, store: Store) -> None:
        tasks = await store.add_all([TaskDraft("x", metadata={"room": value}) for value in VALUES])

        for task, value in zip(tasks, VALUES, strict=True):
            assert await found(store, ("room", value)) == [task.id], f"{value!r} finds the task that has it, alone"

    @on_store()
    async def test_arrays_and_objects_are_not_found(self, store: Store) -> None:
        values: list[Any] = [[1], [], {}, {"room": 1}, [{"room": 1}]]
        await store.add_all([TaskDraft("x", metadata={"room": value}) for value in values])

        assert [await found(store, ("room", value)) for value in (1, None, "", "[1]", "{}")] == [[]] * 5
        assert await found(store, ("room.room", 1)) == [4], "an object is found by what is in it"

    @on_store()
    async def test_a_path_has_at_most_three_levels(self, store: Store) -> None:
        deep: Any = 1
        for _ in range(METADATA_LEVELS + 1):
            deep = {"a": deep, "n": 0}
        await store.add(metadata=deep)

        paths = [".".join(["a"] * levels) for levels in range(METADATA_LEVELS)]
        assert [await found(store, (f"{path}.n".removeprefix("."), 0)) for path in paths] == [[1]] * METADATA_LEVELS
        for path in (".".join(["a"] * METADATA_LEVELS + ["n"]), ".".join(["a"] * (METADATA_LEVELS + 1))):
            assert await found(store, (path, 0)) == await found(store, (path, 1)) == [], f"{path} lies too deep"

    @on_store()
    async def test_names_that_a_path_cannot_tell_apart_are_not_found(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", metadata=each) for each in ({"a.b": 1}, {"a": {"b": 1}}, {"": 1})])

        assert await found(store, ("a.b", 1)) == [2], "a name with a dot is no path"
        assert await found(store, ("", 1)) == [], "nor is an empty name"

    @on_store()
    async def test_all_values_of_a_filter_must_be_there(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", metadata={"a": a, "b": b}, priority=a) for a in (1, 2) for b in (1, 2)])

        assert await found(store, ("a", 1), ("b", 2)) == [2]
        assert await found(store, ("a", 1), ("a", 2)) == []
        assert await found(store, ("b", 2), priority=2) == [4], "together with other filters too"
        assert await found(store, ("b", 2), descending=True) == [4, 2]

    @on_store()
    async def test_a_filter_follows_the_metadata_of_a_patched_task(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", metadata={"a": 1, "b": {"c": 1, "d": 1}})] * 2)

        await store.commit(UpdateTask(1, {"metadata": {"a": None, "b": {"c": 1.0}, "e": True}}), DeleteTask(2))

        gone: list[tuple[str, Scalar]] = [("a", 1), ("a", None), ("b.c", 1)]
        kept: list[tuple[str, Scalar]] = [("b.c", 1.0), ("b.d", 1), ("e", True)]
        assert [await found(store, each) for each in gone] == [[]] * len(gone)
        assert [await found(store, each) for each in kept] == [[1]] * len(kept)

    @on_store()
    async def test_of_many_values_a_hundred_are_found(self, store: Store) -> None:
        names = [f"{n:03}" for n in range(METADATA_TERMS_MAX + 20)]
        await store.add(metadata=dict.fromkeys(reversed(names), 1))

        has = [await found(store, (name, 1)) == [1] for name in names]

        assert has == [True] * METADATA_TERMS_MAX + [False] * 20, "those whose paths come first by code point"

    @on_store()
    async def test_long_values_are_found_whole(self, store: Store) -> None:
        long = "ü" * 4_000
        texts = (long, long + "x", long[:-1] + "u", "ü" * 490, "ü" * 491)
        await store.add_all([TaskDraft("x", metadata={"a": text}) for text in texts])
        await store.add(metadata={"n" * 4_000: 1})
        await store.add(metadata={"n" * 4_001: 1})

        assert [await found(store, ("a", text)) for text in texts] == [[1], [2], [3], [4], [5]]
        assert [await found(store, ("n" * size, 1)) for size in (4_000, 4_001, 3_999)] == [[6], [7], []]

    @on_store()
    async def test_values_and_labels_of_the_same_text_are_told_apart(self, store: Store) -> None:
        await store.add_all([TaskDraft("a", labels=("x",)), TaskDraft("b", metadata={"label": "x"}), TaskDraft("c")])

        assert await found(store, ("label", "x")) == [2]
        assert await found(store, labels=("x",)) == [1]

    @on_store()
    async def test_any_filter_finds_what_its_conditions_say(self, store: Store) -> None:
        tasks = await store.add_all(varied(60))

        for each in METADATA_FILTERS:
            query = TaskQuery(metadata=(each,))
            assert await found(store, each) == [task.id for task in tasks if query.matches(task)], f"{query}"

    @on_store(Capability.DUMP, alone=True)
    async def test_a_restored_store_finds_what_the_dumped_one_does(self, store: Store) -> None:
        await store.add_all(varied(24))
        other = await store.another()
        await other.repository.restore(store.repository.dump())

        for each in METADATA_FILTERS:
            assert await found(other, each) == await found(store, each), f"{each}"
