"""Arbitrary sequences of calls, which hypothesis makes to workspaces of a store and to a model of each side by side."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tasksvc import (
    ANY_VERSION,
    DEFAULT_WORKSPACE,
    LOG_START,
    Capability,
    CreateTask,
    Cursor,
    DeleteMatching,
    DeleteRecord,
    DeleteTask,
    IdempotencyKey,
    ListSummary,
    Position,
    PositionGone,
    Precondition,
    PutRecord,
    Record,
    RepositoryError,
    RestoreTask,
    SkipOccurrence,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateMatching,
    UpdateTask,
    Version,
    WorkspaceSummary,
    Write,
    codec,
    select,
)
from tasksvc.domain.task import GIVEN_ONCE
from tasksvc.testing.model import Model, Refusal
from tasksvc.testing.samples import FEW_VALUES, LAST_MOMENT, NOW, REPEATS, later, maybe, queries, small_objects, steady
from tasksvc.testing.store import Store, StoreUnderTest, each_of, raised

FILLED = (DEFAULT_WORKSPACE, "a")
"""The workspaces that have tasks from the beginning. Others aren't made then."""
MOVES = 2
"""Times that one run may copy the store to another one, since each copy opens a store."""

ERASURES = 3
"""Times that one run may erase a workspace, so that the others grow."""
SHOWN = 1_000
"""Characters of a value that a report shows."""

OWN = ""
"""Stands for the generation of the workspace, whatever it is."""
OTHER = "other"
"""Stands for the generation of another workspace."""
FORMER = "former"
"""Stands for the generation that the workspace had before it was erased last."""
WORKSPACES = (DEFAULT_WORKSPACE, "Default", "a", "defaults")
"""The workspaces that calls are made to, all in one store. The default one gets half of them."""

Answer = TypeVar("Answer")

# Small on purpose, so that commits meet each other; the variety of values has tests of its own.
times = st.integers(-5, 5).map(later)
places = st.integers(0, 5)
names = st.sampled_from(["a", "b"])


def _allowed(draft: TaskDraft) -> TaskDraft:
    """Returns a draft without the values that others exclude, so that few creations are refused."""
    due_on = draft.due_on if draft.due_at is None else None
    repeats = not draft.done and (draft.due_at or due_on) not in (None, LAST_MOMENT, date.max)
    completed_at = draft.completed_at if draft.done else None
    return draft._replace(due_on=due_on, completed_at=completed_at, repeat=draft.repeat if repeats else None)


drafts = st.builds(TaskDraft, **FEW_VALUES).map(_allowed)
accepted_drafts = drafts.map(lambda draft: draft._replace(parent_id=None, uid=None, created_at=None, completed_at=None))
"""Drafts that no workspace refuses."""
repeating_drafts = st.sampled_from(
    [
        draft._replace(repeat=repeat)
        for draft in (TaskDraft("repeats", due_at=NOW), TaskDraft("repeats", due_on=NOW.date()))
        for repeat in REPEATS[1:]
    ]
)
patches = st.fixed_dictionaries(
    {},
    optional={
        name: value if name == "description" else st.none() | value
        for name, value in FEW_VALUES.items()
        if name not in GIVEN_ONCE
    },
)
generations = st.sampled_from([OWN, OWN, OTHER, FORMER])
versions = st.frozensets(st.builds(Version, generations, st.integers(1, 3)), max_size=2)
expectations = st.one_of(
    st.just(ANY_VERSION), st.builds(Precondition, any_of=versions), st.builds(Precondition, none_of=versions)
)
record_writes = st.one_of(
    st.builds(PutRecord, names, names, small_objects, maybe([0, 1, 2])),
    st.builds(DeleteRecord, names, names, maybe([0, 1, 2])),
)
idempotency_keys = st.builds(IdempotencyKey, names, st.just("key"), names)
callers = (None, "a", "zoë")
bounds = st.sampled_from([None, None, None, 4, 6, 8])
workspaces = st.sampled_from([DEFAULT_WORKSPACE, DEFAULT_WORKSPACE, *WORKSPACES])


def _told(results: Any) -> list[object]:
    """Returns results in a form in which 1, 1.0 and true differ."""
    return [
        codec.dumps(result._asdict() if isinstance(result, Record) else result)
        if isinstance(result, Task | Record)
        else result
        for result in results
    ]


