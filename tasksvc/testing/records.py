"""Records: small named values beside the tasks, written by compare-and-set."""

from __future__ import annotations

import json
from typing import Any

from tasksvc import (
    Capability,
    CreateTask,
    DeleteRecord,
    MixedCommit,
    PutRecord,
    Record,
    RecordConflict,
    TaskDraft,
    Write,
)
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised


class RecordsContract(StoreUnderTest):
    """Tests of PutRecord, DeleteRecord, record() and records()."""

    @on_store(Capability.RECORDS)
    async def test_a_record_is_created_and_replaced(self, store: Store) -> None:
        assert await store.repository.record("tokens", "a") is None, "a record that was never made is None"

        first = (await store.commit(PutRecord("tokens", "a", {"n": 1}))).results
        second = (await store.commit(PutRecord("tokens", "a", {"m": 2}))).results

        assert list(first) == [Record("tokens", "a", {"n": 1}, 1)], "the result of PutRecord is the record"
        assert list(second) == [Record("tokens", "a", {"m": 2}, 2)], "a record is replaced as a whole"
        assert await store.repository.record("tokens", "a") == second[0], "record() answers what PutRecord answered"

    @on_store(Capability.RECORDS)
    async def test_a_write_with_the_expected_version_of_a_record_succeeds(self, store: Store) -> None:
        await store.commit(PutRecord("s", "a", {}, expected=0))
        await store.commit(PutRecord("s", "a", {}, expected=1))
        await store.commit(PutRecord("s", "a", {}, expected=None))
        kept = await store.repository.record("s", "a")
        assert kept == Record("s", "a", {}, 3), "0 expects no record, n expects version n, None expects nothing"

        await store.commit(
            DeleteRecord("s", "a", expected=3), DeleteRecord("s", "a", expected=0), DeleteRecord("s", "b")
        )
        assert await store.repository.record("s", "a") is None, "a dropped record is gone"

    @on_store(Capability.RECORDS)
    async def test_an_unexpected_version_of_a_record_refuses_the_write(self, store: Store) -> None:
        kept = (await store.commit(PutRecord("s", "a", {"n": 1}))).results[0]
        cases: list[tuple[Write, object]] = [
            (PutRecord("s", "a", {}, expected=0), kept),
            (PutRecord("s", "a", {}, expected=2), kept),
            (DeleteRecord("s", "a", expected=0), kept),
            (DeleteRecord("s", "a", expected=7), kept),
            (PutRecord("s", "b", {}, expected=1), None),
            (DeleteRecord("s", "b", expected=1), None),
        ]

        for write, current in cases:
            error = await raised(RecordConflict, store.commit(write), f"{write}, where the record is {current}")
            assert error.current == current, "the error carries the record as it is"
            error = await raised(RecordConflict, store.commit(PutRecord("s", "c", {}), write), f"{write} in a batch")
            assert error.index == 1, "the error names the write"

        assert list(await store.repository.records("s", limit=10)) == [kept], "a refused write changes no record"

    @on_store(Capability.RECORDS)
    async def test_a_deleted_record_starts_again_at_version_1(self, store: Store) -> None:
        await store.commit(PutRecord("s", "a", {}), PutRecord("s", "a", {}))
        committed = await store.commit(DeleteRecord("s", "a"))
        again = await store.commit(PutRecord("s", "a", {}, expected=0))

        assert list(committed.results) == [None], "the result of DeleteRecord is None"
        assert list(again.results) == [Record("s", "a", {}, 1)], "a record that is not there has version 0"

    @on_store(Capability.RECORDS)
    async def test_each_write_sees_the_records_of_those_before_it(self, store: Store) -> None:
        committed = await store.commit(
            PutRecord("s", "a", {"n": 1}, expected=0),
            PutRecord("s", "a", {"n": 2}, expected=1),
            DeleteRecord("s", "a", expected=2),
            PutRecord("s", "a", {"n": 3}, expected=0),
        )

        assert committed.results[3] == Record("s", "a", {"n": 3}, 1), "each write sees what those before it did"
        assert await store.repository.record("s", "a") == committed.results[3], "and the last one counts"

    @on_store(Capability.RECORDS)
    async def test_records_are_written_together_or_not_at_all(self, store: Store) -> None:
        await store.commit(PutRecord("s", "kept", {}))

        await raised(
            RecordConflict,
            store.commit(PutRecord("s", "new", {}), DeleteRecord("s", "kept"), PutRecord("s", "other", {}, expected=9)),
            "a record that is not at the expected version",
        )

        assert list(await store.repository.records("s", limit=10)) == [Record("s", "kept", {}, 1)], (
            "nothing of a refused commit is left among the records"
        )

    @on_store(Capability.RECORDS)
    async def test_a_commit_of_tasks_and_records_is_refused(self, store: Store) -> None:
        task, record = CreateTask(TaskDraft("x")), PutRecord("s", "a", {})

        for writes in ((task, record), (record, task), (task, task, record)):
            error = await raised(MixedCommit, store.commit(*writes), "a commit writes tasks or records, never both")
            assert error.index == len(writes) - 1, "the error names the first write of the other sort"

        assert await store.listed() == [], "nothing of it is done"
        assert await store.repository.record("s", "a") is None, "nothing of it is done"

    @on_store(Capability.RECORDS)
    async def test_records_are_not_in_the_change_log(self, store: Store) -> None:
        before = await store.head()

        committed = await store.commit(PutRecord("s", "a", {}), DeleteRecord("s", "a"))

        assert committed.position == before == await store.head(), "the log is of tasks alone"
        assert await store.log() == [], "the log is of tasks alone"

    @on_store(Capability.RECORDS)
    async def test_records_are_listed_by_name_in_code_point_order(self, store: Store) -> None:
        names = ["a", "B", "aa", "a b", "Z", "z", "é", "e\u0301", "10", "9", "～", "\uffff", "😀", "ß", "%", "_", "'"]
        await store.commit(*(PutRecord("s", name, {}) for name in names))

        listed = [record.key for record in await store.repository.records("s", limit=100)]

        assert listed == sorted(names), "records are in the order of the code points of their names"

    @on_store(Capability.RECORDS)
    async def test_records_are_listed_page_by_page(self, store: Store) -> None:
        names = [f"{n:02}" for n in range(10)]
        await store.commit(*(PutRecord("s", name, {"name": name}) for name in names))

        for limit in (1, 3, 10, 11):
            walked: list[Record] = []
            while page := await store.repository.records("s", after=walked[-1].key if walked else "", limit=limit):
                assert len(page) <= limit, "a page has at most `limit` records"
                walked += page
                assert len(walked) <= len(names), "a page begins after `after`"
            assert walked == [Record("s", name, {"name": name}, 1) for name in names], f"pages of {limit} join up"

        page = await store.repository.records("s", after="04x", limit=2)
        assert [record.key for record in page] == ["05", "06"], "`after` need not be the name of a record"

    @on_store(Capability.RECORDS)
    async def test_spaces_never_meet(self, store: Store) -> None:
        await store.commit(PutRecord("s", "a", {"in": "s"}), PutRecord("S", "a", {"in": "S"}), PutRecord("sa", "a", {}))
        await store.commit(DeleteRecord("S", "a", expected=1))

        assert await store.repository.record("S", "a") is None, "a record is dropped from its own namespace"
        assert list(await store.repository.records("s", limit=9)) == [Record("s", "a", {"in": "s"}, 1)], (
            "a record of another namespace is another record"
        )
        assert list(await store.repository.records("nowhere", limit=9)) == [], "an unknown namespace is empty"

    @on_store(Capability.RECORDS)
    async def test_a_record_comes_back_as_it_went_in(self, store: Store) -> None:
        value: dict[str, Any] = {
            "z": None,
            "a": [1, 1.0, True, -0.0, 2**53 - 1, "0", {}],
            "": {"deep": {"null": None}},
            "text": "😀 \" \\ \n ' \u2028",
            "long": "x" * 20_000,
        }
        await store.commit(PutRecord("späce", "nämé 😀", value))

        kept = await store.repository.record("späce", "nämé 😀")

        assert kept is not None, "the record is there"
        assert json.dumps(kept.value) == json.dumps(value), "a record's value comes back as it went in, order and all"

    @on_store(Capability.RECORDS, Capability.DURABLE)
    async def test_records_are_kept_over_a_reopening(self, store: Store) -> None:
        await store.commit(*(PutRecord("s", name, {"name": name}) for name in ("a", "b", "c")))
        await store.commit(PutRecord("s", "a", {"again": True}), DeleteRecord("s", "b"))

        await store.reopen()

        assert list(await store.repository.records("s", limit=9)) == [
            Record("s", "a", {"again": True}, 2),
            Record("s", "c", {"name": "c"}, 1),
        ], "records are there after a reopening, with their versions"
