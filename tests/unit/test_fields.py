"""Every place that names the fields of a task names all of them."""

from __future__ import annotations

import inspect
import re
import sqlite3
from dataclasses import fields
from pathlib import Path

import pytest
from tasksvc_sqlite.schema import MIGRATIONS

from tasksvc import REQUIRED, TASK_FIELDS, FieldKind, Task, TaskDraft, TaskField, TaskQuery, codec
from tasksvc.api.schemas.task_fields import SET_BY_SERVICE, TASK, FilterQuery, TaskIn, TaskOut, TaskPatch
from tasksvc.domain.query import FILTERED_BY_TERM, FILTERS
from tasksvc.domain.task import GIVEN_ONCE
from tasksvc.testing.samples import FEW_VALUES, OTHER_VALUES

API = Path(__file__).parents[2] / "docs" / "api.md"
NAMES = [field.name for field in TASK_FIELDS]
WRITABLE = [field.name for field in TASK_FIELDS if field.writable]
each_field = pytest.mark.parametrize("field", TASK_FIELDS, ids=lambda field: field.name)


def test_the_table_has_the_fields_of_a_task_and_of_a_draft() -> None:
    assert [field.name for field in fields(Task)] == NAMES
    assert set(WRITABLE) == set(TaskDraft._fields)


def test_clients_send_the_writable_fields_and_see_all() -> None:
    changeable = [name for name in WRITABLE if name not in GIVEN_ONCE]
    assert list(TaskIn._declared_fields) == [*changeable, *GIVEN_ONCE]
    assert list(TaskPatch._declared_fields) == changeable
    assert list(TaskOut._declared_fields) == [*NAMES, "workspace"]
    assert list(TASK) == NAMES
    assert set(SET_BY_SERVICE) == set(NAMES) - set(WRITABLE)


def test_clients_can_send_each_filter() -> None:
    sent = {"label" if name == "labels" else name for name in inspect.signature(TaskQuery).parameters}

    assert set(FilterQuery._declared_fields) == sent - {"sort", "descending", "without_parent"}  # parent_id=none


def test_each_filter_makes_a_condition() -> None:
    known = {name for name, _, _ in FILTERS} | set(FILTERED_BY_TERM) | {"q", "metadata", "without_parent"}

    assert known == set(inspect.signature(TaskQuery).parameters) - {"sort", "descending"}


def test_the_page_on_the_api_has_a_row_for_each_field() -> None:
    table = API.read_text("utf-8").partition("| `description` |")[2].partition("\n\n")[0]

    assert set(re.findall(r"`(\w+)`", "`description`" + table)) >= set(NAMES)


def test_the_kit_knows_each_field() -> None:
    assert set(OTHER_VALUES) == set(FEW_VALUES) == set(WRITABLE)


@each_field
def test_the_log_of_sqlite_has_the_default_of_each_field(field: TaskField) -> None:
    """The adapter leaves out what a new task has by default."""
    database = sqlite3.connect(":memory:")
    database.executescript("".join(MIGRATIONS.scripts.values()))
    columns = {name: default for _, name, _, _, default, _ in database.execute("PRAGMA table_info(changes)")}
    database.close()

    if field.default is not REQUIRED:
        value = (
            codec.dumps(field.default).decode()
            if field.default is not None and field.kind in (FieldKind.TEXTS, FieldKind.OBJECT)
            else field.default
        )
        stored = None if value is None else f"'{value}'" if isinstance(value, str) else f"{value:d}"
        assert columns[field.name] == stored
