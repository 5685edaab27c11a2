"""The rules of writing, as the ledger decides them."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import (
    ANY_VERSION,
    LOG_START,
    Change,
    ChangeKind,
    Commit,
    CommitTooLarge,
    CreateTask,
    Decision,
    DeleteMatching,
    DeleteRecord,
    DeleteResult,
    DeleteTask,
    IdempotencyKey,
    IdempotencyKeyReused,
    InvalidTask,
    Ledger,
    Position,
    Precondition,
    PutRecord,
    Record,
    RecordConflict,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UnknownWrite,
    UpdateTask,
    Version,
    VersionConflict,
    WorkspaceHeader,
    Write,
    WriteRefused,
    codec,
    effective_generation,
    read_set,
)
from tasksvc.domain.reading import ReadSet
from tasksvc.domain.rules import (
    DESCRIPTION_MAX,
    LABEL_MAX,
    LABELS_MAX,
    METADATA_MAX,
    metadata_error,
    normalize_labels,
)
from tasksvc.domain.transaction import COMMIT_BYTES_MAX, SIZE_CHECK_FROM
from unit import strategies as some

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
MILK = TaskDraft("buy milk")
KEY = IdempotencyKey("", "key", "fingerprint")


def versions(*numbers: int, of: str = "life") -> frozenset[Version]:
    return frozenset(Version(of, number) for number in numbers)


def do(ledger: Ledger, *writes: Write, at: datetime = NOW, idempotency_key: IdempotencyKey | None = None) -> Decision:
    """Decides and applies writes, as a store does."""
    decision = ledger.decide(writes, at=at, idempotency_key=idempotency_key)
    ledger.apply(decision.entries())
    return decision


def state(ledger: Ledger) -> Any:
    return copy.deepcopy((ledger.last_id, ledger.last_seq, ledger.tasks, ledger.records, ledger.idempotency_records))


# ---------------------------------------------------------------- tasks


def test_ids_and_log_numbers_count_up_from_1() -> None:
    ledger = Ledger("life")

    first = do(ledger, CreateTask(MILK))
    batch = do(ledger, CreateTask(MILK), CreateTask(MILK))

    assert [task.id for task in (*first.committed.results, *batch.committed.results)] == [1, 2, 3]  # type: ignore[union-attr]
    assert [change.seq for change in (*first.changes, *batch.changes)] == [1, 2, 3]
    assert batch.committed.position == Position("life", 3) == ledger.position


def test_an_id_is_not_reused_after_its_task_is_deleted() -> None:
    ledger = Ledger("life")
    do(ledger, CreateTask(MILK), DeleteTask(1))

    (task,) = do(ledger, CreateTask(MILK)).committed.results

    assert isinstance(task, Task)
    assert task.id == 2


@given(st.lists(some.unrelated_drafts, min_size=2, max_size=4))
def test_tasks_that_are_added_together_are_as_if_added_in_turn(drafts: list[TaskDraft]) -> None:
    together, in_turn = Ledger("life"), Ledger("life")

    one = do(together, *map(CreateTask, drafts))
    many = [do(in_turn, CreateTask(draft)) for draft in drafts]

    assert list(one.committed.results) == [task for decision in many for task in decision.committed.results]
    assert list(one.changes) == [change for decision in many for change in decision.changes]
    assert state(together) == state(in_turn)


def test_each_write_sees_those_before_it() -> None:
    ledger = Ledger("life")

    decision = do(
        ledger, CreateTask(MILK), UpdateTask(1, {"priority": 5}), UpdateTask(1, {"done": True}), DeleteTask(1)
    )

    _, second, third, removed = decision.committed.results
    assert isinstance(second, Task)
    assert isinstance(third, Task)
    assert (second.priority, second.version) == (5, 2)
    assert (third.priority, third.done, third.version) == (5, True, 3)
    assert removed is None
    assert [change.kind for change in decision.changes] == [
        ChangeKind.CREATED,
        ChangeKind.UPDATED,
        ChangeKind.UPDATED,
        ChangeKind.DELETED,
    ]
    assert ledger.tasks.get(1) is None


def test_a_change_holds_the_task_as_it_was_then_and_none_for_a_deletion() -> None:
    ledger = Ledger("life")

    changes = do(ledger, CreateTask(MILK), UpdateTask(1, {"description": "buy bread"}), DeleteTask(1)).changes

    assert [change.task and change.task.description for change in changes] == ["buy milk", "buy bread", None]
    assert [change.task_id for change in changes] == [1, 1, 1]


def test_a_patch_that_changes_nothing_creates_no_version_and_no_change() -> None:
    ledger = Ledger("life")
    (task,) = do(ledger, CreateTask(MILK)).committed.results

    decision = do(ledger, UpdateTask(1, {"description": "buy milk", "done": None}), at=LATER)

    assert decision.committed.results[0] == task
    assert decision.entries() == []
    assert ledger.last_seq == 1


def test_times_in_the_log_never_go_back_for_a_task_whatever_the_clock_does() -> None:
    ledger = Ledger("life")
    do(ledger, CreateTask(MILK))

    updated = do(ledger, UpdateTask(1, {"done": True}), at=NOW - timedelta(days=1))
    deleted = do(ledger, DeleteTask(1), at=NOW - timedelta(days=2))

    assert [change.at for change in (*updated.changes, *deleted.changes)] == [NOW, NOW]


@pytest.mark.parametrize("write", [UpdateTask(7, {"done": True}), DeleteTask(7)])
def test_a_write_to_a_task_that_is_not_there_is_refused(write: Write) -> None:
    with pytest.raises(TaskNotFound) as caught:
        Ledger("life").decide([write], at=NOW)

    assert caught.value.task_id == 7


@pytest.mark.parametrize(
    ("expected", "fits"),
    [
        (ANY_VERSION, True),
        (Precondition(any_of=versions(2)), True),
        (Precondition(any_of=versions(1, 2, 3)), True),
        (Precondition(any_of=versions(1, 3)), False),
        (Precondition(any_of=frozenset()), False),
        (Precondition(none_of=versions(1, 3)), True),
        (Precondition(none_of=versions(2)), False),
        (Precondition(any_of=versions(2), none_of=versions(2)), False),
        (Precondition(any_of=versions(2, of="past life")), False),
        (Precondition(none_of=versions(2, of="past life")), True),
    ],
)
@pytest.mark.parametrize(
    "make", [lambda wanted: UpdateTask(1, {"priority": 9}, wanted), lambda wanted: DeleteTask(1, wanted)]
)
def test_a_write_is_done_only_at_a_version_that_it_expects(make: Any, expected: Precondition, fits: bool) -> None:
    ledger = Ledger("life")
    do(ledger, CreateTask(MILK), UpdateTask(1, {"done": True}))
    write = make(expected)

    if fits:
        assert len(ledger.decide([write], at=NOW).changes) == 1
    else:
        with pytest.raises(VersionConflict) as caught:
            ledger.decide([write], at=NOW)
        assert (caught.value.current, caught.value.generation) == (ledger.tasks.get(1), "life")


def test_a_removal_by_a_query_takes_what_matches_and_leaves_the_rest() -> None:
    ledger = Ledger("life")
    do(ledger, CreateTask(TaskDraft("done", done=True)), CreateTask(TaskDraft("open")))

    decision = do(ledger, DeleteMatching((1, 2, 3, 1), TaskQuery(done=True), more=True))

    assert decision.committed.results == (DeleteResult(1, more=True),)
    assert [(change.kind, change.task_id) for change in decision.changes] == [(ChangeKind.DELETED, 1)]
    assert ledger.tasks.keys() == {2}  # type: ignore[attr-defined]


def test_a_removal_by_a_query_names_its_tasks() -> None:
    names = read_set([Commit([DeleteMatching((1, 2), TaskQuery()), DeleteTask(7)], NOW)])

    assert names.task_ids == {1, 2, 7}


def test_a_removal_by_a_query_is_never_before_the_last_change_of_its_task() -> None:
    ledger = Ledger("life")
    do(ledger, CreateTask(MILK), at=LATER)

    decision = do(ledger, DeleteMatching((1,), TaskQuery()), at=NOW)

    assert decision.changes[0].at == LATER


@given(some.patches, st.integers(0, 2))
def test_a_commit_that_is_refused_changes_nothing_and_says_which_write_it_was(
    patch: dict[str, Any], before: int
) -> None:
    ledger = Ledger("life")
    do(ledger, CreateTask(MILK))
    held = state(ledger)

    with pytest.raises(WriteRefused) as caught:
        ledger.decide(
            [*[UpdateTask(1, patch)] * before, DeleteTask(9), CreateTask(MILK)], at=LATER, idempotency_key=KEY
        )

    assert caught.value.index == before
    assert state(ledger) == held


def test_a_patch_that_breaks_a_rule_together_with_the_task_is_refused_at_its_place() -> None:
    ledger = Ledger("life")
    do(ledger, CreateTask(TaskDraft("x", metadata={"a": "x" * 10_000})))

    with pytest.raises(InvalidTask) as caught:
        ledger.decide([CreateTask(MILK), UpdateTask(1, {"metadata": {"b": "x" * 10_000}})], at=NOW)

    assert (caught.value.index, caught.value.field) == (1, "metadata")


@given(some.unrelated_drafts, some.patches)
def test_deciding_changes_nothing_itself(draft: TaskDraft, patch: dict[str, Any]) -> None:
    ledger = Ledger("life")
    do(ledger, CreateTask(draft))
    held = state(ledger)

    ledger.decide([CreateTask(draft), UpdateTask(1, patch), DeleteTask(1)], at=LATER, idempotency_key=KEY)
    ledger.decide([PutRecord("s", "n", {})], at=LATER)

    assert state(ledger) == held


# ---------------------------------------------------------------- idempotency keys


@pytest.mark.parametrize("writes", [[CreateTask(MILK)], [CreateTask(MILK), UpdateTask(1, {"done": True})], []])
def test_a_commit_under_a_used_key_answers_as_the_first_time_and_does_nothing(writes: list[Write]) -> None:
    ledger = Ledger("life")
    first = do(ledger, *writes, idempotency_key=KEY)
    held = state(ledger)

    again = do(ledger, *writes, at=LATER, idempotency_key=KEY)

    assert again.committed.results == first.committed.results
    assert (first.committed.replayed, again.committed.replayed) == (False, True)
    assert again.entries() == []
    assert state(ledger) == held


def test_a_used_key_returns_the_first_result_after_its_task_was_updated_and_deleted() -> None:
    ledger = Ledger("life")
    first = do(ledger, CreateTask(MILK), idempotency_key=KEY)
    do(ledger, UpdateTask(1, {"done": True}))
    do(ledger, DeleteTask(1))

    again = do(ledger, CreateTask(MILK), idempotency_key=KEY)

    assert again.committed.results == first.committed.results
    assert again.committed.position == Position("life", 3)


def test_a_used_key_with_another_request_is_refused() -> None:
    ledger = Ledger("life")
    do(ledger, CreateTask(MILK), idempotency_key=KEY)

    with pytest.raises(IdempotencyKeyReused):
        ledger.decide([CreateTask(MILK)], at=NOW, idempotency_key=KEY._replace(fingerprint="other"))


@pytest.mark.parametrize("other", [KEY._replace(scope="other"), KEY._replace(value="other")])
def test_keys_of_different_scopes_or_values_never_meet(other: IdempotencyKey) -> None:
    ledger = Ledger("life")
    do(ledger, CreateTask(MILK), idempotency_key=KEY)

    decision = do(ledger, CreateTask(MILK), idempotency_key=other._replace(fingerprint="of another request"))

    assert not decision.committed.replayed
    assert ledger.last_id == 2


def test_a_commit_that_is_refused_does_not_use_up_its_key() -> None:
    ledger = Ledger("life")
    with pytest.raises(TaskNotFound):
        ledger.decide([DeleteTask(1)], at=NOW, idempotency_key=KEY)

    assert not do(ledger, CreateTask(MILK), idempotency_key=KEY).committed.replayed


def test_a_key_and_its_results_are_among_what_is_persisted() -> None:
    decision = Ledger("life").decide([CreateTask(MILK)], at=NOW, idempotency_key=KEY)

    (change, idempotency_record) = decision.entries()
    assert isinstance(change, Change)
    assert idempotency_record == (KEY, NOW, decision.committed.results)


# ---------------------------------------------------------------- records


def test_a_record_is_created_replaced_and_deleted_with_its_versions() -> None:
    ledger = Ledger("life")

    made = do(ledger, PutRecord("leases", "a", {"n": 1}, expected=0))
    replaced = do(ledger, PutRecord("leases", "a", {"n": 2}, expected=1))
    dropped = do(ledger, DeleteRecord("leases", "a", expected=2))

    assert made.committed.results == (Record("leases", "a", {"n": 1}, 1),)
    assert replaced.committed.results == (Record("leases", "a", {"n": 2}, 2),)
    assert dropped.committed.results == (None,)
    assert dropped.records == [Record("leases", "a", {}, 0)]
    assert ledger.records.get(("leases", "a")) is None
    assert ledger.last_seq == 0, "records are not in the change log"


@pytest.mark.parametrize(
    ("write", "current"),
    [
        (PutRecord("s", "there", {}, expected=0), 3),
        (PutRecord("s", "there", {}, expected=2), 3),
        (PutRecord("s", "absent", {}, expected=1), None),
        (DeleteRecord("s", "there", expected=2), 3),
        (DeleteRecord("s", "absent", expected=1), None),
    ],
)
def test_a_record_at_another_version_than_expected_is_a_conflict(write: Write, current: int | None) -> None:
    ledger = Ledger("life")
    do(ledger, *[PutRecord("s", "there", {})] * 3)

    with pytest.raises(RecordConflict) as caught:
        ledger.decide([PutRecord("s", "other", {}), write], at=NOW)

    assert caught.value.index == 1
    assert (caught.value.current and caught.value.current.version) == current


def test_a_record_that_is_absent_can_be_dropped_and_whatever_is_there_replaced() -> None:
    ledger = Ledger("life")

    do(ledger, DeleteRecord("s", "n"))
    do(ledger, DeleteRecord("s", "n", expected=0))
    do(ledger, PutRecord("s", "n", {"a": 1}))
    decision = do(ledger, PutRecord("s", "n", {"a": 2}))

    assert decision.committed.results == (Record("s", "n", {"a": 2}, 2),)


def test_a_record_that_one_commit_writes_twice_is_persisted_once_as_it_was_left() -> None:
    decision = Ledger("life").decide([PutRecord("s", "n", {"a": 1}), PutRecord("s", "n", {"a": 2})], at=NOW)

    assert decision.entries() == [Record("s", "n", {"a": 2}, 2)]


# ---------------------------------------------------------------- for stores

EXPECTED = st.sampled_from([ANY_VERSION, Precondition(any_of=versions(1)), Precondition(none_of=versions(1))])
WRITES = st.lists(
    st.one_of(
        st.builds(CreateTask, some.unrelated_drafts),
        st.builds(UpdateTask, st.integers(1, 6), some.patches, EXPECTED),
        st.builds(DeleteTask, st.integers(1, 6), EXPECTED),
        st.builds(DeleteMatching, st.lists(st.integers(1, 6), max_size=4), some.queries, st.booleans()),
        st.builds(PutRecord, st.just("s"), st.sampled_from("ab"), some.json_objects),
        st.builds(DeleteRecord, st.just("s"), st.sampled_from("ab"), st.none() | st.integers(0, 2)),
    ),
    max_size=4,
)
KEYS = st.none() | st.builds(IdempotencyKey, st.just(""), st.sampled_from("ab"), st.sampled_from("fg"))
COMMITS = st.lists(st.builds(Commit, WRITES, st.just(NOW), KEYS), max_size=6)


def outcome(ledger: Ledger, commit: Commit) -> Decision | str:
    try:
        return ledger.decide(commit.writes, at=commit.at, idempotency_key=commit.idempotency_key)
    except (WriteRefused, IdempotencyKeyReused) as error:
        return f"{type(error).__name__}: {error}"


@given(COMMITS)
def test_a_draft_decides_as_its_ledger_would_and_leaves_it_alone(commits: list[Commit]) -> None:
    ledger, twin = Ledger("life"), Ledger("life")
    held, draft = state(ledger), ledger.fork()

    for commit in commits:
        decided, expected = outcome(draft, commit), outcome(twin, commit)
        assert decided == expected
        if isinstance(decided, Decision):
            draft.apply(decided.entries())
            twin.apply(decided.entries())

    assert state(ledger) == held
    assert (draft.position, draft.last_id) == (twin.position, twin.last_id)


@given(COMMITS)
def test_a_ledger_decides_the_same_from_only_what_the_commit_names(commits: list[Commit]) -> None:
    tasks: dict[int, Task] = {}
    idempotency_records: dict[Any, Any] = {}
    records: dict[Any, Any] = {}
    whole = Ledger("life", tasks=tasks, idempotency_records=idempotency_records, records=records)

    for commit in commits:
        names = read_set([commit])
        fetched = Ledger(
            "life",
            last_id=whole.last_id,
            last_seq=whole.last_seq,
            tasks={name: tasks[name] for name in names.task_ids if name in tasks},
            idempotency_records={
                name: idempotency_records[name] for name in names.idempotency_keys if name in idempotency_records
            },
            records={name: records[name] for name in names.records if name in records},
        )
        decided = outcome(whole, commit)
        assert outcome(fetched, commit) == decided
        if isinstance(decided, Decision):
            whole.apply(decided.entries())


@given(COMMITS)
def test_replaying_persisted_entries_restores_the_ledger(commits: list[Commit]) -> None:
    ledger, again = Ledger("life"), Ledger("another")
    journal: list[Any] = [WorkspaceHeader("life", "")]
    for commit in commits:
        if isinstance(decided := outcome(ledger, commit), Decision):
            ledger.apply(decided.entries())
            journal += decided.entries()

    again.apply(journal)

    assert state(again) == state(ledger)
    assert again.position == ledger.position


@given(COMMITS)
def test_the_log_has_no_gaps_and_replays_to_the_tasks(commits: list[Commit]) -> None:
    ledger = Ledger("life")
    log: list[Change] = []
    for commit in commits:
        if isinstance(decided := outcome(ledger, commit), Decision):
            ledger.apply(decided.entries())
            log += decided.changes

    tasks: dict[int, Task] = {}
    for change in log:
        if change.task is None:
            del tasks[change.task_id]
        else:
            assert (change.kind is ChangeKind.CREATED) == (change.task_id not in tasks)
            tasks[change.task_id] = change.task
    assert [change.seq for change in log] == list(range(1, ledger.last_seq + 1))
    assert tasks == ledger.tasks


LARGE = TaskDraft("\U0001f600" * 10_000, metadata={"a": "b" * 16_000})


def test_many_small_patches_of_a_large_task_are_refused_where_they_become_too_much() -> None:
    ledger = Ledger("g")
    ledger.apply(ledger.decide([CreateTask(LARGE)], at=NOW).entries())
    patches = [UpdateTask(1, {"priority": n % 10}) for n in range(1, 1_001)]

    with pytest.raises(CommitTooLarge, match="8,388,608 bytes") as refused:
        ledger.decide(patches, at=NOW, idempotency_key=IdempotencyKey("", "key", "f"))

    each = len(codec.dumps(ledger.tasks.get(1)))
    assert refused.value.index == COMMIT_BYTES_MAX // each
    assert len(ledger.decide(patches[: COMMIT_BYTES_MAX // each], at=NOW).changes) == COMMIT_BYTES_MAX // each
    unchanged = [UpdateTask(1, {"priority": 0})] * 1_000
    with pytest.raises(CommitTooLarge):  # they would make no versions, and the same answer
        ledger.decide(unchanged, at=NOW)


def test_tasks_that_are_created_and_deleted_in_a_batch_may_be_large() -> None:
    ledger = Ledger("g")
    ledger.apply(ledger.decide([CreateTask(LARGE)] * 200, at=NOW).entries())

    removed = ledger.decide([DeleteTask(number) for number in range(1, 201)], at=NOW)

    assert len(removed.changes) == 200


def test_as_few_writes_as_are_not_measured_cannot_be_too_large() -> None:
    worst = TaskDraft(
        "\x01" * DESCRIPTION_MAX,
        labels=normalize_labels([f"{n:02}" + "\x01" * (LABEL_MAX - 2) for n in range(LABELS_MAX)]),
        metadata={"a": "b" * (METADATA_MAX - 9)},
    )

    assert metadata_error(worst.metadata) is None

    task = Ledger("g").decide([CreateTask(worst)], at=NOW).committed.results[0]

    assert len(codec.dumps(task)) * SIZE_CHECK_FROM < COMMIT_BYTES_MAX


# ---------------------------------------------------------------- unknown kinds


class Archive(NamedTuple):
    """A write that no ledger knows."""

    task_id: int


@pytest.mark.parametrize("write", [Archive(1), None, "remove", (1,), TaskDraft("x")], ids=repr)
def test_a_write_of_no_known_kind_is_refused_by_its_name_and_place(write: Any) -> None:
    ledger = Ledger("life")
    do(ledger, CreateTask(MILK))
    before = state(ledger)

    for writes in ([write], [CreateTask(MILK), write]):
        with pytest.raises(UnknownWrite, match=f"{type(write).__name__}, which is no kind of write") as refused:
            ledger.decide(writes, at=NOW)
        assert refused.value.index == len(writes) - 1

    assert state(ledger) == before


def test_a_write_of_no_known_kind_names_nothing_that_a_ledger_must_know() -> None:
    """Otherwise it would fail the commits beside it."""
    names = read_set([Commit([Archive(1)], NOW), Commit([DeleteTask(2)], NOW)])  # type: ignore[list-item]

    assert names == ReadSet({2}, set(), set(), {"parent_id=2"}, {})


@pytest.mark.parametrize("entry", [Archive(1), None, "entry", (1, 2)], ids=repr)
def test_an_entry_of_no_known_kind_is_not_applied_in_silence(entry: Any) -> None:
    with pytest.raises(AssertionError, match=re.escape(repr(entry))):
        Ledger("life").apply([entry])


# ---------------------------------------------------------------- workspaces

UNMADE = Ledger("", "epoch")
CHANGE_OR_KEY = st.sampled_from([Commit([CreateTask(MILK)], NOW), Commit([], NOW, KEY)])


@given(CHANGE_OR_KEY)
def test_the_first_commit_with_a_change_or_a_key_makes_the_workspace(commit: Commit) -> None:
    ledger = UNMADE.fork()

    first = ledger.decide(commit.writes, at=NOW, idempotency_key=commit.idempotency_key)
    ledger.apply(first.entries())
    second = ledger.decide([CreateTask(MILK)], at=NOW)

    assert first.header is not None
    assert first.entries()[0] == first.header == WorkspaceHeader(first.header.generation, "epoch")
    assert first.committed.position.generation == first.header.generation == ledger.generation != ""
    assert second.header is None
    assert second.committed.position.generation == ledger.generation


@pytest.mark.parametrize(
    "writes", [[], [DeleteMatching([1], TaskQuery())], [PutRecord("s", "n", {})], [DeleteRecord("s", "n")]]
)
def test_a_commit_without_a_change_or_a_key_makes_no_workspace(writes: list[Write]) -> None:
    decision = UNMADE.decide(writes, at=NOW)

    assert decision.header is None
    assert decision.committed.position == LOG_START


def test_each_life_of_a_workspace_has_a_generation_of_its_own() -> None:
    generations = {UNMADE.decide([CreateTask(MILK)], at=NOW).committed.position.generation for _ in range(100)}

    assert len(generations) == 100


def test_records_of_one_workspace_are_seen_by_the_forks_of_others() -> None:
    records: dict[tuple[str, str], Record] = {}
    first = Ledger("a", records=records).fork()
    second = Ledger("b", records=records).fork(first.records)

    do(first, PutRecord("s", "n", {"a": 1}))
    do(second, PutRecord("s", "n", {"a": 2}, expected=1))

    assert first.records.get(("s", "n")) == Record("s", "n", {"a": 2}, 2)
    assert records == {}


def test_a_header_of_an_earlier_epoch_gives_a_hash_for_a_generation() -> None:
    ledger = Ledger("", "newer")

    ledger.apply([WorkspaceHeader("life", "older", 7, 9, 0)])

    assert ledger.generation == effective_generation("life", "older", "newer")
    assert (ledger.last_id, ledger.last_seq) == (7, 9)
