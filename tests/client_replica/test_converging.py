"""Two replicas, online and offline, beside another client: all end with the same tasks, and each write is done once."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from service_process import RunningService
from tasksvc_client import Conflict, Decision, SyncClient, SyncReplica, Task

from client_replica.conftest import contents

WRITERS = st.sampled_from(["one", "two", "others"])
PICKS = st.integers(0, 30)
PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "notes": st.sampled_from([None, "a", "b"]),
        "done": st.booleans(),
        "priority": st.integers(0, 2),
        "labels": st.sampled_from([[], ["x"], ["x", "y"]]),
        "list": st.sampled_from(["inbox", "garden"]),
        "metadata": st.sampled_from([None, {"a": 1}, {"a": None, "b": 2}, {"a": True}]),
    },
).filter(bool)
DUES = st.sampled_from([{"due_on": "2026-12-01"}, {"due_at": "2026-12-01T09:00:00Z"}, {"due_on": None}])


class Converging(RuleBasedStateMachine):
    """A workspace, two replicas of it, and another client."""

    url = ""

    @initialize(decides=st.booleans())
    def begin(self, decides: bool) -> None:
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.client = self.stack.enter_context(SyncClient(self.url, workspace=uuid4().hex))
        self.decide = self.merged if decides else None
        self.paths = {name: folder / f"{name}.db" for name in ("one", "two")}
        self.replicas = {name: SyncReplica(path, self.client, self.decide) for name, path in self.paths.items()}
        self.created = Counter[str]()
        self.last = dict[str, Any]()

    @staticmethod
    def merged(conflict: Conflict) -> Decision:
        """Brings back what was deleted, and lets the smaller text win."""
        if conflict.theirs is None or conflict.mine is None or conflict.base is None:
            return conflict.fields or None
        return {"notes": min(conflict.theirs.notes, conflict.mine.notes)}

    def writer(self, name: str) -> SyncClient | SyncReplica:
        return self.client if name == "others" else self.replicas[name]

    def pick(self, name: str, number: int) -> Task | None:
        tasks = list(self.writer(name).find())
        return tasks[number % len(tasks)] if tasks else None

    @rule(name=WRITERS, fields=PATCHES, due=DUES, parent=PICKS | st.none())
    def create(self, name: str, fields: Any, due: Any, parent: int | None) -> None:
        description = uuid4().hex
        above = None if parent is None else self.pick(name, parent)
        given = {field: value for field, value in {**fields, **due}.items() if value is not None}
        if "metadata" in given:
            given["metadata"] = {"a": 0}
        if above is not None and above.parent_id is None:
            given["parent_id"] = above.id
        self.writer(name).create(description, **given)
        self.created[description] += 1

    @rule(name=WRITERS, number=PICKS, fields=PATCHES | DUES)
    def update(self, name: str, number: int, fields: Any) -> None:
        if (task := self.pick(name, number)) is not None:
            self.writer(name).update(task.id, **fields)

    @rule(name=WRITERS, number=PICKS, children=st.sampled_from([None, "delete"]))
    def delete(self, name: str, number: int, children: Any) -> None:
        if (task := self.pick(name, number)) is not None:
            self.writer(name).delete(task.id, children=children)

    @rule(name=st.sampled_from(["one", "two"]))
    def sync(self, name: str) -> None:
        replica = self.replicas[name]
        replica.sync()
        assert replica.waiting() == []
        assert contents(replica) == contents(self.client)

    @rule(name=st.sampled_from(["one", "two"]))
    def send_without_reading(self, name: str) -> None:
        replica = self.replicas[name]
        if replica.position is not None:
            replica.sync(to=replica.position)
            assert replica.waiting() == []

    @rule(name=st.sampled_from(["one", "two"]))
    def open_again(self, name: str) -> None:
        before = contents(self.replicas[name])
        self.replicas[name].close()
        self.replicas[name] = SyncReplica(self.paths[name], self.client, self.decide)
        assert contents(self.replicas[name]) == before

    @invariant()
    def no_task_is_shown_twice(self) -> None:
        for replica in getattr(self, "replicas", {}).values():
            shown = Counter(task.description for task in replica.find())
            assert not shown or max(shown.values()) == 1

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        with self.stack:
            for name in ("one", "two", "one"):
                self.replicas[name].sync()
            for replica in self.replicas.values():
                assert contents(replica) == contents(self.client)
                assert replica.waiting() == []
            log = list(self.client.changes())
            created = Counter(change.task.description for change in log if change.type == "created" and change.task)
            refused = {write.fields.get("description") for each in self.replicas.values() for write in each.refused()}
            first = [change for change in log if change.type == "created" and change.task and change.task.version == 1]
            assert {change.task.description for change in first if change.task} | refused >= self.created.keys()
            assert len(first) == len({change.task.description for change in first if change.task})
            assert created.keys() <= self.created.keys()
            for replica in self.replicas.values():
                replica.close()


def converge(service: RunningService, examples: int, steps: int) -> None:
    Converging.url = service.url
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(Converging, settings=limits)


def test_all_have_the_same_in_the_end(service: RunningService) -> None:
    converge(service, 10, 15)


@pytest.mark.soak
def test_all_have_the_same_in_the_end_however_long(service: RunningService) -> None:
    converge(service, 400, 40)
