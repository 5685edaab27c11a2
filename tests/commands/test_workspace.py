"""The command tasksvc workspace, with a store that isn't served, and with a service; and tasksvc compact."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from http_client import ask
from patience import PATIENCE_SECONDS
from service_process import RunningService, environment_with
from terminals import read_to_end

from commands.cli_runner import CommandLine, Done
from tasksvc import CreateTask, DeleteTask, TaskDraft, TaskRepository, UpdateTask
from tasksvc.application import workspace_import
from tasksvc.application.clock import now
from tasksvc.application.tokens import new_secret
from tasksvc.application.workspaces import prune_erased
from tasksvc.cli.commands.workspace import PAGE
from tasksvc.store_adapters import open_repository

needs_jsonl = pytest.mark.skipif(find_spec("tasksvc_jsonl") is None, reason="needs examples/tasksvc_jsonl")
LONG_AGO = datetime(2020, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
SQLITE = "sqlite:///tasks.db"
STORES = [
    pytest.param(SQLITE, id="sqlite"),
    pytest.param("jsonl:///tasks.jsonl", id="jsonl", marks=needs_jsonl),
]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> tuple[str, str]:
    return "--store", request.param


def lines(done: Done) -> list[str]:
    assert (done.status, done.said) == (0, "")
    return done.printed.splitlines()


def refusal(done: Done) -> str:
    """Returns the sentence that a failing command prints."""
    assert (done.status, done.printed, done.said.count("\n")) == (1, "", 1)
    return done.said.removeprefix("tasksvc: ").rstrip("\n")


def fill(store: Sequence[str], *names: str) -> None:
    """Creates three tasks in each workspace, completes the second one, and deletes the first and the third."""

    async def write() -> None:
        repository = await open_repository(store[1])
        for name in names:
            await write_tasks(repository.workspace(name), name)
        await repository.close()

    asyncio.run(write())


async def fill_with_many(store: Sequence[str], name: str) -> None:
    repository = await open_repository(store[1])
    await repository.workspace(name).commit([CreateTask(TaskDraft(f"many of {name}"))] * 2_000, at=now())
    await repository.close()


async def write_tasks(workspace: TaskRepository, name: str) -> None:
    for number in range(3):
        draft = TaskDraft(f"{number} of {name}", labels=("a",), metadata={"number": number})
        await workspace.commit([CreateTask(draft)], at=now())
    await workspace.commit([UpdateTask(2, {"done": True})], at=now())
    await workspace.commit([DeleteTask(1), DeleteTask(3)], at=now())


async def is_left_behind(store: Sequence[str]) -> bool:
    """Returns whether something is left of erased workspaces, by deleting a part of it."""
    repository = await open_repository(store[1])
    try:
        return await prune_erased(repository, limit=1)
    finally:
        await repository.close()


def export_of(tasksvc: CommandLine, name: str, store: Sequence[str]) -> str:
    """Returns the export of a workspace."""
    with TemporaryDirectory() as folder:
        assert tasksvc("workspace", "export", name, f"{folder}/export", *store).status == 0
        return Path(folder, "export").read_text()


def tasks_of(export: str) -> list[dict[str, Any]]:
    """Returns the tasks in an export, without what an import doesn't keep."""
    found = [line["task"] for line in map(json.loads, export.splitlines()) if "task" in line]
    return [{**task, "version": None, "updated_at": None} for task in found]


# ---------------------------------------------------------------- list and erase


def test_the_list_has_a_line_for_each_workspace(tasksvc: CommandLine, store: Sequence[str]) -> None:
    fill(store, "u_1", "u_2", "v")

    default, *others = lines(tasksvc("workspace", "list", *store))

    assert default == "default  0 tasks, 0 open"
    assert [line.partition("  changed 20")[0] for line in others] == [
        f"{name}  1 task, 0 open" for name in ("u_1", "u_2", "v")
    ]
    assert lines(tasksvc("workspace", "list", "--prefix", "u_", *store)) == others[:2]


