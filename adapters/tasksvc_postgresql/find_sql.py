"""The dialect of PostgreSQL, and which queries its indexes serve."""

from __future__ import annotations

from tasksvc import Operator, SortField, TaskQuery
from tasksvc.sql import Dialect

DIALECT = Dialect(
    placeholder="${}".format,
    contains="strpos({0}, {1}) > 0".format,
    byte_length="octet_length({0}::text)".format,
)


def is_indexed(query: TaskQuery) -> bool:
    """Returns whether an index has just the tasks of `query`, in its order."""
    conditions = query.conditions()
    operators = {condition.operator for condition in conditions}
    if Operator.CONTAINS in operators:
        return False
    if query.sort is SortField.POSITION:
        return False
    if query.sort is not SortField.ID:
        return all(condition.field == query.sort for condition in conditions)
    if Operator.HAS in operators:
        return len(conditions) == 1
    return not conditions or [(c.operator, c.field in _BY_ID) for c in conditions] == [(Operator.EQUAL, True)]


_BY_ID = ("done", "priority")
"""The columns whose indexes have tasks of one value by id."""
