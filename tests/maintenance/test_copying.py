"""The command tasksvc copy: everything, from any store to any other."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterable
from pathlib import Path

import pytest
from heads import generation_of
from service_process import RunningService, run_here, run_tasksvc

from maintenance.conftest import KINDS, NewURL, Open
from maintenance.contents import KEY, contents, fill, fill_workspaces
from tasksvc import (
    CreateTask,
    InMemoryRepository,
    PositionGone,
    StoreEntry,
    StoreNotEmpty,
    Task,
    TaskDraft,
    TaskQuery,
)
from tasksvc.application.transfer import CopyVerificationFailed, SameStore, copy, summarize
from tasksvc.store_adapters import open_repository
from tasksvc.testing.samples import FULL, NOW


@pytest.mark.parametrize(("source_kind", "target_kind"), list(itertools.product(KINDS, KINDS)))
async def test_a_copy_holds_what_its_source_holds(
    source_kind: str, target_kind: str, new_url: NewURL, open_store: Open
) -> None:
    source, target = await open_store(new_url(source_kind)), await open_store(new_url(target_kind))
    await fill(source)

    summary = await copy(source, target)

    assert await contents(target) == await contents(source)
    assert summary == await summarize(source) == await summarize(target)
    assert summary[:4] == (30, 2, 2, 26), "tasks, records, idempotency keys, and the changes that were not pruned"


@pytest.mark.parametrize(("source_kind", "target_kind"), list(itertools.product(KINDS, KINDS)))
async def test_a_copy_holds_all_workspaces(
    source_kind: str, target_kind: str, new_url: NewURL, open_store: Open
) -> None:
    source, target = await open_store(new_url(source_kind)), await open_store(new_url(target_kind))
    await fill_workspaces(source)

    summary = await copy(source, target)

    assert await contents(target) == await contents(source)
    assert summary == await summarize(source) == await summarize(target)
    assert summary[:4] == (34, 2, 4, 33), "tasks, records, idempotency keys and changes of all workspaces"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_copy_continues_ids_keys_and_numbers_in_a_new_generation(
    kind: str, new_url: NewURL, open_store: Open
) -> None:
    source, target = await open_store(new_url("memory")), await open_store(new_url(kind))
    await fill(source)
    position = (await source.find(TaskQuery(), limit=1)).position

    await copy(source, target)

    again = await target.commit([CreateTask(FULL)], at=NOW, idempotency_key=KEY)
    added = await target.commit([CreateTask(TaskDraft("next"))], at=NOW)
    assert again.replayed, "idempotency keys are copied"
    assert isinstance(added.results[0], Task)
    assert added.results[0].id == 33, "no id is given twice"
    assert added.position.seq == position.seq + 1, "the log goes on"
    with pytest.raises(PositionGone):
        await target.read_changes(position, limit=1)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_target_that_is_not_empty_is_left_as_it_is(kind: str, new_url: NewURL, open_store: Open) -> None:
    source, target = await open_store(new_url("memory")), await open_store(new_url(kind))
    await fill(source)
    await target.commit([CreateTask(TaskDraft("mine"))], at=NOW)
    before = await contents(target)

    with pytest.raises(StoreNotEmpty):
        await copy(source, target)

    assert await contents(target) == before


async def test_a_store_is_not_copied_to_itself(new_url: NewURL, open_store: Open) -> None:
    store = await open_store(new_url("sqlite"))
    generation = await generation_of(store)

    with pytest.raises(SameStore):
        await copy(store, store)

    assert await generation_of(store) == generation


class ForgetfulRepository(InMemoryRepository):
    """Loses a task while it is restored, without an error."""

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        await super().restore(
            unit async for unit in entries if not (isinstance(unit.entry, Task) and unit.entry.id == 7)
        )


async def test_a_copy_that_lacks_something_is_noticed(open_store: Open) -> None:
    source = await open_store("memory://")
    await fill(source)

    with pytest.raises(CopyVerificationFailed, match="Do not use the copy"):
        await copy(source, ForgetfulRepository())


async def test_progress_goes_from_the_beginning_to_the_end_of_each_step(open_store: Open) -> None:
    source = await open_store("memory://")
    for _ in range(3):
        await source.commit([CreateTask(TaskDraft("x")) for _ in range(1_000)], at=NOW)
    seen: list[tuple[str, float]] = []

    await copy(source, await open_store("memory://"), progress=lambda step, share: seen.append((step, share)))

    for step in ("copying", "reading"):
        shares = [share for at, share in seen if at == step]
        assert shares == sorted(shares), "progress never goes back"
        assert 0 < shares[0] < 0.5, "it begins at the beginning"
        assert 0.9 < shares[-1] <= 1, "and ends at the end"


# ---------------------------------------------------------------- the command


@pytest.fixture
async def source_url(new_url: NewURL) -> str:
    """The URL of a store that is filled and closed."""
    url = new_url("sqlite")
    repository = await open_repository(url)
    await fill(repository)
    await repository.close()
    return url


@pytest.mark.postgresql
async def test_the_command_copies_in_both_directions_and_says_what(
    source_url: str, new_url: NewURL, tmp_path: Path, open_store: Open
) -> None:
    middle, end = new_url("postgresql"), new_url("sqlite")

    there = run_tasksvc("copy", source_url, middle, folder=tmp_path)
    back = run_tasksvc("copy", middle, end, folder=tmp_path)

    assert (there.returncode, there.stderr) == (back.returncode, back.stderr) == (0, "")
    assert "30 tasks, 26 changes, 2 records, 2 idempotency keys; checksum " in there.stdout
    assert there.stdout.partition(";")[2] == back.stdout.partition(";")[2]
    assert await contents(await open_store(source_url)) == await contents(await open_store(end))


def test_the_command_refuses_a_target_that_is_not_empty(source_url: str, tmp_path: Path) -> None:
    run_here("copy", source_url, "sqlite:///target.db", folder=tmp_path)

    again = run_here("copy", source_url, "sqlite:///target.db", folder=tmp_path)

    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == (
        "tasksvc: sqlite:///target.db holds something already, and was left as it is. Name a new store.\n"
    )


def test_the_command_creates_nothing_if_the_source_is_missing(tmp_path: Path) -> None:
    done = run_here("copy", "sqlite:///typo.db", "sqlite:///target.db", folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr == f"tasksvc: There is no store in {tmp_path}/typo.db. Name a file that is there.\n"
    assert list(tmp_path.iterdir()) == []


def test_the_command_shows_no_password(tmp_path: Path) -> None:
    url = "postgresql://user:sesame@127.0.0.1:1/db?start_timeout=0"

    done = run_here("copy", url, "sqlite:///target.db", folder=tmp_path)

    assert done.returncode == 1
    assert "sesame" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_is_copied_from_while_it_is_served_and_not_to(source_url: str, tmp_path: Path) -> None:
    with RunningService("--store", source_url, folder=tmp_path):
        away = run_here("copy", source_url, "sqlite:///target.db", folder=tmp_path)
        back = run_here("copy", "sqlite:///target.db", source_url, folder=tmp_path)

    assert away.returncode == 0, away.stderr
    assert back.returncode == 1
    assert "is in use already" in back.stderr
