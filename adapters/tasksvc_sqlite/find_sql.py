"""Translates a query to SQL: its filter, its order, and the place where a page starts.

Most tasks have no due time and no priority, so the indexes on these leave those tasks out.  A list
in such an order has two runs: what the index has, and the rest, by id.  A page starts somewhere in
a run and may go on in the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache, partial
from operator import eq, ge, gt, le, lt
from typing import Any, Final, NamedTuple

from tasksvc import DEFAULT_LIST, SEARCHED, Cursor, Due, Operator, SortField, TaskQuery, fold_text, sql
from tasksvc.sql import clamp_int64, due_shift, microseconds
from tasksvc_sqlite.cache import Place
from tasksvc_sqlite.rows import TASK_COLUMNS, Statement, chunked, is_storable, placeholders

_HEAD: Final = "SELECT generation, max(pruned_seq, ifnull((SELECT max(seq) FROM changes), 0)), pruned_seq"
_WORKSPACE_HEAD: Final = (
    "SELECT store.epoch, max(workspaces.pruned_seq,"
    " ifnull((SELECT max(seq) FROM versions WHERE workspace = key AND seq IS NOT NULL), 0)), workspaces.pruned_seq"
)
_WIDTH: Final = len(sql.TASK_COLUMNS)
_NO_PRIORITY: Final = 0
_REST: Final = {SortField.DUE_AT: None, SortField.POSITION: None, SortField.PRIORITY: _NO_PRIORITY}
"""The value of the tasks that an index leaves out, for the columns that have such an index."""
_COLUMNS: Final = {SortField.DUE_AT: "due"}
"""The column of each order that has another name."""
_INDEXED: Final = {
    SortField.DUE_AT: "due IS NOT NULL",
    SortField.POSITION: "position IS NOT NULL",
    SortField.PRIORITY: "priority <> 0",
}
"""The condition of such a partial index."""


PARENT_TERM: Final = "parent_id="
"""The start of the terms of tasks that have a parent."""

_CONTAINS: Final = " OR ".join(map("({0} <> '' AND contains({0}, ?))".format, SEARCHED)).join("()")
"""The condition that a task has a text."""


class _Tables(NamedTuple):
    """Where the tasks of a workspace are."""

    tasks: str
    terms: str
    conditions: tuple[str, ...]
    """The conditions in SQL that its rows of `tasks` meet."""
    of_terms: tuple[str, ...]
    """The conditions that its rows of `terms` meet, which take the same values."""
    values: tuple[int, ...]
    has_term: str
    """The condition that a row of `terms` is of a task with another term."""
    joined: str
    """The join of `terms` with `tasks`, in this order."""
    is_indexed: bool = True
    """Whether all indexes have its tasks."""

    def index_on(self, column: str) -> str:
        """Returns the name of the index on a column."""
        return f"{self.tasks}_by_{column}"


_DEFAULT: Final = _Tables(
    "tasks",
    "task_terms",
    (),
    (),
    (),
    "EXISTS (SELECT 1 FROM task_terms AS others WHERE others.term = ? AND others.task_id = task_terms.task_id)",
    "task_terms CROSS JOIN tasks ON id = task_id",
)
_SMALL: Final = _Tables(
    "versions",
    "workspace_terms",
    ("versions.workspace = ?", "current IS NOT NULL"),
    ("workspace_terms.workspace = ?",),
    (),
    "EXISTS (SELECT 1 FROM workspace_terms AS others WHERE others.workspace = workspace_terms.workspace"
    " AND others.term = ? AND others.task_id = workspace_terms.task_id)",
    # The pluses keep a bound on task_id from becoming one on id, by which SQLite would search for each term.
    "workspace_terms CROSS JOIN versions INDEXED BY versions_by_id"
    " ON versions.workspace = +workspace_terms.workspace AND id = +task_id AND current IS NOT NULL",
    is_indexed=False,
)
_LARGE: Final = _SMALL._replace(conditions=("versions.workspace = ?", "current = 2"), is_indexed=True)


def _tables_of(place: Place | None) -> _Tables:
    """Returns the tables of the workspace at a place; None is the default one."""
    if place is None:
        return _DEFAULT
    return (_LARGE if place.is_large else _SMALL)._replace(values=(place.key,))


_NOTHING: Final = Statement("NULL")


def with_store_row(columns: int, parts: Sequence[Statement], limit: int, also: Statement = _NOTHING) -> Statement:
    """Selects one row with the generation, the last and the pruned number, then at most `limit` rows of `parts`.

    `columns` is the number of columns of `parts`, which are of the default workspace.  `also` is an expression for one
    more value in the row.

    It is one statement, so one snapshot.  SQLite takes the parts in turn, until there are enough.
    """
    head = f"{_HEAD}, {also.sql}{', NULL' * (columns - 4)} FROM store"
    return _after_head(head, also.values, parts, limit)


def with_workspace_row(
    key: int, columns: int, parts: Sequence[Statement], limit: int, also: Statement = _NOTHING
) -> Statement:
    """Does what with_store_row() does for another workspace, but with the epoch of the store first.

    The numbers are null if the workspace has been erased.  Then the other rows are what it has left.
    """
    head = f"{_WORKSPACE_HEAD}, {also.sql}{', NULL' * (columns - 4)} FROM store LEFT JOIN workspaces ON key = ?"
    return _after_head(head, (*also.values, key), parts, limit)


def _after_head(head: str, values: Sequence[Any], parts: Sequence[Statement], limit: int) -> Statement:
    sql = " UNION ALL ".join([head, *(f"SELECT * FROM ({part.sql} LIMIT ?)" for part in parts)])
    bound = [*values, *(value for part in parts for value in (*part.values, limit))]
    return Statement(f"{sql} LIMIT ?", [*bound, limit + 1])


def page(query: TaskQuery, after: Cursor | None, limit: int, place: Place | None = None) -> Statement:
    """Returns the statement for a page: one row of the store, and at most `limit` tasks.

    `place` is that of the workspace, None for the default one.
    """
    parts = list(_queries(query, after, _tables_of(place))) if _is_possible(query) else []
    if place is None:
        return with_store_row(_WIDTH, parts, limit)
    return with_workspace_row(place.key, _WIDTH, parts, limit)


def term_lookups(terms: Sequence[str], key: int | None, limit: int) -> Iterator[Statement]:
    """Yields statements for the tasks that are found by each term, at most `limit` of each.

    `key` is that of the workspace, None for the default one.
    """
    tables = _DEFAULT if key is None else _SMALL._replace(values=(key,))
    return chunked(partial(_term_lookup, tables), [(*tables.values, term, limit) for term in terms])


def _term_lookup(tables: _Tables, terms: int) -> str:
    wanted, _ = _with_terms([""], tables)
    of_one = f"SELECT * FROM (SELECT {TASK_COLUMNS} FROM {tables.joined}{_where(wanted)} LIMIT ?)"
    return " UNION ALL ".join([of_one] * terms)


def lists(after: str, limit: int, place: Place | None) -> Statement:
    """Returns the statement for the lists of a workspace that have a task: name, open tasks, all tasks, by name."""
    tables = _tables_of(place)
    numbers = "sum(done = 0), count(*)"
    if not tables.is_indexed:
        return Statement(
            f"SELECT list, {numbers} FROM versions INDEXED BY versions_by_id{_where([*tables.conditions, 'list > ?'])}"
            " GROUP BY list ORDER BY list LIMIT ?",
            (*tables.values, after, limit),
        )
    indexed = f"FROM {tables.tasks} INDEXED BY {tables.index_on('list')}"
    other = [*tables.conditions, f"list <> '{DEFAULT_LIST}'"]
    named = f"SELECT list, {numbers} {indexed}{_where([*other, 'list > ?'])} GROUP BY list ORDER BY list LIMIT ?"
    values: list[Any] = [*tables.values, after, limit]
    if after >= DEFAULT_LIST:
        return Statement(named, values)
    # Most tasks are in the list that the index leaves out, so those are counted that aren't.
    still_open, total = [
        f"(SELECT count(*) FROM {tables.tasks}{_where([*tables.conditions, *also])})"
        f" - (SELECT count(*) {indexed}{_where([*other, *also])})"
        for also in (["done = 0"], [])
    ]
    rest = f"SELECT '{DEFAULT_LIST}', {still_open}, {total} AS total WHERE total > 0"
    return Statement(
        f"SELECT * FROM ({named}) UNION ALL SELECT * FROM ({rest}) ORDER BY 1 LIMIT ?",
        [*values, *tables.values * 4, limit],
    )


def count(query: TaskQuery, place: Place | None = None) -> Statement | None:
    """Returns the statement that counts tasks, or None if there can be none, since SQLite can't hold such a text.

    It finds no row if the workspace at `place` has been erased.
    """
    if not _is_possible(query):
        return None
    statement = _count(query, place)
    if place is None:
        return statement
    return Statement(f"SELECT ({statement.sql}) FROM workspaces WHERE key = ?", [*statement.values, place.key])


def _count(query: TaskQuery, place: Place | None) -> Statement:
    tables, conditions, terms = _tables_of(place), _conditions(query), _terms(query)
    if len(terms) == len(query.conditions()) > 0:  # their index has it all
        wanted, values = _with_terms(terms, tables)
        return Statement(f"SELECT count(*) FROM {tables.terms} WHERE {' AND '.join(wanted)}", values)
    source, wanted, values = _filtered(query, tables, conditions, _without_priority(conditions), index=None)
    return Statement(f"SELECT count(*) FROM {source}{_where(wanted)}", values)


def is_indexed(query: TaskQuery) -> bool:
    """Returns whether an index has just the tasks of `query`, in its order, so that all pages cost the same.

    It's meant for the default workspace and large ones.
    """
    if _texts(query):
        return False
    conditions, terms = _conditions(query), _terms(query)
    if query.sort is SortField.ID and not _nulls(query):
        return len(terms) <= 1 if not conditions else not terms and _index_by_id(conditions) is not None
    return {field for field, _, _ in query.conditions()} <= {query.sort.value} and not terms


def point_lookups(
    columns: str, table: str, names: tuple[str, ...], keys: Sequence[Sequence[Any]], also: str | None = None
) -> Iterator[Statement]:
    """Yields statements for the rows whose columns `names` are one of `keys`, each found in an index.

    `also` is a further condition.
    """
    # Each number of keys is another statement, which is kept, so there are few such numbers.
    missing = (1 << (len(keys) - 1).bit_length()) - len(keys) if keys else 0
    nothing = [(None,) * len(names)] * missing
    return chunked(partial(_point_lookup, columns, table, names, also), [*keys, *nothing])


@cache
def _point_lookup(columns: str, table: str, names: tuple[str, ...], also: str | None, keys: int) -> str:
    wanted = [f"wanted_{name}" for name in names]
    on = " AND ".join(
        [*(f"{name} = {value}" for name, value in zip(names, wanted, strict=True)), *filter(None, [also])]
    )
    return (
        f"WITH wanted ({', '.join(wanted)}) AS (VALUES {placeholders(len(names), keys)})"
        f" SELECT {columns} FROM wanted CROSS JOIN {table} ON {on}"
    )


def contains(text: str, folded: str) -> bool:
    """Returns whether a text matches `q`.  It is called from SQL, so that Python's case folding decides."""
    return folded in fold_text(text)