class Step(NamedTuple):
    """A call of a rule, which can be made again on another machine."""

    method: Callable[..., None]
    values: dict[str, Any]

    def __str__(self) -> str:
        values = ", ".join(f"{name}={_shown(value)}" for name, value in self.values.items())
        return f"{self.method.__name__}({values})"


def step(
    kind: Callable[..., Any] = rule, /, **strategies: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a method a rule of hypothesis, whose calls the machine notes; with `initialize` it begins each run."""

    def decorate(method: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(method)
        def noted(self: StoreMachine, **values: Any) -> None:
            self.steps.append(Step(method, values))
            method(self, **values)

        return cast(
            Callable[..., None], cast(Any, kind)(**strategies)(noted)
        )  # whose overloads are of named strategies

    return decorate


def in_workspace(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a method a rule that is about one workspace, which is the first value of each call."""

    def decorate(method: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(method)
        def entered(self: StoreMachine, workspace: str, **values: Any) -> None:
            self.enter(workspace)
            method(self, **values)

        return step(workspace=workspaces, **strategies)(entered)

    return decorate


def _shown(value: object) -> str:
    """Returns a value as a report shows it: without what is as it is by default."""
    match value:
        case tuple() if hasattr(value, "_field_defaults"):
            return _fields(value, dict(zip(value._fields, value, strict=True)), value._field_defaults)  # type: ignore[attr-defined]
        case TaskQuery():
            names = [field.name for field in dataclasses.fields(value)]
            given, default = ({name: getattr(query, name) for name in names} for query in (value, TaskQuery()))
            return _fields(value, given, default)
        case list():
            return f"[{', '.join(map(_shown, value))}]"
        case datetime():
            return value.isoformat()
        case bytes():
            return value.decode()
    return repr(value)


def _fields(value: object, fields: dict[str, Any], defaults: dict[str, Any]) -> str:
    given = (
        f"{name}={_shown(each)}" for name, each in fields.items() if name not in defaults or each != defaults[name]
    )
    return f"{type(value).__name__}({', '.join(given)})"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _agree(store: object, model: object, rule: str) -> None:
    """Raises an AssertionError that shows both where the store and its model differ."""
    __tracebackhide__ = True
    if store != model:
        shown = f"  the store: {_cut(_shown(store))}\n  the model: {_cut(_shown(model))}"
        raise AssertionError(f"{rule}\n{shown}")


class StoreMachine(RuleBasedStateMachine):
    """A store, a model of each of its workspaces, and the calls that are made to both."""

    def __init__(self, under_test: StoreUnderTest, folder: Path) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._root = Store(under_test, folder)
        self.store = self._await(self._root.__aenter__())
        self.capabilities = self.store.opened.capabilities
        records: dict[tuple[str, str], Record] = {}
        self.models = {name: Model(records) for name in WORKSPACES[: len(WORKSPACES) if self._has_workspaces else 1]}
        self.model.generation = self._await(self.store.generation())
        self.moves = self.erasures = 0
        self.former: dict[str, str] = {}
        """The last generation of each workspace that was erased."""
        self.gone: set[str] = set()
        """All generations of workspaces that were erased."""
        self.token = ""
        """Where changed_workspaces() goes on."""
        self.changed: set[str] = set()
        """The workspaces that changed since."""

    @property
    def _has_workspaces(self) -> bool:
        return Capability.WORKSPACES in self.capabilities

    @property
    def model(self) -> Model:
        """The model of the workspace that the store's methods use now."""
        return self.models[self.store.workspace]

    def enter(self, workspace: str) -> None:
        """Makes the next calls in a workspace; a store that has one takes all in that."""
        if workspace in self.models:
            self.store.workspace = workspace

    def _next(self, workspace: str) -> str:
        """Returns the workspace after `workspace`, and the first one after the last."""
        names = list(self.models)
        return names[(names.index(workspace) + 1) % len(names)]

    def _await(self, call: Coroutine[Any, Any, Answer]) -> Answer:
        async def bounded() -> Answer:
            async with asyncio.timeout(self._root.patience):
                return await call

        return self._runner.run(bounded())

    def teardown(self) -> None:
        try:
            self._await(self._root.__aexit__())
        finally:
            self._runner.close()

    def _id(self, place: int) -> int:
        """Returns the id of an existing task or, for each sixth place, of one that doesn't exist."""
        there = sorted(self.model.tasks)
        return there[place % len(there)] if there and place else self.model.last_id + 1

    def _generation(self, drawn: str) -> str:
        """Returns the generation that OWN, OTHER or FORMER stands for."""
        if drawn == OWN:
            return self.model.generation
        if drawn == FORMER:
            return self.former.get(self.store.workspace, FORMER)
        return self.models[self._next(self.store.workspace)].generation if self._has_workspaces else OTHER

    def _expected(self, drawn: Precondition) -> Precondition:
        """Returns `drawn` with generations in place of what stands for them."""

        def own(versions: Iterable[Version]) -> frozenset[Version]:
            return frozenset(Version(self._generation(generation), number) for generation, number in versions)

        return Precondition(None if drawn.any_of is None else own(drawn.any_of), own(drawn.none_of))

    # ------------------------------------------------------------ work

    def _commit(
        self,
        writes: Sequence[Write],
        at: datetime,
        idempotency_key: IdempotencyKey | None = None,
        tasks_max: int | None = None,
    ) -> None:
        wanted: tuple[object, ...]
        told: tuple[object, ...]
        before = len(self.model.log)
        by = callers[len(self.steps) % len(callers)]
        try:
            results, replayed = self.model.commit(writes, at, idempotency_key, tasks_max, by)
            wanted = (_told(results), replayed, len(self.model.log))
        except Refusal as refusal:
            wanted = (refusal.error, refusal.index)
        try:
            committed = self._await(
                self.store.commit(*writes, at=at, idempotency_key=idempotency_key, tasks_max=tasks_max, by=by)
            )
            told = (_told(committed.results), committed.replayed, committed.position.seq)
        except RepositoryError as error:
            told = (type(error).__name__, getattr(error, "index", None))
        else:
            self._note_generation(committed.position.generation)
        _agree(told, wanted, "commit() answers, or refuses, as the model does")
        if len(self.model.log) > before:
            self.changed.add(self.store.workspace)

    def _note_generation(self, generation: str) -> None:
        """Checks the generation that a commit tells, and notes that of a workspace that was just made."""
        if self.model.is_made and not self.model.generation:
            others = [model.generation for model in self.models.values()]
            assert generation not in {*others, *self.gone}, "a workspace that is made has a generation of its own"
            self.model.generation = generation
        _agree(generation, self.model.generation, "a commit tells the generation of its workspace")

    @step(initialize)
    def fill(self) -> None:
        """Creates a few tasks in two workspaces, so that other calls find some from the beginning."""
        for workspace in FILLED:
            self.enter(workspace)
            self._commit([CreateTask(TaskDraft(f"{n}", done=n % 2 == 0)) for n in range(4)], NOW)

    @in_workspace(draft=drafts, at=times, tasks_max=bounds)
    def add(self, draft: TaskDraft, at: datetime, tasks_max: int | None) -> None:
        self._commit([CreateTask(draft)], at, tasks_max=tasks_max)

    @in_workspace(draft=drafts, at=times, idempotency_key=idempotency_keys, tasks_max=bounds)
    def add_with_a_key(
        self, draft: TaskDraft, at: datetime, idempotency_key: IdempotencyKey, tasks_max: int | None
    ) -> None:
        self._commit([CreateTask(draft)], at, idempotency_key, tasks_max)

    @in_workspace(place=places, fields=patches, expected=expectations, at=times)
    def patch(self, place: int, fields: dict[str, Any], expected: Precondition, at: datetime) -> None:
        self._commit([UpdateTask(self._id(place), fields, self._expected(expected))], at)

    @in_workspace(draft=repeating_drafts, at=times)
    def add_repeating(self, draft: TaskDraft, at: datetime) -> None:
        self._commit([CreateTask(draft)], at)

    @in_workspace(place=places, done=st.booleans(), at=times)
    def complete_or_reopen(self, place: int, done: bool, at: datetime) -> None:
        self._commit([UpdateTask(self._id(place), {"done": done})], at)

    @in_workspace(chosen=st.lists(places, min_size=1, max_size=2), again=st.booleans(), at=times)
    def complete_and_reopen_at_once(self, chosen: list[int], again: bool, at: datetime) -> None:
        ids = [self._id(place) for place in chosen]
        states = [True, False, True] if again else [True, False]
        self._commit([UpdateTask(task_id, {"done": done}) for done in states for task_id in ids], at)

    @in_workspace(place=places, expected=expectations, at=times)
    def skip(self, place: int, expected: Precondition, at: datetime) -> None:
        self._commit([SkipOccurrence(self._id(place), self._expected(expected))], at)

    @in_workspace(place=places, expected=expectations, children=st.booleans(), at=times)
    def remove(self, place: int, expected: Precondition, children: bool, at: datetime) -> None:
        self._commit([DeleteTask(self._id(place), self._expected(expected), children)], at)

    @in_workspace(place=places, above=places, at=times)
    def put_below(self, place: int, above: int, at: datetime) -> None:
        self._commit([UpdateTask(self._id(place), {"parent_id": self._id(above)})], at)

    @in_workspace(at=times)
    def put_all_below_one_another(self, at: datetime) -> None:
        """Makes a tree that is as deep as the workspace allows, or is refused."""
        pairs = itertools.pairwise(sorted(self.model.tasks))
        self._commit([UpdateTask(low, {"parent_id": high}) for high, low in pairs], at)

    @in_workspace(
        place=st.integers(0, 11),
        version=st.integers(1, 5),
        expected=st.just(ANY_VERSION) | expectations,
        at=times,
        tasks_max=bounds,
    )
    def restore(self, place: int, version: int, expected: Precondition, at: datetime, tasks_max: int | None) -> None:
        write = RestoreTask(place % (self.model.last_id + 2), version, self._expected(expected))
        self._commit([write], at, tasks_max=tasks_max)

    @in_workspace(place=places, version=st.integers(1, 3), at=times)
    def remove_and_restore_at_once(self, place: int, version: int, at: datetime) -> None:
        task_id = self._id(place)
        self._commit([DeleteTask(task_id), RestoreTask(task_id, version), UpdateTask(task_id, {"notes": "back"})], at)

    @in_workspace(
        chosen=st.just([1, 2, 3]) | st.lists(places, max_size=4),
        query=st.sampled_from([TaskQuery(done=True), TaskQuery(priority_min=3)]) | queries,
        more=st.booleans(),
        at=times,
        idempotency_key=st.none() | st.none() | idempotency_keys,
    )
    def remove_what_matches(
        self, chosen: list[int], query: TaskQuery, more: bool, at: datetime, idempotency_key: IdempotencyKey | None
    ) -> None:
        self._commit([DeleteMatching([self._id(place) for place in chosen], query, more)], at, idempotency_key)

    @in_workspace(
        chosen=st.lists(places, max_size=4),
        query=st.sampled_from([TaskQuery(done=True), TaskQuery(without_parent=True)]) | queries,
        fields=patches,
        at=times,
        idempotency_key=st.none() | st.none() | idempotency_keys,
    )
    def update_what_matches(
        self,
        chosen: list[int],
        query: TaskQuery,
        fields: dict[str, Any],
        at: datetime,
        idempotency_key: IdempotencyKey | None,
    ) -> None:
        ids = [self._id(place) for place in chosen]
        self._commit([UpdateMatching(ids, query, fields, len(ids) % 2 == 0)], at, idempotency_key)

    @in_workspace(
        new=st.lists(drafts, max_size=2),
        chosen=st.lists(places, max_size=3),
        fields=patches,
        at=times,
        idempotency_key=st.none() | idempotency_keys,
        tasks_max=bounds,
    )
    def batch(
        self,
        new: list[TaskDraft],
        chosen: list[int],
        fields: dict[str, Any],
        at: datetime,
        idempotency_key: IdempotencyKey | None,
        tasks_max: int | None,
    ) -> None:
        own = [UpdateTask(self.model.last_id + 1, fields)] if new else []
        others = [UpdateTask(self._id(place), fields) if place % 2 else DeleteTask(self._id(place)) for place in chosen]
        deletions = [write for write in others if isinstance(write, DeleteTask)]
        first = deletions if len(chosen) % 2 else []  # which make room
        rest = [write for write in others if write not in first]
        self._commit([*first, *map(CreateTask, new), *own, *rest], at, idempotency_key, tasks_max)

    @precondition(lambda self: Capability.RECORDS in self.capabilities)
    @in_workspace(records=st.lists(record_writes, min_size=1, max_size=3), at=times)
    def write_records(self, records: list[Write], at: datetime) -> None:
        self._commit(records, at)

    @in_workspace(query=queries, place=st.none() | places, limit=st.sampled_from([1, 2, 100]))
    def find(self, query: TaskQuery, place: int | None, limit: int) -> None:
        after: Cursor | None = None
        if place is not None and self.model.tasks:
            after = query.cursor(self.model.tasks[self._id(place + 1)])
        page = self._await(self.store.repository.find(query, after=after, limit=limit))
        tasks, following = select(self.model.tasks.values(), query, after, limit)
        _agree((_told(page.tasks), page.next), (_told(tasks), following), "find() must equal select()")
        _agree(page.position, self._head, "a page carries the head of the log")

    @in_workspace(place=places)
    def get(self, place: int) -> None:
        task_id = self._id(place)
        try:
            found = self._await(self.store.repository.get(task_id))
        except TaskNotFound:
            assert task_id not in self.model.tasks, "get() finds a task that is there"
        else:
            _agree(_told([found.task]), _told([self.model.tasks.get(task_id)]), "get() gives the task of the model")
            _agree(found.generation, self.model.generation, "get() gives the generation of its workspace")

    @precondition(lambda self: self._has_workspaces)
    @in_workspace(draft=accepted_drafts)
    def wait(self, draft: TaskDraft) -> None:
        """Waits for a change while another workspace is written to, and then this one."""
        workspace, read = self.store.workspace, self.store.repository.changes
        waiting = self._await(self._begun(read(self._head, limit=10, wait=self._root.patience)))
        try:
            self.enter(self._next(workspace))
            self._commit([CreateTask(draft)], NOW)
            self._await(asyncio.sleep(0.002))
            assert not waiting.done(), "a reader isn't woken by a change of another workspace"
            self.enter(workspace)
            self._commit([CreateTask(draft)], NOW)
            page = self._await(asyncio.wait_for(waiting, self._root.patience / 2))
            _agree(list(page.changes), self.model.log[-1:], "a reader is woken by a change of its workspace")
        finally:
            waiting.cancel()

    async def _begun(self, call: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        """Returns a call that goes on while others are made."""
        return asyncio.ensure_future(call)

    @in_workspace(query=queries)
    def count(self, query: TaskQuery) -> None:
        counted = self._await(self.store.repository.count(query))
        _agree(counted, sum(map(query.matches, self.model.tasks.values())), "count() counts what find() lists")

    @in_workspace(generation=generations, seq=st.integers(0, 30), limit=st.integers(1, 5))
    def read_changes(self, generation: str, seq: int, limit: int) -> None:
        position = Position(self._generation(generation), seq)
        gone = not self.model.pruned_seq <= seq <= len(self.model.log) or (
            position not in (LOG_START, self._position(seq))
        )
        try:
            page = self._await(self.store.repository.read_changes(position, limit=limit))
        except PositionGone:
            assert gone, "a position within the log is good"
        else:
            assert not gone, "a position outside the log, or of another workspace, is gone"
            wanted = self.model.log[seq : seq + limit][: len(page.changes)]
            _agree(list(page.changes), wanted, "the log is the model's")
            assert page.changes or seq == len(self.model.log), "there are none only at the head"

    @in_workspace(task_id=st.integers(0, 9), seq=st.none() | st.integers(0, 30), limit=st.sampled_from([1, 2, 100]))
    def task_changes(self, task_id: int, seq: int | None, limit: int) -> None:
        since = LOG_START if seq is None else self._position(seq)
        log = self.model.log[self.model.pruned_seq :]
        of_task = [change for change in log if change.task_id == task_id]
        gone = since != LOG_START and not self.model.pruned_seq <= since.seq <= len(self.model.log)
        unknown = not of_task and task_id not in self.model.tasks
        call = self.store.repository.task_changes(task_id, since, limit=limit)
        if gone or unknown:
            refused = tuple(kind for kind, is_so in ((PositionGone, gone), (TaskNotFound, unknown)) if is_so)
            self._await(raised(refused, call, "task_changes() knows what the log and the list know"))
            return
        page = self._await(call)
        wanted = [change for change in of_task if change.seq > since.seq]
        _agree(list(page.changes), wanted[:limit], "task_changes() gives those of the log that are of the task")
        more = len(wanted) > limit
        _agree((page.next.seq, page.more), (wanted[limit - 1].seq if more else len(self.model.log), more), "the end")

    @in_workspace(after=st.sampled_from(["", "I", "a"]), limit=st.sampled_from([1, 2, 100]))
    def lists(self, after: str, limit: int) -> None:
        names = sorted({task.list for task in self.model.tasks.values() if task.list > after})[:limit]
        within = {name: [task for task in self.model.tasks.values() if task.list == name] for name in names}
        wanted = [ListSummary(name, sum(not task.done for task in each), len(each)) for name, each in within.items()]
        found = self._await(self.store.repository.lists(after=after, limit=limit))
        _agree(list(found), wanted, "lists() counts the tasks of each list")

    @precondition(lambda self: self._has_workspaces)
    @step(prefix=st.sampled_from(["", "d", "default"]), limit=st.sampled_from([1, 2, 100]))
    def list_workspaces(self, prefix: str, limit: int) -> None:
        summaries = self._await(self.store.repository.workspaces(prefix=prefix, limit=limit))
        wanted = [
            WorkspaceSummary(
                name,
                len(model.tasks),
                sum(not task.done for task in model.tasks.values()),
                model.log[-1].at if len(model.log) > model.pruned_seq else None,
            )
            for name, model in sorted(self.models.items())
            if model.generation and name.startswith(prefix)
        ]
        _agree(list(summaries), wanted[:limit], "workspaces() tells what is made, and what is in it")

    @precondition(lambda self: self._has_workspaces)
    @step(limit=st.sampled_from([1, 2, 100]))
    def follow(self, limit: int) -> None:
        """Asks for the workspaces that changed, to the end."""
        named: set[str] = set()
        for _ in range(1_000):
            page = self._await(self.store.repository.changed_workspaces(self.token, limit=limit))
            assert len(page.names) <= limit, "changed_workspaces() names at most `limit`"
            named.update(page.names)
            self.token = page.next
            if not page.more:
                break
        else:
            raise AssertionError("changed_workspaces() comes to an end")
        assert named >= self.changed, f"changed_workspaces() omits none that changed: {self.changed - named}"
        made = {name for name, model in self.models.items() if model.generation}
        assert named <= made, f"changed_workspaces() names workspaces that are made: {named - made}"
        self.changed.clear()

    @precondition(lambda self: self._has_workspaces and self.erasures < ERASURES)
    @in_workspace()
    def erase(self) -> None:
        self.erasures += 1
        workspace, generation = self.store.workspace, self.model.generation
        self._await(self.store.repository.erase())
        self.models[workspace] = Model(self.model.records)
        self.changed.discard(workspace)
        if generation:
            self.former[workspace] = generation
            self.gone.add(generation)
        if workspace == DEFAULT_WORKSPACE:
            self.model.generation = self._await(self.store.generation())
            assert self.model.generation not in {"", *self.gone}, "an erased default workspace has a new generation"

    @precondition(lambda self: Capability.DURABLE in self.capabilities)
    @step()
    def reopen(self) -> None:
        self._await(self.store.reopen())

    @precondition(lambda self: Capability.PRUNE in self.capabilities)
    @step(log_before=times, max_changes=st.integers(0, 9), keys_before=times)
    def prune(self, log_before: datetime, max_changes: int, keys_before: datetime) -> None:
        for model in self.models.values():
            model.prune(log_before=log_before, max_changes=max_changes, keys_before=keys_before)
        for _ in range(1_000):
            more = self._await(
                self.store.repository.prune(
                    log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=2
                )
            )
            if not more:
                return
        raise AssertionError("prune() comes to an end")

    @precondition(lambda self: Capability.DUMP in self.capabilities and self.moves < MOVES)
    @step()
    def move(self) -> None:
        """Replaces the store by a copy of it."""
        self.moves += 1
        self.store = self._await(self._copy())
        made = {name: model for name, model in self.models.items() if model.generation}
        before = {model.generation for model in made.values()}
        for name, model in made.items():
            self.store.workspace = name
            model.generation = self._await(self.store.generation())
            assert model.generation not in before, "each workspace of a restored store has a new generation"
        self.changed.update(made)  # the token is of another store

    async def _copy(self) -> Store:
        entries = [entry async for entry in self.store.repository.dump()]

        other = await self._root.another()
        await other.repository.restore(each_of(entries))
        await self.store.close()
        return other

    # ------------------------------------------------------------ invariants

    @property
    def _head(self) -> Position:
        return self._position(len(self.model.log))

    def _position(self, seq: int) -> Position:
        return Position(self.model.generation, seq)

    @invariant()
    def store_and_model_agree(self) -> None:
        """Compares the workspace of the last call and one other, which is another one each time."""
        entered = self.store.workspace
        compared = dict.fromkeys([entered, list(self.models)[len(self.steps) % len(self.models)]])
        for workspace in compared:
            self.store.workspace = workspace
            self._await(self._compare())
        self.store.workspace = entered

    async def _compare(self) -> None:
        tasks = await self.store.listed()
        held = [self.model.tasks[task_id] for task_id in sorted(self.model.tasks)]
        _agree(_told(tasks), _told(held), "the list is the model's")
        _agree(await self.store.head(), self._head, "the position is the model's")
        log = await self.store.log(Position(self.model.generation, self.model.pruned_seq))
        _agree(log, self.model.log[self.model.pruned_seq :], "the log is the model's")
        if self.store.workspace in self.former:
            former = Position(self._generation(FORMER), len(self.model.log))
            await raised(
                PositionGone, self.store.log(former), "a position of before an erasure is gone, whatever its number is"
            )
        if Capability.RECORDS in self.capabilities:
            for namespace in ("a", "b"):
                records = await self.store.repository.records(namespace, limit=100)
                wanted = [self.model.records[name] for name in sorted(self.model.records) if name[0] == namespace]
                _agree(_told(records), _told(wanted), "the records are the model's")


class StateMachineContract(StoreUnderTest):
    """Tests that a store does what the model does."""

    def test_a_store_behaves_as_its_model(self, tmp_path: Path) -> None:
        numbers = itertools.count()
        machines: list[StoreMachine] = []

        class Machine(StoreMachine):
            def __init__(machine) -> None:  # noqa: N805  (`self` is the contract)
                super().__init__(self, tmp_path / f"run-{next(numbers)}")
                machines[:] = [machine]

        try:
            run_state_machine_as_test(Machine, settings=steady(32, steps=30))
        except Exception as error:
            failure = _shortened(Machine, error, machines[0].steps, seconds=self.shortening)
        else:
            return
        raise failure


def _shortened(
    machine: Callable[[], StoreMachine], error: Exception, steps: list[Step], *, seconds: float
) -> Exception:
    """Returns an error that names the broken rule and the fewest steps found that break it; `error` if none do."""
    end = time.monotonic() + seconds
    shortest = steps

    def fails(steps: list[Step]) -> bool:
        """Makes the steps on a new store. Returns whether the same goes wrong."""
        nonlocal error, shortest
        found = _failure(machine(), steps)
        if found is None or _rule(found) != _rule(error):
            return False
        error, shortest = found, steps
        return True

    if not fails(steps):
        return error
    size = len(steps)
    while size and time.monotonic() < end:
        place = 0
        while place < len(shortest) and time.monotonic() < end:
            if not fails(shortest[:place] + shortest[place + size :]):
                place += size
        size = size // 2 if size > 1 else 0
    told = "\n".join(f"    {each}" for each in shortest)
    report = f"{_rule(error)}\n  after these calls, of {len(steps)} that hypothesis made:\n{told}"
    details = str(error).partition("\n")[2]
    shorter = AssertionError(f"{report}\n{details}")
    shorter.__suppress_context__ = True
    return shorter


def _failure(machine: StoreMachine, steps: list[Step]) -> Exception | None:
    try:
        for method, values in steps:
            method(machine, **values)
            machine.store_and_model_agree()
    except Exception as error:
        return error
    finally:
        machine.teardown()
    return None


def _rule(error: Exception) -> str:
    """Returns the rule that an error names."""
    text = str(error).partition("\n")[0]
    if isinstance(error, AssertionError):
        return text
    return f"no call raises an error where the model answers, and one raised {type(error).__name__}: {text}"
