"""Helpers for adapters of SQL databases, without a driver: rows, queries, statements of bounded size, and dumps."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasksvc.sql.arguments import (
        FindArgs,
        ReadArgs,
    )
    from tasksvc.sql.dumps import (
        STORE_DUMP,
        WORKSPACE_DUMP,
        Batch,
        DumpPart,
        batches,
    )
    from tasksvc.sql.queries import (
        FOLDED,
        Dialect,
        Statement,
        changes_of_rows,
        changes_statement,
        count_statement,
        due_shift,
        find_statement,
        insert_statements,
        null_key,
        page_of_rows,
        position_of_row,
        task_changes_of_rows,
        task_changes_statement,
    )
    from tasksvc.sql.rows import (
        CHANGE_COLUMNS,
        DAY,
        IDEMPOTENCY_RECORD_COLUMNS,
        INT64_MAX,
        RECORD_COLUMNS,
        TASK_COLUMNS,
        Row,
        change_from_row,
        change_to_row,
        clamp_int64,
        from_microseconds,
        idempotency_record_from_row,
        idempotency_record_to_row,
        json_size_of_row,
        load_idempotency_record,
        microseconds,
        record_from_row,
        record_to_row,
        task_from_row,
        task_to_row,
    )

__all__ = [
    "CHANGE_COLUMNS",
    "DAY",
    "FOLDED",
    "IDEMPOTENCY_RECORD_COLUMNS",
    "INT64_MAX",
    "RECORD_COLUMNS",
    "STORE_DUMP",
    "TASK_COLUMNS",
    "WORKSPACE_DUMP",
    "Batch",
    "Dialect",
    "DumpPart",
    "FindArgs",
    "ReadArgs",
    "Row",
    "Statement",
    "batches",
    "change_from_row",
    "change_to_row",
    "changes_of_rows",
    "changes_statement",
    "clamp_int64",
    "count_statement",
    "due_shift",
    "find_statement",
    "from_microseconds",
    "idempotency_record_from_row",
    "idempotency_record_to_row",
    "insert_statements",
    "json_size_of_row",
    "load_idempotency_record",
    "microseconds",
    "null_key",
    "page_of_rows",
    "position_of_row",
    "record_from_row",
    "record_to_row",
    "task_changes_of_rows",
    "task_changes_statement",
    "task_from_row",
    "task_to_row",
]

_MODULES = {
    "arguments": "FindArgs ReadArgs",
    "dumps": "STORE_DUMP WORKSPACE_DUMP Batch DumpPart batches",
    "queries": (
        "FOLDED Dialect Statement changes_of_rows changes_statement count_statement due_shift find_statement "
        "insert_statements null_key page_of_rows position_of_row task_changes_of_rows task_changes_statement"
    ),
    "rows": (
        "CHANGE_COLUMNS DAY IDEMPOTENCY_RECORD_COLUMNS INT64_MAX RECORD_COLUMNS TASK_COLUMNS Row change_from_row "
        "change_to_row clamp_int64 from_microseconds idempotency_record_from_row idempotency_record_to_row "
        "json_size_of_row load_idempotency_record microseconds record_from_row record_to_row task_from_row "
        "task_to_row"
    ),
}
"""The names that each module defines.  They are imported when they are used, since a store needs few at its start."""
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"tasksvc.sql.{_MODULE_OF[name]}"), name)
    return value