_COMPARISONS: Final = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}


class _Condition(NamedTuple):
    column: str
    operator: str
    value: Any

    def allows(self, value: int) -> bool:
        """Returns whether a task with this value in the column meets it."""
        return bool(_COMPARISONS[self.operator](value, self.value))


def _conditions(query: TaskQuery) -> list[_Condition]:
    """Returns the conditions of the filter that compare columns.  All others are _terms(), _texts() and _nulls()."""
    found: list[_Condition] = []
    for field, operator, value in query.conditions():
        if isinstance(value, Due):
            found += _compared_to_due(operator, value)
        elif value is not None and operator not in (Operator.HAS, Operator.CONTAINS):
            found.append(_Condition(field, operator.value, _bind(value)))
    return found


def _compared_to_due(operator: Operator, due: Due) -> Iterator[_Condition]:
    """Yields the conditions that a due time, or a due day, is within `due`; the first one bounds the index on both."""
    at, shift = due_shift(due)
    outer = max(at, at - shift) if operator is Operator.LESS else min(at, at - shift)
    yield _Condition("due", operator.value, outer)
    if shift:
        yield _Condition(f"ifnull(due_at, due_on + {shift:d})", operator.value, at)


def _terms(query: TaskQuery) -> list[str]:
    """Returns the terms that a task must have."""
    return [str(value) for _, operator, value in query.conditions() if operator is Operator.HAS]