def test_an_erased_workspace_is_gone_and_the_tokens_that_name_it_are_listed(
    tasksvc: CommandLine, store: Sequence[str]
) -> None:
    fill(store, "u_1", "u_2")
    tasksvc("token", "create", "ann", "--workspace", "u_1", *store)
    tasksvc("token", "create", "bob", "--workspace", "u_2", *store)
    tasksvc("token", "create", "everywhere", *store)

    erased = tasksvc("workspace", "erase", "u_1", "--yes", *store)
    again = tasksvc("workspace", "erase", "u_1", "--yes", *store)

    assert erased == (0, "The workspace u_1 is erased.\n", "These tokens name it, and stay valid: ann.\n")
    assert refusal(again) == "There is no workspace u_1, so nothing was erased."
    assert [line.partition(" ")[0] for line in lines(tasksvc("workspace", "list", *store))] == ["default", "u_2"]
    assert tasksvc("check", *store).status == 0
    assert not asyncio.run(is_left_behind(store))


def test_nothing_is_erased_that_nobody_confirms(tasksvc: CommandLine, store: Sequence[str]) -> None:
    fill(store, "u_1")

    assert refusal(tasksvc("workspace", "erase", "u_1", *store)) == (
        "An erasure can't be undone. Confirm it with --yes."
    )
    assert "'a/b' cannot be the name" in refusal(tasksvc("workspace", "erase", "a/b", "--yes", *store))
    assert len(lines(tasksvc("workspace", "list", *store))) == 2


@pytest.mark.parametrize(
    ("answer", "status"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1), (b"\x04", 130)], ids=["yes", "no", "nothing", "Ctrl-D"]
)
def test_on_a_terminal_an_erasure_is_confirmed_by_an_answer(answer: bytes, status: int, tmp_path: Path) -> None:
    store = ("--store", f"sqlite:///{tmp_path}/tasks.db")
    fill(store, "u_1")
    command = [sys.executable, "-m", "tasksvc", "workspace", "erase", "u_1", *store]
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment_with(None)) as process:
        os.close(theirs)
        asked = b""
        while b"[y/N]" not in asked:
            asked += os.read(ours, 1_000)
        os.write(ours, answer)
        read_to_end(ours)
        code = process.wait(PATIENCE_SECONDS)

    assert b"Erase the workspace u_1 with 1 task? It can't be undone." in asked
    assert code == status


def test_a_store_that_is_not_there_is_not_made(tasksvc: CommandLine, store: Sequence[str]) -> None:
    for words in (("list",), ("erase", "u_1", "--yes"), ("export", "u_1", "file")):
        refusal(tasksvc("workspace", *words, *store))
    refusal(tasksvc("compact", *store))

    assert list(tasksvc.folder.iterdir()) == []


# ---------------------------------------------------------------- beside a service


@pytest.mark.parametrize("through", ["socket", "url"])
def test_a_service_lists_and_erases_workspaces_for_an_administrator(through: str, tasksvc: CommandLine) -> None:
    (tasksvc.folder / "admin-token").write_text(new_secret())
    variables = {"TASKSVC_ADMIN_TOKEN_FILE": str(tasksvc.folder / "admin-token")}
    headers = {"Authorization": f"Bearer {(tasksvc.folder / 'admin-token').read_text()}"}
    with RunningService("--store", SQLITE, folder=tasksvc.folder, environment=variables) as service:
        for name in ("u_1", "u_2"):
            ask(service.url, "POST", f"/workspaces/{name}/tasks/", {"description": "x"}, headers=headers)
        place = ("--url", service.url) if through == "url" else ("--store", SQLITE)
        tasksvc("token", "create", "ann", "--workspace", "u_1", *place, environment=variables)

        listed = lines(tasksvc("workspace", "list", *place, environment=variables))
        erased = tasksvc("workspace", "erase", "u_1", "--yes", *place, environment=variables)
        again = tasksvc("workspace", "erase", "u_1", "--yes", *place, environment=variables)
        left = lines(tasksvc("workspace", "list", *place, environment=variables))
        read = ask(service.url, "GET", "/workspaces/u_1/tasks/", headers=headers)

    assert [line.partition(" ")[0] for line in listed] == ["default", "u_1", "u_2"]
    assert erased == (0, "The workspace u_1 is erased.\n", "These tokens name it, and stay valid: ann.\n")
    assert refusal(again) == "There is no workspace u_1, so nothing was erased."
    assert left == [listed[0], listed[2]]
    assert read.document == []


