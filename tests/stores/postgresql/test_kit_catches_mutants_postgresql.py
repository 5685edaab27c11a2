"""The contract kit catches faults that only a store on a server can have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tasksvc_postgresql import commit, repository, settings
from tasksvc_postgresql.errors import translate_error
from tasksvc_postgresql.listener import NotifyListener
from tasksvc_postgresql.repository import PostgreSQLRepository
from tasksvc_postgresql.session import Session

from stores.postgresql.test_contract_postgresql import TestPostgresql as Kit
from tasksvc import Page, Position, TaskQuery, TasksvcError
from tasksvc.network import Executor, Failure, LogHeads

Patch = pytest.MonkeyPatch


def locks_nothing(patch: Patch) -> None:
    """Several processes number the log of a workspace from the same end."""
    patch.setattr(commit, "lock", lambda names, **_: f"SELECT FROM workspaces LIMIT {len(names)}")


def takes_the_position_from_memory(patch: Patch) -> None:
    """The position of a page is the last one that this process heard of."""
    find, heads = PostgreSQLRepository.find, {}
    note = NotifyListener.note

    def remember(self: NotifyListener, workspace: str, position: Position) -> None:
        heads[workspace] = position
        note(self, workspace, position)

    async def find_it(self: PostgreSQLRepository, query: TaskQuery, **options: Any) -> Page:
        page = await find(self, query, **options)
        return page._replace(position=heads.get(self.workspace_name, page.position))

    patch.setattr(NotifyListener, "note", remember)
    patch.setattr(PostgreSQLRepository, "find", find_it)


def says_that_nothing_was_written(patch: Patch) -> None:
    """A connection that is lost while it commits is reported as if the commit hadn't been sent."""
    patch.setattr(Session, "committing", property(lambda self: False, lambda self, value: None), raising=False)


def is_deaf(patch: Patch) -> None:
    """Readers hear of the commits of their own repository alone."""

    async def wait(self: PostgreSQLRepository, since: Position, *, timeout: float) -> None:
        self._store.listener.settling = 0.0
        await LogHeads.wait(self._store.listener, self.workspace_name, since, timeout=timeout)

    patch.setattr(PostgreSQLRepository, "wait_for_change", wait)


def reads_without_a_limit(patch: Patch) -> None:
    """Neither the repository nor the driver nor the server ends a statement that takes too long."""
    patch.setattr(Executor, "deadline", lambda self, since=None: self._loop.time() + 1_000)
    patch.setattr(Session, "_timeout", property(lambda self: 1_000, lambda self, value: None), raising=False)
    patch.setattr(settings, "_defaults", lambda timeout: {"statement_timeout": "0"})


def takes_idle_connections_as_they_are(patch: Patch) -> None:
    """A statement on a connection that the server has closed isn't repeated on another one."""

    def translate(error: Exception, *, name: str) -> Failure | None:
        failure = translate_error(error, name=name)
        return failure and failure._replace(retryable=False)

    patch.setattr(repository, "translate_error", translate)


MUTANTS = [
    (says_that_nothing_was_written, "test_a_commit_whose_answer_is_lost_is_of_unknown_outcome"),
    (is_deaf, "test_a_change_wakes_readers_in_all_processes"),
    (reads_without_a_limit, "test_reads_of_a_store_that_hangs_end_by_themselves"),
    (takes_idle_connections_as_they_are, "test_connections_that_broke_are_replaced_for_reads"),
    (locks_nothing, "test_writers_of_several_processes_write_one_log"),
    (takes_the_position_from_memory, "test_a_page_has_the_position_of_its_own_snapshot"),
]


@pytest.mark.parametrize(("break_it", "caught_by"), MUTANTS, ids=lambda value: getattr(value, "__name__", None))
def test_the_kit_catches(
    break_it: Callable[[Patch], None], caught_by: str, server_url: str, tmp_path: Path, monkeypatch: Patch
) -> None:
    kit = Kit()
    kit.patience = 20.0
    kit.server_url = server_url
    break_it(monkeypatch)

    with pytest.raises((AssertionError, TasksvcError)) as caught:
        getattr(kit, caught_by)(tmp_path)

    assert str(caught.value), "the failure explains itself"