def _texts(query: TaskQuery) -> list[str]:
    """Returns the texts, each of which one of the columns SEARCHED must contain."""
    return [str(value) for _, operator, value in query.conditions() if operator is Operator.CONTAINS]


def _nulls(query: TaskQuery) -> list[str]:
    """Returns the columns that must be null."""
    return [field for field, operator, _ in query.conditions() if operator is Operator.IS_NULL]


def _is_possible(query: TaskQuery) -> bool:
    """Returns whether SQLite can hold all texts of the filter."""
    return is_storable(*[value for _, _, value in query.conditions() if isinstance(value, str)])


def _bind(value: datetime | int | str) -> int | str:
    """Returns `value` as a column holds it."""
    if isinstance(value, str):
        return value
    return microseconds(value) if isinstance(value, datetime) else clamp_int64(value)


# ---------------------------------------------------------------- the runs of a list


def _queries(query: TaskQuery, after: Cursor | None, tables: _Tables) -> Iterator[Statement]:
    """Yields the statements that make up the list from `after` on, one after the other."""
    if query.sort is SortField.ID:
        yield _by_id(query, tables, _conditions(query), after)
    elif query.sort not in _REST:
        yield from _by_value(query, tables, after)
    elif query.sort is SortField.PRIORITY and not query.descending:
        yield from _rest(query, tables, after)
        yield from _by_value(query, tables, after)
    else:
        yield from _by_value(query, tables, after)
        yield from _rest(query, tables, after)