@pytest.mark.parametrize("served", [True, False])
def test_the_list_goes_on_after_a_page(served: bool, tasksvc: CommandLine) -> None:
    names = sorted(f"u_{number}" for number in range(PAGE + 2))

    async def fill_all() -> None:
        repository = await open_repository(SQLITE)
        writes = [CreateTask(TaskDraft("x"))]
        await asyncio.gather(*(repository.workspace(name).commit(writes, at=now()) for name in names))
        await repository.close()

    asyncio.run(fill_all())

    with RunningService("--store", SQLITE, folder=tasksvc.folder) if served else nullcontext():
        listed = lines(tasksvc("workspace", "list", "--prefix", "u_", "--store", SQLITE))

    assert [line.partition(" ")[0] for line in listed] == names


# ---------------------------------------------------------------- export and import


def test_an_imported_workspace_has_the_tasks_of_the_exported_one(tasksvc: CommandLine, store: Sequence[str]) -> None:
    fill(store, "default", "u_1")
    exported = tasksvc("workspace", "export", "u_1", "u_1.jsonl", *store)

    imported = lines(tasksvc("workspace", "import", "u_2", "u_1.jsonl", *store))

    before = (tasksvc.folder / "u_1.jsonl").read_text()
    after = export_of(tasksvc, "u_2", store)
    assert exported.printed.startswith(f"Exported u_1 of {store[1]}: 1 task, ")
    assert "of default" not in before
    assert imported == [f"Imported into the workspace u_2 of {store[1]}: 1 task."]
    assert tasks_of(after) == tasks_of(before) != []
    for export in (before, after):
        assert '"last_id":3' in export.splitlines()[3]
    assert tasksvc("check", *store).status == 0


async def fill_with_families(store: Sequence[str], name: str) -> None:
    """Creates tasks with all fields, below one another, some of which have children with lower ids."""
    repository = await open_repository(store[1])
    workspace = repository.workspace(name)
    rich = TaskDraft(
        "water the plants",
        notes="not the cactus",
        due_on=date(2026, 12, 7),
        priority=3,
        labels=("a", "b"),
        list="garden",
        position="a0",
        metadata={"room": {"number": 4}},
        repeat={"rule": "FREQ=WEEKLY;BYDAY=MO", "zone": "Europe/Berlin", "from": "schedule"},
        uid="one@example.org",
        created_at=LONG_AGO,
    )
    done = TaskDraft("done", done=True, created_at=LONG_AGO, completed_at=LONG_AGO + timedelta(days=1))
    others = [CreateTask(TaskDraft(f"task {number}")) for number in range(3, 7)]
    await workspace.commit([CreateTask(rich), CreateTask(done), *others], at=now())
    for child, parent in ((1, 4), (2, 1), (4, 6), (5, 1)):
        await workspace.commit([UpdateTask(child, {"parent_id": parent})], at=now())
    await workspace.commit([UpdateTask(1, {"due_on": date(2026, 12, 9)}), DeleteTask(3)], at=now())
    await workspace.commit([CreateTask(rich._replace(uid=None, parent_id=2)), UpdateTask(7, {"done": True})], at=now())
    await workspace.commit([CreateTask(TaskDraft("below", parent_id=2))] * 1_500, at=now())
    await repository.close()


def test_an_import_keeps_every_field_and_who_is_below_whom(tasksvc: CommandLine, store: Sequence[str]) -> None:
    asyncio.run(fill_with_families(store, "u_1"))
    tasksvc("workspace", "export", "u_1", "u_1.jsonl", *store)

    imported = lines(tasksvc("workspace", "import", "u_2", "u_1.jsonl", *store))

    before = tasks_of((tasksvc.folder / "u_1.jsonl").read_text())
    after = tasks_of(export_of(tasksvc, "u_2", store))
    ended = {"series_id": None, "next_id": None}
    assert imported == [f"Imported into the workspace u_2 of {store[1]}: 1,507 tasks."]
    assert after == [{**task, **ended, "repeat": None if task["done"] else task["repeat"]} for task in before]
    assert [task["parent_id"] for task in after[:7]] == [4, 1, 6, 1, None, 2, 2]
    assert (after[0]["uid"], after[0]["created_at"]) == ("one@example.org", "2020-02-03T04:05:06.000007Z")
    assert after[1]["completed_at"] == "2020-02-04T04:05:06.000007Z"
    assert tasksvc("check", *store).status == 0


