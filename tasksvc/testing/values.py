"""Values that are written can be read back unchanged, to the last character."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tasksvc import Capability, TaskDraft, codec
from tasksvc.domain.task import GIVEN_ONCE
from tasksvc.testing.samples import (
    FIRST_MOMENT,
    LAST_MOMENT,
    NEEDED,
    NOW,
    OTHER_VALUES,
    descriptions,
    drawn,
    exact,
    json_objects,
    label_sets,
    later,
    moments,
)
from tasksvc.testing.store import Store, StoreUnderTest, on_store

TEXTS = st.tuples(descriptions, label_sets)


async def _keeps(store: Store, draft: TaskDraft, rule: str, *, at: datetime = NOW) -> None:
    """Checks that a task of `draft`, and a patch to it, can be read back unchanged in every way."""
    task = await store.add_draft(draft, at=at)
    given = {name: value for name, value in draft._asdict().items() if name not in GIVEN_ONCE}
    for name, value in given.items():
        kept = getattr(task, name)
        same = json.dumps(dict(kept)) == json.dumps(value) if name == "metadata" else kept == value
        assert same, f"{rule}: {name} comes back as it went in"
    blank = await store.add("blank", at=at)
    patched = await store.patch(blank, at=at, **given)
    for wanted in (task, patched):
        assert exact(await store.get(wanted.id)) == exact(wanted), f"{rule}: get()"
    assert [exact(each) for each in (await store.listed())[-2:]] == [exact(task), exact(patched)], f"{rule}: find()"
    logged = [change.task for change in (await store.log())[-3:]]
    assert [exact(each) for each in logged if each is not None] == [exact(task), exact(blank), exact(patched)], (
        f"{rule}: read_changes()"
    )


class ValuesContract(StoreUnderTest):
    """Tests of texts, numbers and times."""

    # ------------------------------------------------------------ fields

    @on_store()
    async def test_each_field_alone_is_kept(self, store: Store) -> None:
        parent = await store.add("the first")
        fields = {name: {**NEEDED.get(name, {}), name: value} for name, value in OTHER_VALUES.items()}
        tasks = [await store.add_draft(TaskDraft(**{"description": "x", **values})) for values in fields.values()]
        patchable = [name for name in fields if name not in GIVEN_ONCE]
        patched = [await store.patch(await store.add("y"), **fields[name]) for name in patchable]

        if Capability.DURABLE in store.repository.capabilities:
            await store.reopen()

        for name, wanted in zip([*fields, *patchable], [*tasks, *patched], strict=True):
            assert getattr(wanted, name) != TaskDraft._field_defaults.get(name, "x"), "the value isn't the default"
            assert exact(await store.get(wanted.id)) == exact(wanted), f"a task with no other field than {name}: get()"
        listed = [exact(task) for task in await store.listed()]
        assert listed == [exact(task) for task in [parent, *tasks, *patched]], "find()"
        logged = {change.task_id: change.task for change in await store.log()}
        assert [exact(task) for task in logged.values() if task] == listed, "read_changes()"

    # ------------------------------------------------------------ texts

    @on_store()
    async def test_every_plane_of_unicode_is_kept(self, store: Store) -> None:
        every = [chr(point) for point in range(1, sys.maxunicode + 1, 17) if not 0xD800 <= point <= 0xDFFF]
        edges = [chr(point) for point in (1, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFEFF, 0xFFFE, 0xFFFF, 0x10000)]

        for start in range(0, len(every), 9_000):
            await _keeps(store, TaskDraft("".join(every[start : start + 9_000])), "every 17th character there is")
        await _keeps(store, TaskDraft("".join(edges)), "where encodings change their length")

    @on_store()
    async def test_quotes_newlines_and_controls_are_kept(self, store: Store) -> None:
        for text in (
            'it\'s "quoted" `here` \\ there \\u0041 \\n',
            "line\nline\r\nline\rline\u2028line\u2029line\x85",
            "".join(chr(point) for point in (*range(1, 32), 127)) + "x",
            "  spaces before and after \t ",
            "'; DROP TABLE tasks; --",
            "%s %d {0} $1 ? :name @p",
            "\ufeffmark",
            "\u202eright to left\u202c \u0645\u0631\u062d\u0628\u0627",
            "👩‍👩‍👧‍👦🏳️‍🌈",
            "null",
            "1",
        ):
            await _keeps(store, TaskDraft(text, labels=(text[:100],), metadata={text: text}), f"the text {text!r}")

    @on_store()
    async def test_normal_forms_stay_apart(self, store: Store) -> None:
        composed, decomposed = (unicodedata.normalize(form, "Ångström é ﬁ 가") for form in ("NFC", "NFD"))
        assert composed != decomposed, "the two are different texts"

        await _keeps(store, TaskDraft(composed, labels=(composed,)), "composed characters")
        await _keeps(store, TaskDraft(decomposed, labels=(decomposed,)), "decomposed characters")
        await _keeps(store, TaskDraft("both", labels=tuple(sorted((composed, decomposed)))), "labels of both forms")

    @on_store()
    async def test_labels_that_differ_in_case_or_accent_stay_apart(self, store: Store) -> None:
        labels = tuple(sorted({"a", "A", "Z", "ä", "a\u0308", "ａ", "а", "a ", " a", "ss", "ß", "\uffff", "😀"}))

        await _keeps(store, TaskDraft("x", labels=labels), "labels are texts, in the order of their code points")

    @on_store()
    async def test_any_text_is_kept(self, store: Store) -> None:
        drafts = [TaskDraft(description, labels=labels) for description, labels in drawn(TEXTS, 60)]
        tasks = await store.add_all(drafts)
        assert [task.description for task in tasks] == [draft.description for draft in drafts], "any text is kept"
        assert [exact(task) for task in await store.listed()] == [exact(task) for task in tasks], "find() gives them"

    # ------------------------------------------------------------ large values

    @on_store()
    async def test_the_longest_description_is_kept(self, store: Store) -> None:
        await _keeps(store, TaskDraft("😀" * 10_000), "10,000 characters of four bytes each")

    @on_store()
    async def test_the_largest_metadata_is_kept(self, store: Store) -> None:
        await _keeps(store, TaskDraft("x", metadata={"k": "x" * (16 * 1024 - 8)}), "16 KiB of metadata in one text")
        many = {f"{n:04}": n for n in range(1_200)}
        await _keeps(store, TaskDraft("x", metadata=many), "metadata of many members")

    @on_store()
    async def test_the_deepest_metadata_is_kept(self, store: Store) -> None:
        deep: Any = 1
        for level in range(31):
            deep = {"in": deep} if level % 2 else [deep]

        await _keeps(store, TaskDraft("x", metadata={"top": deep}), "metadata of 32 levels")

    @on_store()
    async def test_the_most_labels_are_kept(self, store: Store) -> None:
        labels = tuple(f"{n:02}{'ü' * 98}" for n in range(50))

        await _keeps(store, TaskDraft("x", labels=labels), "50 labels of 100 characters")

    # ------------------------------------------------------------ metadata

    @on_store()
    async def test_metadata_keeps_its_order_and_its_nulls(self, store: Store) -> None:
        metadata: dict[str, Any] = {
            "z": None,
            "a": [None, {"y": None, "b": {}}, []],
            "": "",
            "m": False,
            "10": 1,
            "9": 2,
        }
        task = await store.add(metadata=metadata)

        for kept in (task, await store.get(1)):
            assert json.dumps(dict(kept.metadata)) == json.dumps(metadata), (
                "metadata comes back as it came, order and all"
            )

    @on_store()
    async def test_numbers_in_metadata_keep_kind_and_value(self, store: Store) -> None:
        integers = [0, 1, -1, 2**31, 2**53 - 1, -(2**53) + 1]
        floats = [0.0, -0.0, 1.0, 0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 2.0**53, -1e22, 123456789.123456789]
        metadata: dict[str, Any] = {"integers": integers, "floats": floats, "truth": [True, False]}
        await store.add(metadata=metadata)

        kept = (await store.get(1)).metadata

        assert [str(number) for number in kept["integers"]] == [str(number) for number in integers], (
            "integers stay exact"
        )
        assert [repr(number) for number in kept["floats"]] == [repr(number) for number in floats], "floats stay floats"
        assert [type(value) for value in kept["truth"]] == [bool, bool], "true and false are no numbers"

    @on_store()
    async def test_metadata_may_be_any_mapping(self, store: Store) -> None:
        metadata: dict[str, Any] = {"z": 1.0, "a": [None, {"y": "\u00e9"}], "n": 2**53 - 1}
        task = await store.add(metadata=codec.packed(metadata))
        await store.patch(task, metadata=codec.packed({"z": None, "b": {"c": []}}))

        kept = await store.get(task.id)

        wanted = {"a": metadata["a"], "n": metadata["n"], "b": {"c": []}}
        assert json.dumps(dict(kept.metadata)) == json.dumps(wanted), "a Mapping that is no dict is kept, and patched"

    @on_store()
    async def test_any_metadata_is_kept(self, store: Store) -> None:
        objects = drawn(json_objects, 60)
        tasks = await store.add_all([TaskDraft("x", metadata=value) for value in objects])
        for wanted, task, listed in zip(objects, tasks, await store.listed(), strict=True):
            for kept in (task, listed):
                assert json.dumps(dict(kept.metadata)) == json.dumps(wanted), "any metadata comes back as it came"

    # ------------------------------------------------------------ times and other values

    @on_store()
    async def test_times_are_kept_to_the_microsecond(self, store: Store) -> None:
        for at in (
            FIRST_MOMENT,
            FIRST_MOMENT + timedelta(microseconds=1),
            LAST_MOMENT,
            later(0.000001),
            datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(2038, 1, 19, 3, 14, 8, 5, UTC),
            datetime(999, 1, 1, tzinfo=UTC),
        ):
            await _keeps(store, TaskDraft("x", done=True, due_at=at), f"the moment {at}", at=at)

    @on_store()
    async def test_any_time_is_kept(self, store: Store) -> None:
        for at in store.share(drawn(moments, 60)):
            task = await store.add(at=at, due_at=at)
            kept = await store.get(task.id)
            assert (kept.created_at, kept.updated_at, kept.due_at) == (at, at, at), (
                "any time is kept to the microsecond"
            )

    @on_store()
    async def test_values_come_back_in_their_own_types(self, store: Store) -> None:
        await store.add(done=True, due_at=later(1), labels=("a",), metadata={"a": 1}, priority=3)
        if Capability.DURABLE in store.repository.capabilities:
            await store.reopen()

        task = await store.get(1)

        assert type(task.done) is bool, "done is a bool, not an integer"
        assert type(task.id) is type(task.priority) is type(task.version) is int, "numbers are integers"
        assert type(task.labels) is tuple, "labels are a tuple"
        assert isinstance(task.metadata, Mapping), "metadata is a mapping"
        for at in (task.completed_at, task.due_at, task.created_at, task.updated_at):
            assert at is not None, "all four times were set"
            assert at.utcoffset() == timedelta(0), "times are in UTC"

    @on_store()
    async def test_every_priority_is_kept(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", priority=priority) for priority in range(10)])

        assert [task.priority for task in await store.listed()] == list(range(10)), "priorities 0 to 9 are kept"