def _by_value(query: TaskQuery, tables: _Tables, after: Cursor | None) -> Iterator[Statement]:
    """Yields statements for what the index on the sort column has, from `after` on."""
    column = _column(query)
    beyond, way = _direction(query)
    order = f"{column} {way}, id {way}"
    index = column if is_indexed(query) else None
    filtered = _conditions(query)
    indexed = _INDEXED.get(query.sort)
    if after is None:
        yield _select(query, tables, filtered, indexed, order, index)
    elif after.value is not None:
        value = _bind(after.value)
        # The place is to bound the search in the index.  A plus keeps a bound of the filter from that.
        kept = [bound._replace(column=f"+{column}") if bound.column == column else bound for bound in filtered]
        others = [
            keep if bound.column == column and bound.operator[0] == beyond else bound
            for bound, keep in zip(filtered, kept, strict=True)
        ]
        alike = [_Condition(column, "=", value), _Condition("id", beyond, clamp_int64(after.id))]
        yield _select(query, tables, [*alike, *kept], indexed, order, index)
        exact = [bound.value for bound in filtered if bound.column == column and bound.operator == "="]
        if all(_COMPARISONS[beyond](bound, value) for bound in exact):
            yield _select(query, tables, [_Condition(column, beyond, value), *others], indexed, order, index)


def _rest(query: TaskQuery, tables: _Tables, after: Cursor | None) -> Iterator[Statement]:
    """Yields a statement for what that index leaves out, from `after` on."""
    column, value = _column(query), _REST[query.sort]
    filtered = _conditions(query)
    if any(value is None or not bound.allows(value) for bound in filtered if bound.column == column):
        return
    if after is not None and after.value != value:
        if value is not None and not _precedes(after, value, query):
            return
        after = None
    others = [bound for bound in filtered if bound.column != column]
    yield _by_id(query, tables, others, after, f"{column} IS {'NULL' if value is None else value}")