def test_the_export_of_a_workspace_is_an_export_of_a_store(tasksvc: CommandLine, store: Sequence[str]) -> None:
    fill(store, "default", "u_1", "a")
    for name in ("default", "u_1", "a"):
        tasksvc("workspace", "export", name, f"{name}.jsonl", *store)

        other = ("--store", store[1].replace("tasks", f"of-{name}"))
        assert tasksvc("import", f"{name}.jsonl", *other).status == 0

        assert export_of(tasksvc, name, other) == (tasksvc.folder / f"{name}.jsonl").read_text()


def test_a_workspace_is_taken_from_the_export_of_a_store(tasksvc: CommandLine, store: Sequence[str]) -> None:
    fill(store, "default", "u_1", "u_2")
    tasksvc("export", "all.jsonl", *store)
    before = export_of(tasksvc, "u_1", store)
    tasksvc("workspace", "erase", "u_1", "--yes", *store)

    imported = lines(tasksvc("workspace", "import", "u_1", "all.jsonl", *store))
    unknown = refusal(tasksvc("workspace", "import", "u_3", "all.jsonl", *store))

    assert imported == [f"Imported into the workspace u_1 of {store[1]}: 1 task."]
    assert tasks_of(export_of(tasksvc, "u_1", store)) == tasks_of(before)
    assert unknown == "The export has 3 workspaces, and none of them is u_3."


def test_a_workspace_that_is_there_is_not_filled(tasksvc: CommandLine, store: Sequence[str]) -> None:
    fill(store, "default", "u_1")
    tasksvc("workspace", "export", "u_1", "u_1.jsonl", *store)
    tasksvc("export", "before.jsonl", *store)

    refused = [refusal(tasksvc("workspace", "import", name, "u_1.jsonl", *store)) for name in ("u_1", "default")]

    assert [sentence.partition(",")[0] for sentence in refused] == [
        "The workspace u_1 is there already",
        "The workspace default is there already",
    ]
    tasksvc("export", "after.jsonl", *store)
    assert (tasksvc.folder / "after.jsonl").read_bytes() == (tasksvc.folder / "before.jsonl").read_bytes()


def test_the_workspace_of_an_import_that_fails_is_erased_again(
    tasksvc: CommandLine, store: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, "u_1")
    tasksvc("workspace", "export", "u_1", "u_1.jsonl", *store)

    async def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workspace_import, "_compare", interrupted)
    done = tasksvc("workspace", "import", "u_2", "u_1.jsonl", *store)

    assert done.status == 130
    assert [line.partition(" ")[0] for line in lines(tasksvc("workspace", "list", *store))] == ["default", "u_1"]


def test_what_is_not_there_is_not_exported(tasksvc: CommandLine, store: Sequence[str]) -> None:
    fill(store, "u_1")

    said = refusal(tasksvc("workspace", "export", "u_2", "u_2.jsonl", *store))

    assert said == "There is no workspace u_2, so there is nothing to export."
    assert not (tasksvc.folder / "u_2.jsonl").exists()


# ---------------------------------------------------------------- compact


def test_after_an_erasure_and_a_compaction_no_file_holds_anything_of_it(
    tasksvc: CommandLine, store: Sequence[str]
) -> None:
    fill(store, "erased-name", "u_2", "default")
    asyncio.run(fill_with_many(store, "erased-name"))
    tasksvc("workspace", "erase", "erased-name", "--yes", *store)

    (said,) = lines(tasksvc("compact", *store))

    before, after = (int(number.replace(",", "")) for number in re.findall(r"([\d,]+)(?: bytes| now)", said))
    assert said.startswith(f"{store[1]} is compact. It had ")
    assert before > after or store[1].startswith("jsonl")  # which pruning has rewritten already
    for file in tasksvc.folder.iterdir():
        assert b"erased-name" not in file.read_bytes(), file
    assert tasksvc("check", *store).status == 0
    assert len(lines(tasksvc("workspace", "list", *store))) == 2
