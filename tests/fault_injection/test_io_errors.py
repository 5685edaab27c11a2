"""Each call that writes or syncs fails once: nothing false is acknowledged, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from http_client import ask
from service_process import RunningService

from fault_injection.script import SCRIPT, State, repeat_creations, run_script, shown
from fault_injection.strace import STORE_CALLS, Trace
from tasksvc.application import transfer
from tasksvc.cli.stores import open_to_read
from tasksvc.ports.store_url import StoreURL

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tracing")]

ERRORS = ("EIO", "ENOSPC")
SAMPLE = 5
FIRST = int(os.environ.get("TASKSVC_TEST_FAULTS", "200"))
"""The number of calls that are tested one by one, in the long form."""

CREATED = {
    "": "SELECT description, count(*) FROM changes WHERE kind = 'created' GROUP BY description",
    "/workspaces/a": "SELECT description, count(*) FROM versions WHERE kind = 'created' GROUP BY description",
}
"""The statement for all creations in a workspace, by the prefix of its paths."""

KEPT = ("--store", "sqlite:///kept.db", "--log-format", "none")


class Fault:
    """The nth call of one kind. One thread makes all of them, since strace counts calls for each thread."""

    def __init__(self, name: str, number: int, file: str) -> None:
        self.name, self.number, self.file = name, number, file


@pytest.fixture(scope="session", params=CREATED)
def prefix(request: pytest.FixtureRequest) -> str:
    """The prefix of the paths of the workspace in which the script runs."""
    return str(request.param)


@pytest.fixture(scope="session")
def faults(prefix: str, tmp_path_factory: pytest.TempPathFactory) -> list[Fault]:
    """Returns all calls of a run of the script, from the start to the end of the service."""
    folder = tmp_path_factory.mktemp("all")
    trace = Trace(folder / "trace", *STORE_CALLS)
    with RunningService(*KEPT, folder=folder, before=trace.command) as service:
        outcome = run_script(service.url, prefix)
    assert outcome.wrong == []
    assert set(outcome.statuses) == {200, 201, 204}
    counts, found = Counter[str](), list[Fault]()
    for call in trace.calls():
        counts[call.name] += 1
        found.append(Fault(call.name, counts[call.name], call.file))
    return found


@pytest.mark.parametrize("part", range(SAMPLE))
def test_a_failing_call_never_leads_to_a_false_acknowledgement(
    part: int, prefix: str, faults: list[Fault], tmp_path: Path
) -> None:
    """Tests some of the calls, from the first to the last."""
    fail_once(faults[part * (len(faults) - 1) // (SAMPLE - 1)], ERRORS[part % len(ERRORS)], prefix, tmp_path)


@pytest.mark.parametrize("error", ERRORS)
def test_a_sync_that_fails_ends_writing_and_readiness_says_why(
    error: str, prefix: str, faults: list[Fault], tmp_path: Path
) -> None:
    syncs = [fault for fault in faults if (fault.name, fault.file) == ("fdatasync", "kept.db-wal")]

    statuses, ready = fail_once(syncs[len(syncs) // 2], error, prefix, tmp_path)

    first = next(n for n, status in enumerate(statuses) if status == 503)
    assert statuses[first:] == [503] * len(statuses[first:])
    assert ready is not None
    assert (ready[0], "Writing to" in ready[1], "restart" in ready[1].lower()) == (503, True, True)


@pytest.mark.soak
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("number", range(FIRST))
def test_a_failure_of_each_of_the_first_calls_never_leads_to_a_false_acknowledgement(
    number: int, error: str, prefix: str, faults: list[Fault], tmp_path: Path
) -> None:
    if number >= len(faults):
        pytest.skip(f"the script makes {len(faults)} calls")
    fault = faults[number]

    statuses, _ = fail_once(fault, error, prefix, tmp_path)

    answers = ", ".join(f"{count} x {status}" for status, count in sorted(Counter(statuses).items()))
    print(f"{fault.name} {fault.number}, {fault.file}, {error}: {answers or 'refused to start'}")  # noqa: T201


def fail_once(fault: Fault, error: str, prefix: str, folder: Path) -> tuple[list[int], tuple[int, str] | None]:
    """Returns the statuses of the script's writes, and readiness after them; none if the start failed."""
    trace = Trace(folder / "trace", *STORE_CALLS, failing=f"{fault.name}:error={error}:when={fault.number}")
    service = RunningService(*KEPT, folder=folder, before=trace.command)
    possible, statuses, ready = {State()}, list[int](), None
    service.begin()
    if service.gets_ready():
        outcome = run_script(service.url, prefix)
        answer = ask(service.url, "GET", "/health/ready")
        ready = answer.status, answer.document.get("detail", "")
        possible, statuses = outcome.possible, outcome.statuses
        assert outcome.wrong == []
        assert service.stop() == 0, service.output
    else:
        assert service.wait() == 1
        (sentence,) = [line for line in service.output.splitlines() if " INFO " not in line]
        assert sentence.startswith("tasksvc: ")
    assert trace.text().count("(INJECTED)") == 1, "The script does not always do the same."

    with RunningService(*KEPT, folder=folder) as service:
        held = State(task["description"] for task in ask(service.url, "GET", f"{prefix}/tasks/").document)
        assert held in possible, f"The store holds {shown(held)}; it may hold {[shown(state) for state in possible]}."
        repeated = repeat_creations(service.url, prefix)
        tasks = [task["description"] for task in ask(service.url, "GET", f"{prefix}/tasks/").document]
    assert {answer.status for answer in repeated} <= {200, 201}
    assert len(tasks) == len(set(tasks))
    assert asyncio.run(problems(folder / "kept.db")) == []
    with closing(sqlite3.connect(folder / "kept.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        made = store.execute(CREATED[prefix])
        assert dict(made) == dict.fromkeys(
            frozenset().union(*(step.new for step in SCRIPT if step.method == "POST")), 1
        )
    return statuses, ready


async def problems(file: Path) -> list[str]:
    """Returns what `tasksvc check` reports."""
    async with open_to_read(StoreURL(f"sqlite:///{file}")) as reader:
        return [problem async for problem in transfer.check(reader)]