def _column(query: TaskQuery) -> str:
    """Returns the column by which the list is ordered."""
    return _COLUMNS.get(query.sort, query.sort.value)


def _precedes(after: Cursor, value: int, query: TaskQuery) -> bool:
    """Returns whether the place is before all tasks that are sorted by `value`."""
    if not isinstance(after.value, int):
        return False
    return after.value > value if query.descending else after.value < value


def _by_id(
    query: TaskQuery, tables: _Tables, filtered: Sequence[_Condition], after: Cursor | None, also: str | None = None
) -> Statement:
    column = "task_id" if _terms(query) else "id"  # the index on the terms has it under this name
    beyond, way = _direction(query)
    onwards = () if after is None else (_Condition(column, beyond, clamp_int64(after.id)),)
    index = _index_by_id(filtered) if query.sort is SortField.ID and is_indexed(query) else None
    if index == "priority":
        also = _INDEXED[SortField.PRIORITY]
    return _select(query, tables, [*onwards, *filtered], also, f"{column} {way}", index)


def _index_by_id(conditions: Sequence[_Condition]) -> str | None:
    """Returns the column whose index has the tasks which meet `conditions`, by id, or None."""
    match conditions:
        case [_Condition("done")]:
            return "done"
        case [_Condition("priority", "=", value)] if value != _NO_PRIORITY:
            return "priority"
    return None


def _direction(query: TaskQuery) -> tuple[str, str]:
    return ("<", "DESC") if query.descending else (">", "ASC")


def _select(
    query: TaskQuery,
    tables: _Tables,
    conditions: Sequence[_Condition],
    also: str | None,
    order: str,
    index: str | None,
) -> Statement:
    """Returns the statement for tasks that meet the conditions and the other filters of `query`, in an order.

    `index` is the column whose index is to be used.
    """
    source, wanted, values = _filtered(query, tables, conditions, also, index)
    return Statement(f"SELECT {TASK_COLUMNS} FROM {source}{_where(wanted)} ORDER BY {order}", values)


def _filtered(
    query: TaskQuery, tables: _Tables, conditions: Sequence[_Condition], also: str | None, index: str | None
) -> tuple[str, list[str], list[Any]]:
    """Returns the tables, the conditions in SQL, and the values in them, for such tasks."""
    wanted: list[str]
    values: list[Any]
    if terms := _terms(query):
        source = tables.joined
        wanted, values = _with_terms(terms, tables)
    else:
        source = tables.tasks
        wanted, values = [*tables.conditions], [*tables.values]
        if not tables.is_indexed:
            index = "id"
        if index is not None:
            source += f" INDEXED BY {tables.index_on(index)}"
    wanted += [f"{column} {operator} ?" for column, operator, _ in conditions]
    values += [condition.value for condition in conditions]
    wanted += [f"{column} IS NULL" for column in _nulls(query)]
    if also is not None:
        wanted.append(also)
    for text in _texts(query):
        wanted.append(_CONTAINS)
        values += [text] * len(SEARCHED)
    return source, wanted, values


def _with_terms(terms: Sequence[str], tables: _Tables) -> tuple[list[str], list[Any]]:
    """Returns the conditions, and their values, for rows of the index of terms of tasks with all of `terms`."""
    wanted = [*tables.of_terms, f"{tables.terms}.term = ?", *[tables.has_term] * (len(terms) - 1)]
    return wanted, [*tables.values, *terms]


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _without_priority(conditions: Sequence[_Condition]) -> str | None:
    """Returns the condition of the index on priorities, if `conditions` exclude the tasks that it leaves out."""
    excluded = any(bound.column == "priority" and not bound.allows(_NO_PRIORITY) for bound in conditions)
    return _INDEXED[SortField.PRIORITY] if excluded else None
